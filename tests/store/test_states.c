/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two states over one database, 10,000 random calls.
 *
 *     process 1: state, index, 8 calls in flight        process 2: the same
 *                        \                               /
 *                         one SQLite file, shared mode
 *
 * The calls are small models of what the API does with VPCs, subnets, groups and interfaces, with
 * the same rules: a claim for what must be unique, a touch of the parent for what must hold over a
 * set or against its deletion. A call that was answered 0 and with success is noted. Afterwards, in
 * both states and in one that is opened afresh:
 *
 *  1. what was acknowledged is there, and nothing else
 *  2. no claim is held twice, and each belongs to the object that it is for
 *  3. no two subnets of a VPC overlap, no two groups of a VPC have one name
 *  4. what an object names exists
 *  5. no increment of a counter was lost or made twice
 */
#include "helper.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "model/account.h"
#include "model/network_interface.h"
#include "model/security_group.h"
#include "model/vpc.h"
#include "store/txn.h"

#define CALLS 5000 /* of each process */
#define IN_FLIGHT 8
#define VPCS 3
#define GROUP_NAMES 12

static const struct scope here = {.account = 1, .region = 1};

enum verb {
    MAKE_VPC,
    DROP_VPC,
    MAKE_SUBNET,
    DROP_SUBNET,
    MAKE_GROUP,
    DROP_GROUP,
    MAKE_ENI,
    DROP_ENI,
    COUNT, /* adds one to the counter of a VPC */
    LOOK,
    VERBS,
};

/* A noted success; sent to the other process at the end. */
struct note {
    uint32_t verb;
    char id[32];
};

struct driver {
    struct event_base *base;
    struct state *state;
    struct note notes[CALLS];
    uint32_t started, finished, noted, runs, refused;
    bool wrong;
};

struct call {
    struct driver *d;
    enum verb verb;
    uint32_t dice[3]; /* what the call is about: the same in every run */
    char id[32];      /* of what it makes */
    int result;
    char touched[32]; /* the id in its note */
    char why[128];    /* LOOK: what was not whole */
};

/* The n-th object of a kind, wrapping; NULL when there is none. */
static const void *pick(const struct index *ix, enum kind k, uint32_t n) {
    size_t count = index_count(ix, k);
    struct cursor c;

    if (!count)
        return NULL;
    n %= (uint32_t)count;
    index_each_in(ix, c, k, here) {
        if (n-- == 0)
            return c.obj;
    }
    return NULL;
}

static const void *pick_get(struct txn *t, enum kind k, uint32_t n) {
    const struct obj *o = pick(txn_index(t), k, n);

    return o ? txn_get(t, k, here, o->id) : NULL;
}

/* The handlers. 0, or negative for a refusal. */

static int make_vpc(struct txn *t, struct call *c) {
    char claim[64];
    struct vpc *v;

    /* VPCS of them at most: each holds a numbered place, which is a claim. */
    snprintf(claim, sizeof(claim), "place/%u", c->dice[0] % VPCS);
    if (!txn_claim(t, here, claim, c->id))
        return -EEXIST;
    v = txn_new(t, KIND_VPC, here, c->id);
    obj_set(&v->o, &v->tenancy, claim);
    obj_set(&v->o, &v->dhcp_options_id, "0");
    txn_put(t, v);
    return 0;
}

static int drop_vpc(struct txn *t, struct call *c) {
    const struct vpc *v = pick_get(t, KIND_VPC, c->dice[0]);
    struct cursor cur;

    /* Rarely: its children come and go in between. */
    if (!v || c->dice[1] % 4 ||
        cursor_by(txn_index(t), &cur, KIND_SUBNET, SUBNET_BY_VPC, v->o.id) ||
        cursor_by(txn_index(t), &cur, KIND_SECURITY_GROUP, SG_BY_VPC, v->o.id))
        return -EBUSY;
    strcpy(c->touched, v->o.id);
    txn_release(t, here, v->tenancy);
    txn_delete(t, v);
    return 0;
}

static int make_subnet(struct txn *t, struct call *c) {
    const struct vpc *v = pick_get(t, KIND_VPC, c->dice[0]);
    struct cidr cidr = {.ip = {.family = IP_V4, .b = {10, 0, (uint8_t)(c->dice[1] % 64), 0}},
                        .len = (uint8_t)(20 + c->dice[2] % 8)};
    struct cursor cur;
    struct subnet *s;

    if (!v)
        return -ENOENT;
    cidr = cidr_mask(&cidr);
    index_each_by(txn_index(t), cur, KIND_SUBNET, SUBNET_BY_VPC, v->o.id) {
        if (cidr_overlaps(&((const struct subnet *)cur.obj)->cidr, &cidr))
            return -EEXIST;
    }
    s = txn_new(t, KIND_SUBNET, here, c->id);
    obj_set(&s->o, &s->vpc_id, v->o.id);
    s->cidr = cidr;
    txn_put(t, s);
    txn_touch(t, v);
    return 0;
}

