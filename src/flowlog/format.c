/* SPDX-License-Identifier: Apache-2.0 */
/* Written without printf: a host with a million flows writes some million records in a minute. */
#include "flowlog/format.h"

#include <string.h>

#define NS_PER_SECOND 1000000000LL

int flowlog_format_parse(const char *text, struct flowlog_format *ret_format) {
    struct flowlog_format f = {0};
    const char *wrong;
    int r = flow_log_format_parse(text, f.fields, &f.n, &wrong);

    if (r < 0)
        return r;
    for (size_t i = 0; i < f.n; i++)
        if (flow_log_field_version(f.fields[i]) > f.version)
            f.version = flow_log_field_version(f.fields[i]);
    *ret_format = f;
    return 0;
}

void flowlog_format_header(const struct flowlog_format *f, struct buf *out) {
    for (size_t i = 0; i < f->n; i++) {
        if (i)
            buf_addc(out, ' ');
        buf_adds(out, flow_log_field_name(f->fields[i]));
    }
}

static void add_number(struct buf *out, uint64_t v, unsigned width) {
    char text[20];
    size_t at = sizeof(text);

    do {
        text[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    while (sizeof(text) - at < width)
        text[--at] = '0';
    buf_add(out, text + at, sizeof(text) - at);
}

static void add_ip(struct buf *out, const struct ip *ip) {
    char text[IP_TEXT];

    if (ip->family == IP_V4) {
        for (int i = 0; i < 4; i++) {
            if (i)
                buf_addc(out, '.');
            add_number(out, ip->b[i], 1);
        }
        return;
    }
    buf_adds(out, ip_format(ip, text));
}

static void add_text(struct buf *out, const char *text) {
    buf_adds(out, *text ? text : "-");
}

static void add_seconds(struct buf *out, uint64_t ns, int64_t epoch_ns) {
    int64_t t = ((int64_t)ns + epoch_ns) / NS_PER_SECOND;

    add_number(out, t > 0 ? (uint64_t)t : 0, 1);
}

static struct ip ip_of(uint8_t family, const struct abi_addr *a) {
    struct ip ip = {.family = family};

    memcpy(ip.b, a->b, sizeof(ip.b));
    return ip;
}

/* Fields that any record of the interface has; false: it is another. */
static bool add_of_interface(const struct flowlog_format *f, const struct flowlog_eni *eni,
                             uint8_t field, struct buf *out) {
    switch (field) {
    case LOGF_VERSION:
        add_number(out, (uint64_t)f->version, 1);
        return true;
    case LOGF_ACCOUNT_ID:
        add_number(out, eni->account, 12);
        return true;
    case LOGF_INTERFACE_ID:
        add_text(out, eni->id);
        return true;
    case LOGF_VPC_ID:
        add_text(out, eni->vpc);
        return true;
    case LOGF_SUBNET_ID:
        add_text(out, eni->subnet);
        return true;
    case LOGF_INSTANCE_ID:
        add_text(out, eni->instance);
        return true;
    case LOGF_REGION:
        add_text(out, eni->region);
        return true;
    case LOGF_AZ_ID:
        add_text(out, eni->az_id);
        return true;
    default:
        return false;
    }
}

static void add_of_traffic(const struct flowlog_eni *eni, const struct flowlog_record *r,
                           int64_t epoch_ns, uint8_t field, struct buf *out) {
    const struct flowlog_key *k = &r->key;
    struct ip src = ip_of(k->family, &k->src), dst = ip_of(k->family, &k->dst);

    switch (field) {
    case LOGF_SRCADDR:
        if (k->egress)
            src = flowlog_own_address(eni, &src);
        add_ip(out, &src);
        break;
    case LOGF_DSTADDR:
        if (!k->egress)
            dst = flowlog_own_address(eni, &dst);
        add_ip(out, &dst);
        break;
    case LOGF_PKT_SRCADDR:
        add_ip(out, &src);
        break;
    case LOGF_PKT_DSTADDR:
        add_ip(out, &dst);
        break;
    case LOGF_SRCPORT:
        add_number(out, k->sport, 1);
        break;
    case LOGF_DSTPORT:
        add_number(out, k->dport, 1);
        break;
    case LOGF_PROTOCOL:
        add_number(out, k->protocol, 1);
        break;
    case LOGF_PACKETS:
        add_number(out, r->packets, 1);
        break;
    case LOGF_BYTES:
        add_number(out, r->bytes, 1);
        break;
    case LOGF_START:
        add_seconds(out, r->first_ns, epoch_ns);
        break;
    case LOGF_END:
        add_seconds(out, r->last_ns, epoch_ns);
        break;
    case LOGF_ACTION:
        buf_adds(out, k->action == LOG_REJECT ? "REJECT" : "ACCEPT");
        break;
    case LOGF_STATUS:
        buf_adds(out, "OK");
        break;
    case LOGF_TCP_FLAGS:
        add_number(out, r->tcp_flags, 1);
        break;
    case LOGF_TYPE:
        buf_adds(out, k->family == IP_V6 ? "IPv6" : "IPv4");
        break;
    case LOGF_FLOW_DIRECTION:
        buf_adds(out, k->egress ? "egress" : "ingress");
        break;
    case LOGF_TRAFFIC_PATH:
        if (k->egress && r->path)
            add_number(out, r->path, 1);
        else
            buf_addc(out, '-');
        break;
    default: /* sublocations, and services of AWS: there are none here */
        buf_addc(out, '-');
    }
}

void flowlog_format_record(const struct flowlog_format *f, const struct flowlog_eni *eni,
                           const struct flowlog_record *r, int64_t epoch_ns, struct buf *out) {
    for (size_t i = 0; i < f->n; i++) {
        if (i)
            buf_addc(out, ' ');
        if (!add_of_interface(f, eni, f->fields[i], out))
            add_of_traffic(eni, r, epoch_ns, f->fields[i], out);
    }
}

void flowlog_format_status(const struct flowlog_format *f, const struct flowlog_eni *eni,
                           const char *status, int64_t start, int64_t end, struct buf *out) {
    for (size_t i = 0; i < f->n; i++) {
        if (i)
            buf_addc(out, ' ');
        if (add_of_interface(f, eni, f->fields[i], out))
            continue;
        if (f->fields[i] == LOGF_STATUS)
            buf_adds(out, status);
        else if (f->fields[i] == LOGF_START || f->fields[i] == LOGF_END)
            add_number(out, (uint64_t)(f->fields[i] == LOGF_START ? start : end), 1);
        else
            buf_addc(out, '-');
    }
}
