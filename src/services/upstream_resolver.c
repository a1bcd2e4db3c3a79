/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A libunbound context cannot be told of other servers once it was asked. So when resolv.conf
 * changes, a new context takes the place of the old one, whose questions end without an answer, and
 * whose memory of answers is gone: they may have been those of another network.
 */
#include "services/upstream_resolver.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unbound-event.h>
#include <unbound.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/text.h"
#include "services/upstream.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLV_CONF_MAX 65536
#define SERVERS_MAX 8
#define LOOK_SECONDS 2
#define DNS_PORT 53

struct asked {
    struct resolver *resolver;
    resolver_fn *done;
    void *arg;
    LIST_ENTRY(asked) all;
};

struct resolver {
    struct event_base *base;
    struct ub_ctx *ctx; /* NULL: nobody to ask */
    bool looked;        /* at resolv.conf, which was of this inode and time */
    struct timespec changed;
    ino_t inode;
    struct event *look;
    unsigned count;
    LIST_HEAD(, asked) all;
};

/*
 * Remembering is bounded by bytes, questions by their number. No validation: what is signed is
 * passed on with its signatures. A resolver on this host's loopback is as good as any. A server
 * that did not answer is tried again soon: a host that was without a network for a moment must not
 * be without names for the quarter of an hour that libunbound would wait.
 */
static const struct {
    const char *name, *value;
} options[] = {
    {"module-config:", "iterator"},
    {"do-not-query-localhost:", "no"},
    {"msg-cache-size:", "8m"},
    {"rrset-cache-size:", "16m"},
    {"key-cache-size:", "1m"},
    {"neg-cache-size:", "1m"},
    {"infra-cache-numhosts:", "100"},
    {"infra-host-ttl:", "5"},
    {"infra-keep-probing:", "yes"},
    {"infra-cache-max-rtt:", "2000"},
    {"outbound-msg-retry:", "3"},
    {"cache-max-ttl:", "86400"},
    {"cache-max-negative-ttl:", "3600"},
    {"num-queries-per-thread:", "1024"},
    {"outgoing-range:", "2048"},
    {"edns-buffer-size:", "1232"},
    {"unwanted-reply-threshold:", "10000000"},
    {"hide-identity:", "yes"},
    /* Those that must not go out are kept by the asker (dns_names.c), who knows whose they are. */
    {"unblock-lan-zones:", "yes"},
    {"insecure-lan-zones:", "yes"},
};

/* ---- servers ---- */

/* "ADDRESS", "ADDRESS:PORT" or "[ADDRESS]:PORT", as libunbound writes it: "ADDRESS@PORT". */
static int server_text(const char *text, char *out, size_t size) {
    char address[IP_TEXT] = "";
    const char *port = NULL, *colon = strchr(text, ':'), *end = strchr(text, ']');
    int64_t number = DNS_PORT;
    struct ip ip;
    size_t n;

    if (text[0] == '[' && end) {
        text++;
        n = (size_t)(end - text);
        if (end[1] && end[1] != ':')
            return -EINVAL;
        port = end[1] ? end + 2 : NULL;
    } else if (colon && !strchr(colon + 1, ':')) {
        n = (size_t)(colon - text);
        port = colon + 1;
    } else {
        n = strlen(text);
    }
    if (n >= sizeof(address))
        return -EINVAL;
    memcpy(address, text, n);
    address[n] = 0;
    if (ip_parse(address, &ip) < 0 || (port && int_parse(port, 1, 65535, &number) < 0))
        return -EINVAL;
    snprintf(out, size, "%s@%d", address, (int)number);
    return 0;
}

static int add_servers(struct ub_ctx *ctx, const char *servers) {
    _free_ char *copy = strdup(servers);
    char *rest = copy, *one, text[IP_TEXT + 8];
    int n = 0;

    if (!copy)
        return -ENOMEM;
    while ((one = strsep(&rest, ","))) {
        if (n == SERVERS_MAX || server_text(one, text, sizeof(text)) < 0)
            return -EINVAL;
        if (ub_ctx_set_fwd(ctx, text) != 0)
            return -ENOMEM;
        n++;
    }
    return n;
}

/* The lines "nameserver ADDRESS" (resolv.conf(5)); an address with a zone is no server for us. */
static int add_resolv_conf(struct ub_ctx *ctx) {
    _buf_ struct buf file = BUF_INIT;
    char *rest, *line, text[IP_TEXT + 8];
    int n = 0;

    if (read_file(RESOLV_CONF, RESOLV_CONF_MAX, &file) < 0 || !file.data)
        return 0;
    rest = file.data;
    while ((line = strsep(&rest, "\n")) && n < SERVERS_MAX) {
        char *address;

        if (strncmp(line, "nameserver", 10) != 0 || !strchr(" \t", line[10]) || !line[10])
            continue;
        address = line + 10 + strspn(line + 10, " \t");
        address[strcspn(address, " \t\r#;")] = 0;
        if (server_text(address, text, sizeof(text)) < 0) {
            log_warn("%s: no address: nameserver %s", RESOLV_CONF, address);
            continue;
        }
        n += ub_ctx_set_fwd(ctx, text) == 0;
    }
    return n;
}

