/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/trace_names.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/instance.h"

#define NAMED_MAX 4 /* candidates that an error names */

static __attribute__((format(printf, 2, 3))) int wrong(char *ret_why, const char *fmt, ...) {
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(ret_why, TRACE_WHY, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

const char *trace_name(const struct index *ix, const struct network_interface *eni) {
    const char *name = tags_get(&eni->tags, "Name");
    const struct instance *i =
        eni->instance_id ? index_get(ix, KIND_INSTANCE, eni->o.scope, eni->instance_id) : NULL;

    if (!name && i)
        name = tags_get(&i->tags, "Name");
    return name ? name : "";
}

static int by_number(const void *a, const void *b) {
    const struct trace_number *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static int by_id(const void *a, const void *b) {
    return strcmp(((const struct trace_number *)a)->id, ((const struct trace_number *)b)->id);
}

size_t trace_numbers(const struct tracer *t, struct trace_number *rows, size_t n) {
    size_t kept = 0;
    struct cursor c;

    if (!n)
        return 0;
    qsort(rows, n, sizeof(*rows), by_number);
    for (size_t i = 0; i < n; i++) {
        struct eni_key key = {.eni = rows[i].number};
        struct eni_value value;

        if (kept && rows[kept - 1].number == rows[i].number)
            continue;
        rows[kept] = (struct trace_number){.number = rows[i].number};
        if (key.eni && dataplane_get(t->dp, DATAPLANE_ENIS, &key, &value) == 0)
            snprintf(rows[kept].id, sizeof(rows[kept].id), "%.23s", value.id);
        kept++;
    }
    qsort(rows, kept, sizeof(*rows), by_id);
    index_each_all(t->ix, c, KIND_NETWORK_INTERFACE) {
        struct trace_number wanted, *row;

        snprintf(wanted.id, sizeof(wanted.id), "%.23s", ((const struct obj *)c.obj)->id);
        row = bsearch(&wanted, rows, kept, sizeof(*rows), by_id);
        if (row)
            row->eni = c.obj;
    }
    qsort(rows, kept, sizeof(*rows), by_number);
    return kept;
}

const struct network_interface *trace_interface(const struct tracer *t, uint32_t number) {
    const struct trace_number wanted = {.number = number}, *known = NULL;
    struct eni_key key = {.eni = number};
    struct eni_value value;
    struct cursor c;

    if (t->n_known)
        known = bsearch(&wanted, t->known, t->n_known, sizeof(wanted), by_number);
    if (known)
        return known->eni;
    if (!number || dataplane_get(t->dp, DATAPLANE_ENIS, &key, &value) < 0)
        return NULL;
    index_each_all(t->ix, c, KIND_NETWORK_INTERFACE) {
        const struct network_interface *eni = c.obj;

        if (strncmp(eni->o.id, value.id, sizeof(value.id)) == 0)
            return eni;
    }
    return NULL;
}

/* By id, whatever account it belongs to. */
static const void *find(const struct tracer *t, enum kind kind, const char *id) {
    struct cursor c;

    index_each_all(t->ix, c, kind) {
        if (strcmp(((const struct obj *)c.obj)->id, id) == 0)
            return c.obj;
    }
    return NULL;
}

static bool has_address(const struct network_interface *eni, const struct ip *ip) {
    return eni_find(eni, ip) || eni_prefix_of(eni, ip);
}

const struct network_interface *trace_receiver(const struct tracer *t,
                                               const struct network_interface *from,
                                               const struct drop_event *event) {
    struct ip dst = {.family = event->key.family};
    struct cursor c;

    memcpy(dst.b, &event->key.dst, sizeof(dst.b));
    index_each_all(t->ix, c, KIND_NETWORK_INTERFACE) {
        const struct network_interface *eni = c.obj;

        if (from && strcmp(from->vpc_id, eni->vpc_id) == 0 && has_address(eni, &dst))
            return eni;
        list_each (struct eni_address, a, eni->addresses)
            if (ip_equal(&a->public_ip, &dst))
                return eni;
    }
    return NULL;
}

/* One end: an interface, an address, or both. Neither: anywhere outside. */
struct end {
    const struct network_interface *eni;
    struct ip ip;
};

/* An address: whose it is, if it is just one interface's (of this VPC; NULL: of all). */
static int read_address(const struct tracer *t, const char *text, const char *vpc_id,
                        struct end *ret, char *ret_why) {
    const struct network_interface *found[NAMED_MAX];
    char names[256] = "";
    size_t n = 0;
    struct cursor c;

    index_each_all(t->ix, c, KIND_NETWORK_INTERFACE) {
        const struct network_interface *eni = c.obj;

        if (!eni->instance_id || (vpc_id && strcmp(eni->vpc_id, vpc_id) != 0) ||
            !has_address(eni, &ret->ip))
            continue;
        if (n < NAMED_MAX)
            found[n++] = eni;
    }
    if (n == 1)
        ret->eni = found[0];
    if (n <= 1)
        return 0;
    for (size_t i = 0, len = 0; i < n && len < sizeof(names); i++)
        len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s in %s", i ? ", " : "",
                                found[i]->o.id, found[i]->vpc_id);
    return wrong(ret_why, "%s is an address of several interfaces: %s. Name the interface instead",
                 text, names);
}

static int read_end(const struct tracer *t, const char *text, const char *vpc_id, struct end *ret,
                    char *ret_why) {
    const struct instance *instance;

    *ret = (struct end){0};
    if (strcmp(text, "internet") == 0)
        return 0;
    if (strncmp(text, "i-", 2) == 0) {
        instance = find(t, KIND_INSTANCE, text);
        ret->eni = instance ? instance_primary_eni(t->ix, instance) : NULL;
        return ret->eni ? 0
                        : wrong(ret_why, "there is no instance %s with an interface here", text);
    }
    if (strncmp(text, "eni-", 4) == 0) {
        ret->eni = find(t, KIND_NETWORK_INTERFACE, text);
        return ret->eni ? 0 : wrong(ret_why, "there is no interface %s here", text);
    }
    if (ip_parse(text, &ret->ip) < 0)
        return wrong(ret_why,
                     "'%s' is no instance (i-...), interface (eni-...), address or 'internet'",
                     text);
    return read_address(t, text, vpc_id, ret, ret_why);
}

/* The interface's own address of a family; with `public_ip`, as the outside knows it. */
static struct ip address_of(const struct network_interface *eni, uint8_t family, bool public_ip) {
    const struct eni_address *a = eni_primary(eni);

    if (family == IP_V6)
        return eni->addresses6.n ? list_at(eni->addresses6, struct eni_address, 0)->ip
                                 : (struct ip){0};
    return a ? (public_ip ? a->public_ip : a->ip) : (struct ip){0};
}

static bool has_family(const struct end *e, uint8_t family) {
    if (e->ip.family)
        return e->ip.family == family;
    return !e->eni || address_of(e->eni, family, false).family;
}

/* Somebody on the internet, in a network for documentation (RFC 5737, RFC 3849). */
static struct ip somebody(uint8_t family) {
    struct ip ip = {0};

    ip_parse(family == IP_V4 ? "198.51.100.1" : "2001:db8::1", &ip);
    return ip;
}

int trace_endpoints(const struct tracer *t, const struct oracle_host *host, const json_t *request,
                    struct oracle_packet *p, char *ret_why) {
    const char *from_text = json_string_value(json_object_get(request, "from"));
    const char *to_text = json_string_value(json_object_get(request, "to"));
    const char *source = json_string_value(json_object_get(request, "source"));
    struct end from, to;
    uint8_t family = IP_V4;

    if (!from_text || !to_text)
        return wrong(ret_why, "'from' and 'to' are wanted");
    if (read_end(t, from_text, NULL, &from, ret_why) < 0 ||
        read_end(t, to_text, from.eni ? from.eni->vpc_id : NULL, &to, ret_why) < 0)
        return -EINVAL;
    if (source && (ip_parse(source, &from.ip) < 0 || !from.ip.family))
        return wrong(ret_why, "'%s' is no address", source);
    if (json_integer_value(json_object_get(request, "family")) == 6 || !has_family(&from, IP_V4) ||
        !has_family(&to, IP_V4))
        family = IP_V6;
    if (!has_family(&from, family) || !has_family(&to, family))
        return wrong(ret_why, "%s and %s have no addresses of one family", from_text, to_text);

    p->from = from.eni;
    if (from.eni)
        memcpy(p->src_mac, from.eni->mac, 6);
    p->src = from.ip.family ? from.ip
             : from.eni     ? address_of(from.eni, family, false)
                            : somebody(family);
    if (to.ip.family)
        p->dst = to.ip;
    else if (!to.eni)
        p->dst = from.eni ? (family == IP_V4 ? host->address4 : host->address6) : somebody(family);
    else
        p->dst = address_of(to.eni, family, !from.eni);
    if (!p->dst.family)
        return wrong(ret_why, "%s has no public address by which the outside could reach it",
                     to_text);
    return 0;
}
