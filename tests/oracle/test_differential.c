/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oracle against the BPF programs: random worlds go through the planner into the real maps,
 * random packets through the real programs, and every verdict, drop reason, translation, receiver
 * and flag of tracking is compared with what the oracle says of the model.
 *
 * Two tests. In the first each packet is the first of its flow: flows are forgotten after each. In
 * the second a flow lives on while the world changes under it through plan_change and plan_flush,
 * and its later packets, both ways, are judged too: what is tracked survives, what is untracked is
 * asked again, and a path that ends elsewhere is another flow.
 *
 * A sample of the first packets is sent once more for real, through the devices (replay.h).
 *
 * Each runs for half of ORACLE_SECONDS (20 by default); TEST_SEED repeats a run. A difference is
 * printed with its world and packet, and with as little of that world as it takes: so is a later
 * packet's, where it comes of the flow's own packets and not of the changes between them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "judge.h"
#include "lives.h"
#include "replay.h"
#include "rules/test_packet.h"
#include "shrink.h"

#define PACKETS 400 /* a world */
static unsigned reasons[DROP_COUNT], tracked[3];

/* A first packet of its flow, in a world. */
struct first {
    const struct oracle_host *host;
    char from[64]; /* "": the uplink */
    struct oracle_packet p;
    unsigned tcp_flags;
    struct oracle_verdict v;
    struct rig_outcome o;
    bool real; /* send it for real, too */
};

/* The same packet through the devices, and once more with a checksum that is not there yet. */
static const char *judge_real(struct first *f, const struct packet *k) {
    bool begins = opens(&f->p, f->tcp_flags);
    struct rig_outcome dry = f->o;
    const char *what = NULL;

    for (int partial = 0; partial < 2 && !what; partial++) {
        if (partial && f->p.protocol != IPPROTO_TCP && f->p.protocol != IPPROTO_UDP)
            break;
        what = replay(&rig, &f->p, &f->v, k, &dry, partial, begins, &f->o);
        if (f->v.accepted || what)
            rig_no_flows(&rig);
    }
    return what;
}

/* What is wrong; NULL: nothing. */
static const char *judge_first(const struct world *w, struct first *f) {
    const char *what = NULL;
    struct packet k;

    oracle_judge(w->ix, f->host, &f->p, &f->v);
    write_packet(&f->p, f->tcp_flags, &k);
    rig_send(&rig, f->p.from, k.data, k.len, &f->o);
    if (f->v.accepted != f->o.accepted)
        what = f->v.accepted ? "dropped" : "accepted";
    else if (!f->v.accepted && f->o.reason != f->v.reason)
        what = "reason";
    else if (f->o.counted != !f->v.accepted)
        what = "count of drops";
    else if (f->v.service)
        what = question_differs(&f->p, &f->v, &f->o);
    else if (f->v.accepted)
        what = delivery_differs(&f->p, &f->v, &f->o, opens(&f->p, f->tcp_flags));
    if (f->o.accepted)
        rig_no_flows(&rig);
    if (!what && f->real && replay_can(&rig, &f->p))
        what = judge_real(f, &k);
    return what;
}

static bool still_differs(struct world *w, void *data) {
    struct first *f = data;

    f->p.from = f->from[0] ? index_get(w->ix, KIND_NETWORK_INTERFACE, w->scope, f->from) : NULL;
    if (f->from[0] && !f->p.from)
        return false;
    rig_world(&rig, w, f->host);
    return judge_first(w, f);
}

/* Every 8th refused packet and every 2nd accepted one, as far as the time for it goes. No draw of
 * the world's: a run that is repeated sees the same packets, however fast the machine is. */
static bool is_sample(const struct world *w, const struct first *f) {
    static unsigned seen[2];
    struct oracle_verdict v;

    if (replay_counts.seconds > limit(20) / 5 || !replay_can(&rig, &f->p))
        return false;
    oracle_judge(w->ix, f->host, &f->p, &v);
    return seen[v.accepted]++ % (v.accepted ? 2 : 8) == 0;
}

/* False: they differ, and of the world only what that needs is left, which is none that there could
 * be. */
static bool one_packet(struct world *w, const struct oracle_host *host) {
    static const unsigned flags[] = {SYN, SYN, SYN, SYN, SYN, SYN, ACK, SYN | ACK, RST, FIN | ACK};
    struct first f = {.host = host, .tcp_flags = flags[world_random(w, ARRAY_SIZE(flags))]};
    const char *what;

    packet_random(w, host, &f.p);
    if (is_question(&f.p))
        return true;
    f.p.midway = f.p.protocol == IPPROTO_TCP && f.tcp_flags != SYN;
    f.real = is_sample(w, &f);
    what = judge_first(w, &f);
    reasons[f.v.reason]++;
    tracked[f.v.receiver]++;
    if (!what)
        return true;
    snprintf(f.from, sizeof(f.from), "%s", f.p.from ? f.p.from->o.id : "");
    printf("a difference (%s); what it does not need is taken out of its world\n", what);
    if (still_differs(w, &f))
        printf("%u things went\n", shrink_world(w, still_differs, &f));
    else
        printf("it does not come again in the same world published anew\n");
    still_differs(w, &f);
    report(w, host, &f.p, &f.v, &f.o, what);
    return false;
}

static void test_first_packets(void **state) {
    double end = now() + limit(20) / 2;
    unsigned worlds = 0, packets = 0;

    while (now() < end + replay_counts.seconds) {
        struct oracle_host host;
        struct world w;

        world_make(&w, seed + worlds++);
        packet_host(&w, &host);
        rig_world(&rig, &w, &host);
        for (int n = 0; n < PACKETS; n++) {
            /* Changes come in as they do in life: through plan_change and plan_flush. */
            if (n % 40 == 39) {
                world_mutate(&w);
                rig_change(&rig, &w);
            }
            packets++;
            if (!one_packet(&w, &host))
                break;
        }
        world_free(&w);
    }
    printf("%u worlds, %u packets\n", worlds, packets);
    for (int i = 0; i < DROP_COUNT; i++)
        if (reasons[i])
            printf("  %-24s %u\n", drop_name((unsigned)i), reasons[i]);
    printf("  received tracked %u, untracked %u\n", tracked[ORACLE_TRACKED],
           tracked[ORACLE_UNTRACKED]);
    printf("%u sent for real and delivered, %u of them with a checksum to compute; %u refused\n",
           replay_counts.delivered, replay_counts.partial, replay_counts.refused);
    assert_int_equal(differences, 0);
    assert_true(replay_counts.partial && replay_counts.refused);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_first_packets),
                                       cmocka_unit_test(test_lives)};
    int r;

    rig_open(&rig);
    replay_open(&rig);
    seed = world_seed("differential");
    r = cmocka_run_group_tests(tests, NULL, NULL);
    replay_close();
    rig_close(&rig);
    return r;
}