/* ---- contexts ---- */

static struct ub_ctx *context_new(struct event_base *base) {
    struct ub_ctx *ctx = ub_ctx_create_event(base);

    for (size_t i = 0; ctx && i < ARRAY_SIZE(options); i++) {
        int r = ub_ctx_set_option(ctx, options[i].name, options[i].value);

        if (r != 0) {
            log_error("libunbound: %s %s: %s", options[i].name, options[i].value, ub_strerror(r));
            ub_ctx_delete(ctx);
            return NULL;
        }
    }
    return ctx;
}

static void finish(struct asked *a, const void *data, size_t len) {
    LIST_REMOVE(a, all);
    a->resolver->count--;
    a->done(a->arg, data, len);
    free(a);
}

static void set_context(struct resolver *r, struct ub_ctx *ctx) {
    struct ub_ctx *old = r->ctx;
    struct asked *a;

    r->ctx = ctx;
    if (!old)
        return;
    ub_ctx_delete(old);
    while ((a = LIST_FIRST(&r->all)))
        finish(a, NULL, 0);
}

static void follow(struct resolver *r) {
    struct stat st = {0};
    struct ub_ctx *ctx;
    int n;

    if (stat(RESOLV_CONF, &st) < 0)
        st = (struct stat){0};
    if (st.st_ino == r->inode && st.st_mtim.tv_sec == r->changed.tv_sec &&
        st.st_mtim.tv_nsec == r->changed.tv_nsec && r->looked)
        return;
    r->looked = true;
    r->inode = st.st_ino;
    r->changed = st.st_mtim;
    ctx = context_new(r->base);
    n = ctx ? add_resolv_conf(ctx) : 0;
    if (n == 0 && ctx) {
        ub_ctx_delete(ctx);
        ctx = NULL;
    }
    if (n)
        log_info("asking the %d servers of %s", n, RESOLV_CONF);
    else
        log_warn("%s names no server: names of the world do not resolve", RESOLV_CONF);
    set_context(r, ctx);
}

static void on_look(evutil_socket_t fd, short what, void *arg) {
    follow(arg);
}

/* ---- questions ---- */

static void on_answer(void *arg, int rcode, void *packet, int len, int secure, char *why,
                      int limited) {
    struct asked *a = arg;

    /* A code here is libunbound's own failure, and the packet nothing; what a server said, NXDOMAIN
     * too, comes with 0. */
    finish(a, packet, rcode == 0 && len > 0 ? (size_t)len : 0);
}

/* As people write it, each byte that is no letter, digit, '-' or '_' by its number; libunbound's
 * interface takes no other form. */
static void name_text(const uint8_t *name, char *out) {
    char *p = out;

    for (size_t at = 0; name[at]; at += name[at] + 1u) {
        for (size_t i = 1; i <= name[at]; i++) {
            uint8_t c = name[at + i];

            if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                c == '-' || c == '_')
                *p++ = (char)c;
            else
                p += sprintf(p, "\\%03u", c);
        }
        *p++ = '.';
    }
    if (p == out)
        *p++ = '.';
    *p = 0;
}

void resolver_ask(struct resolver *r, const uint8_t *name, uint16_t type, resolver_fn *done,
                  void *arg) {
    char text[4 * 255 + 2];
    struct asked *a = NULL;
    int id;

    if (r->ctx && r->count < UPSTREAM_QUESTIONS)
        a = calloc(1, sizeof(*a));
    if (!a) {
        done(arg, NULL, 0);
        return;
    }
    a->resolver = r;
    a->done = done;
    a->arg = arg;
    LIST_INSERT_HEAD(&r->all, a, all);
    r->count++;
    name_text(name, text);
    if (ub_resolve_event(r->ctx, text, type, 1, a, on_answer, &id) != 0)
        finish(a, NULL, 0);
}

int resolver_new(struct event_base *base, const char *servers, struct resolver **ret_resolver) {
    static const struct timeval period = {.tv_sec = LOOK_SECONDS};
    struct resolver *r = calloc(1, sizeof(*r));
    int n;

    if (!r)
        return -ENOMEM;
    r->base = base;
    LIST_INIT(&r->all);
    if (!servers) {
        r->look = event_new(base, -1, EV_PERSIST, on_look, r);
        if (!r->look || event_add(r->look, &period) < 0) {
            resolver_free(r);
            return -ENOMEM;
        }
        follow(r);
    } else if (strcmp(servers, "none") != 0) {
        r->ctx = context_new(base);
        n = r->ctx ? add_servers(r->ctx, servers) : -ENOMEM;
        if (n < 0) {
            resolver_free(r);
            return n;
        }
    }
    *ret_resolver = r;
    return 0;
}

void resolver_free(struct resolver *r) {
    struct asked *a;

    if (!r)
        return;
    if (r->ctx)
        ub_ctx_delete(r->ctx);
    while ((a = LIST_FIRST(&r->all)))
        finish(a, NULL, 0);
    if (r->look)
        event_free(r->look);
    free(r);
}