static int drop_subnet(struct txn *t, struct call *c) {
    const struct subnet *s = pick_get(t, KIND_SUBNET, c->dice[0]);
    struct cursor cur;

    if (!s || cursor_by(txn_index(t), &cur, KIND_NETWORK_INTERFACE, ENI_BY_SUBNET, s->o.id))
        return -EBUSY;
    strcpy(c->touched, s->o.id);
    txn_delete(t, s);
    return 0;
}

static char *group_claim(const char *vpc, const char *name, char out[96]) {
    snprintf(out, 96, "name/%s/%s", vpc, name);
    return out;
}

static int make_group(struct txn *t, struct call *c) {
    const struct vpc *v = pick_get(t, KIND_VPC, c->dice[0]);
    struct security_group *g;
    char name[16], claim[96];

    snprintf(name, sizeof(name), "g%u", c->dice[1] % GROUP_NAMES);
    if (!v)
        return -ENOENT;
    if (!txn_claim(t, here, group_claim(v->o.id, name, claim), c->id))
        return -EEXIST;
    g = txn_new(t, KIND_SECURITY_GROUP, here, c->id);
    obj_set(&g->o, &g->name, name);
    obj_set(&g->o, &g->vpc_id, v->o.id);
    txn_put(t, g);
    txn_touch(t, v);
    return 0;
}

static int drop_group(struct txn *t, struct call *c) {
    const struct security_group *g = pick_get(t, KIND_SECURITY_GROUP, c->dice[0]);
    struct cursor cur;
    char claim[96];

    if (!g || cursor_by(txn_index(t), &cur, KIND_NETWORK_INTERFACE, ENI_BY_GROUP, g->o.id))
        return -EBUSY;
    strcpy(c->touched, g->o.id);
    txn_release(t, here, group_claim(g->vpc_id, g->name, claim));
    txn_delete(t, g);
    return 0;
}

static char *eni_claim(const struct network_interface *e, char out[96]) {
    char text[IP_TEXT];

    snprintf(out, 96, "ip/%s/%s", e->subnet_id,
             ip_format(&list_at(e->addresses, struct eni_address, 0)->ip, text));
    return out;
}

static int make_eni(struct txn *t, struct call *c) {
    const struct subnet *s = pick_get(t, KIND_SUBNET, c->dice[0]);
    const struct security_group *g = pick_get(t, KIND_SECURITY_GROUP, c->dice[1]);
    struct network_interface *e;
    struct eni_address *a;
    char claim[96];

    if (!s || !g || strcmp(s->vpc_id, g->vpc_id) != 0)
        return -ENOENT;
    e = txn_new(t, KIND_NETWORK_INTERFACE, here, c->id);
    obj_set(&e->o, &e->vpc_id, s->vpc_id);
    obj_set(&e->o, &e->subnet_id, s->o.id);
    strs_add(&e->groups, g->o.id);
    a = list_add(&e->addresses, sizeof(*a));
    a->ip = ip_add(&s->cidr.ip, 4 + c->dice[2] % 6);
    if (!txn_claim(t, here, eni_claim(e, claim), c->id))
        return -EEXIST;
    txn_put(t, e);
    txn_touch(t, s);
    txn_touch(t, g);
    return 0;
}

static int drop_eni(struct txn *t, struct call *c) {
    const struct network_interface *e = pick_get(t, KIND_NETWORK_INTERFACE, c->dice[0]);
    char claim[96];

    if (!e)
        return -ENOENT;
    strcpy(c->touched, e->o.id);
    txn_release(t, here, eni_claim(e, claim));
    txn_delete(t, e);
    return 0;
}

static int count_up(struct txn *t, struct call *c) {
    const struct vpc *have = pick_get(t, KIND_VPC, c->dice[0]);
    struct vpc *v = have ? txn_edit(t, have) : NULL;
    char text[16];

    if (!v)
        return -ENOENT;
    strcpy(c->touched, v->o.id);
    snprintf(text, sizeof(text), "%d", atoi(v->dhcp_options_id) + 1);
    obj_set(&v->o, &v->dhcp_options_id, text);
    txn_put(t, v);
    return 0;
}

