/* SPDX-License-Identifier: Apache-2.0 */
/* vpcctl trace: a packet's way, hop by hop. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "vpcctl/ctl.h"
#include "vpcctl/print.h"

#define EXIT_REFUSED 3

#define USAGE                                                                                      \
    "usage: vpcctl trace FROM TO [tcp/PORT | udp/PORT | icmp[/TYPE/CODE] | PROTOCOL]\n"            \
    "           [--sport PORT] [--source ADDRESS] [--length BYTES] [--ipv6] [--live] [--follow]\n" \
    "           [--json]\n"                                                                        \
    "       FROM, TO: an instance, an interface, an address, or internet"

/* "tcp/443", "icmp/3/4", "47": into the request. */
static int read_protocol(const char *text, json_t *request) {
    char word[64], *rest;
    int64_t value;
    int number;

    if (strlen(text) >= sizeof(word))
        return -1;
    snprintf(word, sizeof(word), "%s", text);
    rest = strchr(word, '/');
    if (rest)
        *rest++ = 0;
    if (!protocol_parse(word, &number))
        return -1;
    json_object_set_new(request, "protocol", json_integer(number));
    if (number == 6 || number == 17) {
        if (!rest || int_parse(rest, 0, 65535, &value) < 0)
            return -1;
        json_object_set_new(request, "dport", json_integer(value));
        return 0;
    }
    if (!rest)
        return 0;
    if (number != 1 && number != 58)
        return -1;
    char *code = strchr(rest, '/');
    if (code)
        *code++ = 0;
    if (int_parse(rest, 0, 255, &value) < 0)
        return -1;
    json_object_set_new(request, "icmp_type", json_integer(value));
    if (code && int_parse(code, 0, 255, &value) < 0)
        return -1;
    if (code)
        json_object_set_new(request, "icmp_code", json_integer(value));
    return 0;
}

/* "tcp 10.0.1.5:49152 > 10.0.2.7:443" */
static void print_packet(const json_t *p) {
    char protocol[16];

    printf("%s ", protocol_text((int)number_in(p, "protocol"), protocol));
    print_end(text_in(p, "source"), json_object_get(p, "sport"));
    printf(" > ");
    print_end(text_in(p, "destination"), json_object_get(p, "dport"));
    if (json_object_get(p, "icmp_type"))
        printf(" type %lld code %lld", number_in(p, "icmp_type"), number_in(p, "icmp_code"));
}

static void print_interface(const json_t *i) {
    printf("%s", text_in(i, "interface"));
    if (!*text_in(i, "instance"))
        return;
    printf(" (%s", text_in(i, "instance"));
    if (*text_in(i, "name")) {
        putchar(' ');
        print_name(text_in(i, "name"));
    }
    putchar(')');
}

static bool is_translated(const json_t *packet, const json_t *arrives) {
    return strcmp(text_in(packet, "source"), text_in(arrives, "source")) != 0 ||
           strcmp(text_in(packet, "destination"), text_in(arrives, "destination")) != 0;
}

/* Whether the flow outlives its rules: at each end that is an interface. */
static void print_tracking(const char *sender, const char *receiver) {
    if (*sender && *receiver && strcmp(sender, receiver) == 0)
        printf("     %s at both ends\n", sender);
    else if (*sender || *receiver)
        printf("     %s%s%s%s%s\n", sender, *sender ? " at the sender" : "",
               *sender && *receiver ? ", " : "", receiver, *receiver ? " at the receiver" : "");
}

/* One way: its hops and its end. True: it arrives. */
static bool print_way(const json_t *way) {
    const json_t *hop, *arrives = json_object_get(way, "arrives");
    bool accepted = json_is_true(json_object_get(way, "accepted"));
    size_t i;

    print_packet(json_object_get(way, "packet"));
    printf("\n    from ");
    print_interface(json_object_get(way, "from"));
    printf("\n");
    json_array_foreach(json_object_get(way, "hops"), i, hop) {
        printf("  %2lld  %-54s %-8s %s\n", number_in(hop, "step"), text_in(hop, "question"),
               json_is_true(json_object_get(hop, "passed")) ? "passed" : "REFUSED",
               text_in(hop, "by"));
    }
    if (!accepted) {
        printf("  => dropped: %s. %s\n", text_in(way, "reason"), text_in(way, "means"));
        return false;
    }
    if (*text_in(way, "service")) {
        printf("  => answered by the %s service of the host\n", text_in(way, "service"));
        return true;
    }
    printf("  => delivered to ");
    print_interface(json_object_get(arrives, "at"));
    if (is_translated(json_object_get(way, "packet"), arrives))
        printf(" as %s > %s", text_in(arrives, "source"), text_in(arrives, "destination"));
    printf("\n");
    print_tracking(text_in(arrives, "sender_tracks"), text_in(arrives, "receiver_tracks"));
    return true;
}

