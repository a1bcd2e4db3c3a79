/* SPDX-License-Identifier: Apache-2.0 */
#include "services/dns_wire.h"

#include <errno.h>
#include <string.h>

#define LABEL_MAX 63
#define POINTER 0xc0
#define POINTER_REACH 0x4000 /* a pointer has 14 bits */
#define OPT_BYTES 11
#define WHY_BYTES 6
#define DO_BIT 0x8000

/* ---- names ---- */

static uint8_t lower(uint8_t c) {
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

/* Length bytes are below 64 and so never letters: names compare as bytes. */
static bool same(const uint8_t *a, const uint8_t *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

bool dns_name_set(struct dns_name *n, const char *text) {
    size_t at = 0;

    while (*text) {
        size_t label = strcspn(text, ".");

        if (label == 0 || label > LABEL_MAX || at + label + 2 > DNS_NAME_MAX)
            return false;
        n->wire[at] = (uint8_t)label;
        memcpy(n->wire + at + 1, text, label);
        at += label + 1;
        text += label;
        if (*text == '.')
            text++;
    }
    n->wire[at++] = 0;
    n->len = (uint8_t)at;
    return true;
}

bool dns_name_equal(const struct dns_name *a, const struct dns_name *b) {
    return a->len == b->len && same(a->wire, b->wire, a->len);
}

unsigned dns_name_labels(const struct dns_name *n) {
    unsigned labels = 0;

    for (size_t at = 0; n->wire[at]; at += n->wire[at] + 1u)
        labels++;
    return labels;
}

bool dns_name_under(const struct dns_name *n, const char *zone, unsigned *ret_front) {
    struct dns_name z;
    unsigned front = 0;
    size_t at = 0;

    if (!dns_name_set(&z, zone) || z.len > n->len)
        return false;
    while (n->len - at > z.len) {
        at += n->wire[at] + 1u;
        front++;
    }
    if (n->len - at != z.len || !same(n->wire + at, z.wire, z.len))
        return false;
    *ret_front = front;
    return true;
}

bool dns_name_label(const struct dns_name *n, unsigned i, char *out) {
    size_t at = 0;

    for (; i && n->wire[at]; i--)
        at += n->wire[at] + 1u;
    if (!n->wire[at] || memchr(n->wire + at + 1, 0, n->wire[at]))
        return false;
    for (size_t k = 0; k < n->wire[at]; k++)
        out[k] = (char)lower(n->wire[at + 1 + k]);
    out[n->wire[at]] = 0;
    return true;
}

struct dns_name dns_name_parent(const struct dns_name *n, unsigned skip) {
    struct dns_name parent;
    size_t at = 0;

    for (; skip && n->wire[at]; skip--)
        at += n->wire[at] + 1u;
    parent.len = (uint8_t)(n->len - at);
    memcpy(parent.wire, n->wire + at, parent.len);
    return parent;
}

/* ---- reading ---- */

static uint16_t get16(const uint8_t *p) {
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p) {
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/*
 * The name at *at, which moves behind it. A pointer must lead to before the place where the name,
 * or the part of it that is being read, began: so each step goes back and the walk ends.
 */
static bool read_name(const uint8_t *msg, size_t len, size_t *at, bool pointers,
                      struct dns_name *ret) {
    size_t p = *at, begin = p, n = 0;
    bool jumped = false;

    for (;;) {
        if (p >= len)
            return false;
        if ((msg[p] & POINTER) == POINTER) {
            size_t to;

            if (!pointers || p + 2 > len)
                return false;
            to = get16(msg + p) & (POINTER_REACH - 1u);
            if (to >= begin)
                return false;
            if (!jumped)
                *at = p + 2;
            jumped = true;
            begin = p = to;
            continue;
        }
        if (msg[p] > LABEL_MAX || p + 1 + msg[p] > len || n + 1 + msg[p] > DNS_NAME_MAX)
            return false;
        memcpy(ret->wire + n, msg + p, 1u + msg[p]);
        n += 1u + msg[p];
        if (msg[p] == 0)
            break;
        p += 1u + msg[p];
    }
    if (!jumped)
        *at = p + 1;
    ret->len = (uint8_t)n;
    return true;
}

static bool read_record(const uint8_t *msg, size_t len, size_t *at, struct dns_record *ret) {
    if (!read_name(msg, len, at, true, &ret->owner) || len - *at < 10)
        return false;
    ret->type = get16(msg + *at);
    ret->class = get16(msg + *at + 2);
    ret->ttl = get32(msg + *at + 4);
    ret->len = get16(msg + *at + 8);
    ret->data = *at + 10;
    if (len - ret->data < ret->len)
        return false;
    *at = ret->data + ret->len;
    return true;
}

/* What stands in OPT's data: codes with lengths, of which we know none. */
static bool options_fit(const uint8_t *p, size_t len) {
    while (len) {
        if (len < 4 || len - 4 < get16(p + 2))
            return false;
        len -= 4u + get16(p + 2);
        p += 4u + get16(p + 2);
    }
    return true;
}

static int read_opt(const uint8_t *msg, const struct dns_record *r, struct dns_query *q) {
    if (q->edns || r->owner.len != 1)
        return DNS_FORMERR;
    q->edns = true;
    q->udp_size = r->class < DNS_UDP_MIN   ? DNS_UDP_MIN
                  : r->class > DNS_UDP_MAX ? DNS_UDP_MAX
                                           : r->class;
    q->dnssec_ok = r->ttl & DO_BIT;
    if ((r->ttl >> 16 & 0xff) != 0)
        return DNS_BADVERS;
    return options_fit(msg + r->data, r->len) ? DNS_NOERROR : DNS_FORMERR;
}

int dns_query_parse(const uint8_t *msg, size_t len, struct dns_query *ret) {
    struct dns_query *q = ret;
    size_t at = DNS_HEADER;
    uint16_t additional;
    int rcode = DNS_NOERROR;

    *q = (struct dns_query){.udp_size = DNS_UDP_MIN};
    if (len < DNS_HEADER)
        return -EBADMSG;
    q->id = get16(msg);
    q->flags = get16(msg + 2);
    if (q->flags & DNS_QR)
        return -EBADMSG;
    if (q->flags & DNS_OPCODE)
        return DNS_NOTIMP;
    additional = get16(msg + 10);
    if (get16(msg + 4) != 1)
        return DNS_FORMERR;
    if (!read_name(msg, len, &at, false, &q->name) || len - at < 4)
        return DNS_FORMERR;
    q->type = get16(msg + at);
    q->class = get16(msg + at + 2);
    q->has_question = true;
    at += 4;
    /* A transfer may say in the authority section from where on; it is refused in any case. */
    if (q->type == DNS_IXFR || q->type == DNS_AXFR)
        return DNS_REFUSED;
    if (get16(msg + 6) || get16(msg + 8) || (q->flags & DNS_TC))
        return DNS_FORMERR;
    for (; additional; additional--) {
        struct dns_record r;
        int opt;

        if (!read_record(msg, len, &at, &r))
            return DNS_FORMERR;
        if (r.type != DNS_OPT)
            continue; /* a signature of the request, which nobody here can check */
        opt = read_opt(msg, &r, q);
        if (opt == DNS_FORMERR)
            return opt;
        if (opt)
            rcode = opt;
    }
    return at == len ? rcode : DNS_FORMERR;
}

int dns_walk_begin(struct dns_walk *a, const uint8_t *msg, size_t len, const struct dns_name *name,
                   uint16_t type) {
    struct dns_name asked;

    *a = (struct dns_walk){.msg = msg, .len = len, .at = DNS_HEADER};
    if (len < DNS_HEADER || len > DNS_MESSAGE_MAX)
        return -EBADMSG;
    a->flags = get16(msg + 2);
    for (int s = DNS_ANSWER; s <= DNS_ADDITIONAL; s++)
        a->left[s] = get16(msg + 4 + 2 * s);
    if (!(a->flags & DNS_QR) || get16(msg + 4) != 1 ||
        !read_name(msg, len, &a->at, false, &asked) || len - a->at < 4 ||
        !dns_name_equal(&asked, name) || get16(msg + a->at) != type ||
        get16(msg + a->at + 2) != DNS_CLASS_IN)
        return -EBADMSG;
    a->at += 4;
    return 0;
}

int dns_walk_next(struct dns_walk *a, struct dns_record *ret) {
    int s = DNS_ANSWER;

    while (s <= DNS_ADDITIONAL && a->left[s] == 0)
        s++;
    if (s > DNS_ADDITIONAL)
        return 0;
    if (!read_record(a->msg, a->len, &a->at, ret))
        return -EBADMSG;
    a->left[s]--;
    return s;
}

/* ---- writing ---- */

void dns_write_bytes(struct dns_writer *w, const void *p, size_t n) {
    if (w->full || n > w->max - w->len) {
        w->full = true;
        return;
    }
    if (n)
        memcpy(w->out + w->len, p, n);
    w->len += n;
}

void dns_write_u16(struct dns_writer *w, uint16_t v) {
    const uint8_t b[] = {(uint8_t)(v >> 8), (uint8_t)v};

    dns_write_bytes(w, b, sizeof(b));
}

void dns_write_u32(struct dns_writer *w, uint32_t v) {
    dns_write_u16(w, (uint16_t)(v >> 16));
    dns_write_u16(w, (uint16_t)v);
}

static void put16(uint8_t *p, uint16_t v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* Whether the name written at `at` has these labels. Only whole names stand in the table. */
static bool written_is(const struct dns_writer *w, size_t at, const uint8_t *labels, size_t n) {
    size_t p = at;

    while (n) {
        if ((w->out[p] & POINTER) == POINTER) {
            p = get16(w->out + p) & (POINTER_REACH - 1u);
            continue;
        }
        if (w->out[p] != labels[0] || !same(w->out + p + 1, labels + 1, labels[0]))
            return false;
        if (labels[0] == 0)
            return true;
        n -= labels[0] + 1u;
        p += labels[0] + 1u;
        labels += labels[0] + 1u;
    }
    return false;
}

void dns_write_name(struct dns_writer *w, const struct dns_name *n, bool compress) {
    size_t at = 0, first_new = w->n_names;
    uint16_t starts[DNS_NAME_MAX / 2 + 1];
    unsigned n_starts = 0;

    for (; n->wire[at]; at += n->wire[at] + 1u) {
        for (unsigned i = 0; compress && i < first_new; i++) {
            if (!written_is(w, w->names[i], n->wire + at, n->len - at))
                continue;
            dns_write_u16(w, (uint16_t)(POINTER << 8 | w->names[i]));
            goto remember;
        }
        starts[n_starts++] = (uint16_t)w->len;
        dns_write_bytes(w, n->wire + at, n->wire[at] + 1u);
    }
    dns_write_bytes(w, n->wire + at, 1);
remember:
    for (unsigned i = 0; !w->full && i < n_starts; i++)
        if (starts[i] < POINTER_REACH && w->n_names < sizeof(w->names) / sizeof(w->names[0]))
            w->names[w->n_names++] = starts[i];
}

static void write_question(struct dns_writer *w, const struct dns_query *q) {
    w->len = DNS_HEADER;
    w->n_names = 0;
    w->full = false;
    memset(w->counts, 0, sizeof(w->counts));
    if (!q->has_question)
        return;
    dns_write_name(w, &q->name, true);
    dns_write_u16(w, q->type);
    dns_write_u16(w, q->class);
    w->counts[0] = 1;
}

struct dns_writer dns_reply_begin(const struct dns_query *q, uint8_t *out, size_t max) {
    struct dns_writer w = {.out = out, .max = max};

    if (q->edns)
        w.max -= OPT_BYTES + WHY_BYTES;
    memset(out, 0, DNS_HEADER);
    write_question(&w, q);
    return w;
}

size_t dns_record_begin(struct dns_writer *w, enum dns_section s, const struct dns_name *owner,
                        uint16_t type, uint32_t ttl) {
    dns_write_name(w, owner, true);
    dns_write_u16(w, type);
    dns_write_u16(w, DNS_CLASS_IN);
    dns_write_u32(w, ttl);
    dns_write_u16(w, 0);
    w->counts[s]++;
    return w->len - 2;
}

void dns_record_end(struct dns_writer *w, size_t at) {
    if (!w->full)
        put16(w->out + at, (uint16_t)(w->len - at - 2));
}

size_t dns_reply_end(struct dns_writer *w, const struct dns_query *q, enum dns_rcode rcode,
                     enum dns_why why) {
    uint16_t flags = DNS_QR | DNS_RA | (q->flags & (DNS_OPCODE | DNS_RD | DNS_CD)) | (rcode & 0xf);

    if (w->full) {
        write_question(w, q);
        flags |= DNS_TC;
    }
    if (q->edns) {
        bool told = why != DNS_WHY_NONE;

        w->max += OPT_BYTES + WHY_BYTES;
        dns_write_bytes(w, "", 1);
        dns_write_u16(w, DNS_OPT);
        dns_write_u16(w, DNS_UDP_MAX);
        dns_write_u32(w, (uint32_t)rcode >> 4 << 24 | (q->dnssec_ok ? DO_BIT : 0u));
        dns_write_u16(w, told ? WHY_BYTES : 0);
        if (told) {
            dns_write_u16(w, 15); /* extended error: its code, and no text */
            dns_write_u16(w, 2);
            dns_write_u16(w, (uint16_t)why);
        }
        w->counts[DNS_ADDITIONAL]++;
    }
    put16(w->out, q->id);
    put16(w->out + 2, flags);
    for (int s = 0; s <= DNS_ADDITIONAL; s++)
        put16(w->out + 4 + 2 * s, w->counts[s]);
    return w->len;
}

/* What the data of a type begins and ends with around its names (RFC 1035 section 3.3; RFC 3597
 * section 4 lets no newer type compress). */
static const struct {
    uint8_t type, before, names, after;
} layouts[] = {
    {DNS_NS, 0, 1, 0},   {3, 0, 1, 0},  {4, 0, 1, 0},      {DNS_CNAME, 0, 1, 0},
    {DNS_SOA, 0, 2, 20}, {7, 0, 1, 0},  {8, 0, 1, 0},      {9, 0, 1, 0},
    {DNS_PTR, 0, 1, 0},  {14, 0, 2, 0}, {DNS_MX, 2, 1, 0},
};

bool dns_record_copy(struct dns_writer *w, enum dns_section s, const struct dns_walk *a,
                     const struct dns_record *r) {
    size_t begin = dns_record_begin(w, s, &r->owner, r->type, r->ttl), at = r->data;
    const size_t end = r->data + r->len;

    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        if (layouts[i].type != r->type)
            continue;
        if (r->len < layouts[i].before)
            return false;
        dns_write_bytes(w, a->msg + at, layouts[i].before);
        at += layouts[i].before;
        for (unsigned k = 0; k < layouts[i].names; k++) {
            struct dns_name name;

            if (!read_name(a->msg, end, &at, true, &name))
                return false;
            dns_write_name(w, &name, true);
        }
        if (end - at != layouts[i].after)
            return false;
    }
    dns_write_bytes(w, a->msg + at, end - at);
    dns_record_end(w, begin);
    return true;
}