static int check(const struct index *ix, char why[128]);

/* What it saw counts when it is done: a run that is taken back may have seen what never was. */
static int look(struct txn *t, struct call *c) {
    return check(txn_index(t), c->why);
}

static int (*const handlers[VERBS])(struct txn *, struct call *) = {
    make_vpc,   drop_vpc, make_subnet, drop_subnet, make_group,
    drop_group, make_eni, drop_eni,    count_up,    look};

static int run(struct txn *t, void *arg) {
    struct call *c = arg;

    c->d->runs++;
    strcpy(c->touched, c->id);
    c->result = handlers[c->verb](t, c);
    return c->result;
}

static void start_some(struct driver *d);

static void done(void *arg, int status) {
    struct call *c = arg;
    struct driver *d = c->d;

    d->finished++;
    d->refused += c->result < 0;
    if (status != 0 || (c->verb == LOOK && c->result < 0)) {
        printf("a call ended with %d; %s\n", status, c->why);
        d->wrong = true;
    } else if (c->result == 0 && c->verb != LOOK) {
        d->notes[d->noted].verb = c->verb;
        memcpy(d->notes[d->noted++].id, c->touched, sizeof(c->touched));
    }
    free(c);
    start_some(d);
}

static void start_some(struct driver *d) {
    static const char *const prefix[VERBS] = {
        [MAKE_VPC] = "vpc-", [MAKE_SUBNET] = "subnet-", [MAKE_GROUP] = "sg-", [MAKE_ENI] = "eni-"};

    while (d->started < CALLS && d->started - d->finished < IN_FLIGHT) {
        struct call *c = calloc(1, sizeof(*c));

        c->d = d;
        c->verb = random_below(VERBS);
        for (int i = 0; i < 3; i++)
            c->dice[i] = random_below(1u << 30);
        if (prefix[c->verb]) {
            char id[64];

            memcpy(c->id, obj_make_id(prefix[c->verb], id), sizeof(c->id));
            c->id[sizeof(c->id) - 1] = 0;
        }
        d->started++;
        state_call(d->state, run, done, c);
    }
}

/* Rules 2 to 4. */

static int bad(char why[128], const char *what, const char *id) {
    snprintf(why, 128, "%s: %s", what, id);
    return -1;
}

static bool holds(const struct index *ix, const char *claim, const char *owner) {
    const struct claim *c = index_get(ix, KIND_CLAIM, here, claim);

    return c && strcmp(c->owner, owner) == 0;
}

static bool overlaps_another(const struct index *ix, const struct subnet *s) {
    struct cursor c;

    index_each_by(ix, c, KIND_SUBNET, SUBNET_BY_VPC, s->vpc_id) {
        if (c.obj != s && cidr_overlaps(&s->cidr, &((const struct subnet *)c.obj)->cidr))
            return true;
    }
    return false;
}

static int check_subnets(const struct index *ix, char why[128]) {
    struct cursor c;

    index_each_in(ix, c, KIND_SUBNET, here) {
        const struct subnet *s = c.obj;

        if (!index_get(ix, KIND_VPC, here, s->vpc_id))
            return bad(why, "a subnet without its VPC", s->o.id);
        if (overlaps_another(ix, s))
            return bad(why, "a subnet overlaps another", s->o.id);
    }
    return 0;
}

static int check(const struct index *ix, char why[128]) {
    char claim[96];
    struct cursor c;
    size_t owned;

    if (check_subnets(ix, why) < 0)
        return -1;
    index_each_in(ix, c, KIND_VPC, here) {
        if (!holds(ix, ((const struct vpc *)c.obj)->tenancy, ((const struct obj *)c.obj)->id))
            return bad(why, "a VPC without its claim", ((const struct obj *)c.obj)->id);
    }
    index_each_in(ix, c, KIND_SECURITY_GROUP, here) {
        const struct security_group *g = c.obj;

        if (!holds(ix, group_claim(g->vpc_id, g->name, claim), g->o.id))
            return bad(why, "a group without its name", g->o.id);
        if (!index_get(ix, KIND_VPC, here, g->vpc_id))
            return bad(why, "a group without its VPC", g->o.id);
    }
    index_each_in(ix, c, KIND_NETWORK_INTERFACE, here) {
        const struct network_interface *e = c.obj;

        if (!holds(ix, eni_claim(e, claim), e->o.id))
            return bad(why, "an interface without its address", e->o.id);
        if (!index_get(ix, KIND_SUBNET, here, e->subnet_id) ||
            !index_get(ix, KIND_SECURITY_GROUP, here, list_str(e->groups, 0)))
            return bad(why, "an interface without its subnet or group", e->o.id);
    }
    /* Each holds its own, and there are no more. */
    owned = index_count(ix, KIND_VPC) + index_count(ix, KIND_SECURITY_GROUP) +
            index_count(ix, KIND_NETWORK_INTERFACE);
    return index_count(ix, KIND_CLAIM) == owned ? 0 : bad(why, "claims of nobody", "");
}