/* What the loaded programs say. False: something else than the oracle. */
static bool print_live(const json_t *live) {
    const char *error = json_string_value(json_object_get(live, "error"));

    printf("\n");
    if (error) {
        printf("the loaded programs were not asked: %s\n", error);
        return true;
    }
    if (json_is_true(json_object_get(live, "agrees"))) {
        printf("the loaded programs decide the same\n");
        return true;
    }
    printf("the loaded programs DIFFER: %s%s. Please report it.\n",
           json_is_true(json_object_get(live, "accepted")) ? "they deliver it"
                                                           : "they drop it for ",
           json_is_true(json_object_get(live, "accepted")) ? " elsewhere or otherwise"
                                                           : text_in(live, "reason"));
    return false;
}

/* How to ask what becomes of it behind a middlebox. */
static void print_hint(const json_t *answer) {
    const json_t *packet = json_object_get(answer, "packet");
    const json_t *arrives = json_object_get(answer, "arrives");
    char protocol[16];

    printf("     That is a middlebox: what it forwards begins anew there. With --follow the trace "
           "goes on, "
           "or:\n     vpcctl trace %s %s %s",
           text_in(json_object_get(arrives, "at"), "interface"), text_in(arrives, "destination"),
           protocol_text((int)number_in(packet, "protocol"), protocol));
    if (json_object_get(packet, "dport"))
        printf("/%lld --sport %lld", number_in(packet, "dport"), number_in(packet, "sport"));
    else if (json_object_get(packet, "icmp_type"))
        printf("/%lld/%lld", number_in(packet, "icmp_type"), number_in(packet, "icmp_code"));
    printf(" --source %s\n", text_in(arrives, "source"));
}

static int print_all(const json_t *answer) {
    const json_t *reply = json_object_get(answer, "reply");
    const json_t *live = json_object_get(answer, "live");
    const json_t *next = json_object_get(answer, "next");
    bool arrives = print_way(answer), same = true;
    int further = 0;

    if (json_object_get(answer, "forwards") && !next)
        print_hint(answer);

    if (reply) {
        printf("\nand the answer to it:\n");
        arrives &= print_way(reply);
    }
    if (live)
        same = print_live(live);
    if (next) {
        printf("\nand from the middlebox, if it forwards the packet as it is:\n");
        further = print_all(next);
    }
    return !same || further == 1 ? 1 : arrives && !further ? 0 : EXIT_REFUSED;
}

static int read_options(const struct ctl *ctl, json_t *request, bool *ret_json) {
    static const struct {
        const char *option, *key;
        int64_t max; /* 0: a text */
    } values[] = {
        {"--sport", "sport", 65535}, {"--source", "source", 0}, {"--length", "length", 65535}};
    int words = 0;

    for (int i = 0; i < ctl->argc; i++) {
        const char *arg = ctl->argv[i];
        size_t v = 0;
        int64_t number;

        while (v < ARRAY_SIZE(values) && strcmp(arg, values[v].option) != 0)
            v++;
        if (strcmp(arg, "--live") == 0)
            json_object_set_new(request, "live", json_true());
        else if (strcmp(arg, "--follow") == 0)
            json_object_set_new(request, "follow", json_true());
        else if (strcmp(arg, "--json") == 0)
            *ret_json = true;
        else if (strcmp(arg, "--ipv6") == 0)
            json_object_set_new(request, "family", json_integer(6));
        else if (v < ARRAY_SIZE(values) && i + 1 == ctl->argc)
            return complain(EXIT_USAGE, "%s wants a value", arg);
        else if (v < ARRAY_SIZE(values) && values[v].max == 0)
            json_object_set_new(request, values[v].key, json_string(ctl->argv[++i]));
        else if (v < ARRAY_SIZE(values)) {
            if (int_parse(ctl->argv[++i], 0, values[v].max, &number) < 0)
                return complain(EXIT_USAGE, "%s: '%s' is no number up to %lld", arg, ctl->argv[i],
                                (long long)values[v].max);
            json_object_set_new(request, values[v].key, json_integer(number));
        } else if (arg[0] == '-')
            return complain(EXIT_USAGE, "'%s' is no option of trace\n%s", arg, USAGE);
        else if (words == 0)
            json_object_set_new(request, "from", json_string(arg));
        else if (words == 1)
            json_object_set_new(request, "to", json_string(arg));
        else if (words > 2 || read_protocol(arg, request) < 0)
            return complain(EXIT_USAGE,
                            "'%s' is no protocol: tcp/443, udp/53, icmp, icmp/3/4, or a number\n%s",
                            arg, USAGE);
        words += arg[0] != '-';
    }
    if (words < 2)
        return complain(EXIT_USAGE, USAGE);
    if (!json_object_get(request, "protocol")) /* whether they reach each other at all */
        json_object_set_new(request, "protocol", json_integer(1));
    return 0;
}

int ctl_trace(const struct ctl *ctl) {
    json_t *request = json_pack("{ss}", "cmd", "trace"), *answer;
    bool json = false;
    int r = read_options(ctl, request, &json);

    if (r) {
        json_decref(request);
        return r;
    }
    answer = daemon_call(ctl, DAEMON_AGENT, request);
    if (!answer)
        return 1;
    if (json) {
        json_dumpf(answer, stdout, JSON_INDENT(2));
        printf("\n");
    } else {
        r = print_all(answer);
    }
    json_decref(answer);
    return r;
}