/* Rules 1 and 5, from the notes of both. */

static const enum kind kinds[VERBS] = {[MAKE_VPC] = KIND_VPC,
                                       [DROP_VPC] = KIND_VPC,
                                       [MAKE_SUBNET] = KIND_SUBNET,
                                       [DROP_SUBNET] = KIND_SUBNET,
                                       [MAKE_GROUP] = KIND_SECURITY_GROUP,
                                       [DROP_GROUP] = KIND_SECURITY_GROUP,
                                       [MAKE_ENI] = KIND_NETWORK_INTERFACE,
                                       [DROP_ENI] = KIND_NETWORK_INTERFACE};

static bool is_drop(uint32_t verb) {
    return verb == DROP_VPC || verb == DROP_SUBNET || verb == DROP_GROUP || verb == DROP_ENI;
}

static void check_notes(const struct index *ix, const struct note *notes, size_t n) {
    struct index *expected = index_new(); /* a set of ids will do */
    struct cursor c;

    for (int drop = 0; drop < 2; drop++) {
        for (size_t i = 0; i < n; i++) {
            enum kind k = kinds[notes[i].verb];

            if (notes[i].verb == COUNT || is_drop(notes[i].verb) != drop)
                continue;
            if (drop) {
                struct obj *o = index_remove(expected, k, here, notes[i].id);

                assert_non_null(o); /* deleted once, and it had been made */
                obj_unref(o);
            } else {
                struct obj *o = obj_new(k, here, notes[i].id);

                assert_null(index_get(expected, k, here, notes[i].id));
                index_put(expected, o, NULL);
                obj_unref(o);
            }
        }
    }
    for (int verb = MAKE_VPC; verb < COUNT; verb += 2) {
        assert_int_equal(index_count(ix, kinds[verb]), index_count(expected, kinds[verb]));
        index_each_in(ix, c, kinds[verb], here) {
            assert_non_null(
                index_get(expected, kinds[verb], here, ((const struct obj *)c.obj)->id));
        }
    }
    index_each_in(ix, c, KIND_VPC, here) {
        const struct vpc *v = c.obj;
        int counted = 0;

        for (size_t i = 0; i < n; i++)
            counted += notes[i].verb == COUNT && strcmp(notes[i].id, v->o.id) == 0;
        assert_int_equal(atoi(v->dhcp_options_id), counted);
    }
    index_free(expected);
}

static uint64_t digest(const struct index *ix) {
    uint64_t h = 14695981039346656037u;
    struct cursor c;

    for (enum kind k = 1; k < KIND_COUNT; k++) {
        index_each_in(ix, c, k, here) {
            const struct obj *o = c.obj;
            _buf_ struct buf doc = BUF_INIT;

            buf_addf(&doc, "%s %llu ", o->id, (unsigned long long)o->version);
            obj_encode(o, &doc);
            for (size_t i = 0; i < doc.len; i++)
                h = (h ^ (uint8_t)doc.data[i]) * 1099511628211u;
        }
    }
    return h;
}

/* Driving */

static void on_late(evutil_socket_t fd, short what, void *arg) {
    printf("the calls did not end\n");
    abort();
}

static struct driver *driver_open(struct event_base *base, const char *dir) {
    struct store_options options = {.shared = true};
    struct driver *d = calloc(1, sizeof(*d));
    char error[STORE_TEXT] = "";

    d->base = base;
    if (state_open(base, "sqlite", dir, &options, &d->state, error) < 0) {
        printf("%s\n", error);
        abort();
    }
    return d;
}

static void driver_close(struct driver *d) {
    state_close(d->state);
    free(d);
}

static void drive(struct event_base *base, struct driver **drivers, size_t n) {
    const struct timeval bound = {100, 0};
    struct event *late = evtimer_new(base, on_late, NULL);
    bool busy = true;

    evtimer_add(late, &bound);
    for (size_t i = 0; i < n; i++)
        start_some(drivers[i]);
    while (busy) {
        event_base_loop(base, EVLOOP_ONCE);
        busy = false;
        for (size_t i = 0; i < n; i++)
            busy |= drivers[i]->finished < CALLS;
    }
    event_free(late);
}

/* Runs the loop until the state has heard of everything. */
static void await_digest(struct driver *d, uint64_t want) {
    const struct timeval bound = {20, 0};
    struct event *late = evtimer_new(d->base, on_late, NULL);

    evtimer_add(late, &bound);
    while (digest(state_index(d->state)) != want)
        event_base_loop(d->base, EVLOOP_ONCE);
    event_free(late);
}

static void report(const char *who, const struct driver *d) {
    struct store_stats s = store_stats(state_store(d->state));

    printf("%s: %u calls, %u runs, %u refused, %u noted, %llu conflicts\n", who, d->finished,
           d->runs, d->refused, d->noted, (unsigned long long)s.conflicts);
}

/* The digest of what is on disk, after all rules were checked on it. */
static uint64_t check_disk(const char *dir, const struct note *notes, size_t n) {
    struct event_base *base = event_base_new();
    struct driver *fresh = driver_open(base, dir);
    char why[128] = "";
    uint64_t all;

    if (check(state_index(fresh->state), why) < 0)
        fail_msg("on disk: %s", why);
    check_notes(state_index(fresh->state), notes, n);
    all = digest(state_index(fresh->state));
    driver_close(fresh);
    event_base_free(base);
    return all;
}

static void two_states_in_one_process(void **state) {
    struct event_base *base = event_base_new();
    char dir[32], db[48];
    struct driver *d[2];
    struct note *notes;
    uint64_t all;

    temp_dir_make(dir);
    snprintf(db, sizeof(db), "%s/db", dir);
    for (int i = 0; i < 2; i++)
        d[i] = driver_open(base, db);
    drive(base, d, 2);
    notes = calloc(2 * CALLS, sizeof(*notes));
    memcpy(notes, d[0]->notes, d[0]->noted * sizeof(*notes));
    memcpy(notes + d[0]->noted, d[1]->notes, d[1]->noted * sizeof(*notes));
    all = check_disk(db, notes, d[0]->noted + d[1]->noted);
    for (int i = 0; i < 2; i++) {
        await_digest(d[i], all);
        report(i ? "second" : "first", d[i]);
        assert_false(d[i]->wrong);
        assert_true(d[i]->noted > CALLS / 10);
        assert_true(d[i]->runs > d[i]->finished); /* there were conflicts */
        driver_close(d[i]);
    }
    free(notes);
    event_base_free(base);
    temp_dir_remove(dir);
}

static void child_main(const char *db, int fd) {
    struct event_base *base = event_base_new();
    struct driver *d = driver_open(base, db);
    uint64_t all;

    drive(base, &d, 1);
    report("child", d);
    fflush(stdout);
    write_all(fd, (const char *)&d->noted, sizeof(d->noted));
    write_all(fd, (const char *)d->notes, d->noted * sizeof(d->notes[0]));
    /* The parent has looked at the disk; this state must show the same. */
    if (read(fd, &all, sizeof(all)) != sizeof(all))
        _exit(3);
    await_digest(d, all);
    _exit(d->wrong ? 1 : 0);
}

static void read_exactly(int fd, void *out, size_t n) {
    char *at = out;

    while (n) {
        ssize_t got = read(fd, at, n);

        assert_true(got > 0);
        at += got;
        n -= (size_t)got;
    }
}

static void two_processes(void **state) {
    char dir[32], db[48];
    struct event_base *base;
    struct driver *d;
    struct note *notes = calloc(2 * CALLS, sizeof(*notes));
    uint32_t theirs;
    int fds[2], status;
    uint64_t all;
    pid_t child;

    temp_dir_make(dir);
    snprintf(db, sizeof(db), "%s/db", dir);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        random_below(1); /* both would throw the same dice otherwise */
        for (int i = 0; i < 1000; i++)
            random_below(2);
        child_main(db, fds[1]);
    }
    close(fds[1]);
    base = event_base_new();
    d = driver_open(base, db);
    drive(base, &d, 1);
    report("parent", d);
    read_exactly(fds[0], &theirs, sizeof(theirs));
    memcpy(notes, d->notes, d->noted * sizeof(*notes));
    read_exactly(fds[0], notes + d->noted, theirs * sizeof(*notes));
    all = check_disk(db, notes, d->noted + theirs);
    await_digest(d, all);
    assert_int_equal(write_all(fds[0], (const char *)&all, sizeof(all)), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_false(d->wrong);
    driver_close(d);
    event_base_free(base);
    close(fds[0]);
    free(notes);
    temp_dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_states_in_one_process),
        cmocka_unit_test(two_processes),
    };

    random_seed_print();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
