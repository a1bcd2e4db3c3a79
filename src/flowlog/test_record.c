/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel counted, against the lines that AWS documents (VPC user guide, "Flow log record
 * examples"), and the cases that it describes in words.
 *
 *     instance 10.0.1.5 -- NAT gateway 10.0.0.220 (198.51.100.7) -- 203.0.113.5
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "flowlog/format.h"

#define EVERY                                                                                      \
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} "        \
    "${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status} ${vpc-id} "           \
    "${subnet-id} ${instance-id} ${tcp-flags} ${type} ${pkt-srcaddr} ${pkt-dstaddr} ${region} "    \
    "${az-id} ${sublocation-type} ${sublocation-id} ${pkt-src-aws-service} "                       \
    "${pkt-dst-aws-service} ${flow-direction} ${traffic-path}"
#define ADDRESSES                                                                                  \
    "${instance-id} ${interface-id} ${srcaddr} ${dstaddr} ${pkt-srcaddr} ${pkt-dstaddr}"
#define PORTS "${interface-id} ${srcaddr} ${srcport} ${dstaddr} ${dstport} ${packets} ${bytes}"
#define PATH "${interface-id} ${flow-direction} ${traffic-path} ${action}"

enum { INSTANCE = 1, OTHER, SECOND, PEER, GATEWAY = 100, GATEWAY_NUMBER = 0x50009 };
enum { VPC = 7, PEER_VPC = 8 };

static struct ip ip(const char *text) {
    struct ip a = {0};

    assert_int_equal(ip_parse(text, &a), 0);
    return a;
}

static struct abi_addr addr(const char *text) {
    struct ip a = ip(text);
    struct abi_addr out;

    memcpy(out.b, a.b, sizeof(out.b));
    return out;
}

static struct ip addresses6[2], nat_private[2], nat_public[2];
static struct cidr prefix6;
static struct flowlog_eni instance = {.account = 1234,
                                      .id = "eni-i",
                                      .vpc = "vpc-a",
                                      .subnet = "subnet-a",
                                      .instance = "i-1",
                                      .region = "ap-southeast-2",
                                      .az_id = "apse2-az3"};
static struct flowlog_eni other, peer, gateway;

static int setup(void **state) {
    instance.primary = ip("10.0.1.5");
    addresses6[0] = ip("2001:db8::5");
    addresses6[1] = ip("2001:db8::6");
    assert_int_equal(cidr_parse("2001:db8:0:1::/80", &prefix6), 0);
    instance.addresses6 = addresses6;
    instance.n_addresses6 = 2;
    instance.prefixes6 = &prefix6;
    instance.n_prefixes6 = 1;
    other = peer = gateway = instance;
    strcpy(other.id, "eni-o");
    strcpy(other.instance, "i-2");
    other.primary = ip("10.0.2.9");
    strcpy(peer.id, "eni-p");
    strcpy(peer.region, "us-east-1");
    strcpy(gateway.id, "eni-n");
    gateway.instance[0] = 0;
    gateway.primary = ip("10.0.0.220");
    nat_private[0] = ip("10.0.0.220");
    nat_public[0] = ip("198.51.100.7");
    nat_private[1] = ip("10.0.0.221");
    nat_public[1] = ip("198.51.100.8");
    gateway.nat_private = nat_private;
    gateway.nat_public = nat_public;
    gateway.n_nat = 2;
    return 0;
}

static const struct flowlog_eni *eni_of(void *arg, uint32_t number) {
    switch (number) {
    case INSTANCE:
        return &instance;
    case OTHER:
        return &other;
    case PEER:
        return &peer;
    case GATEWAY:
        return &gateway;
    default:
        return NULL;
    }
}

static const struct flowlog_eni *gateway_of(void *arg, uint32_t key, uint32_t vpc, uint32_t far_vpc,
                                            uint32_t *ret_number) {
    if (key != LOG_GATEWAY_KEY_OF(GATEWAY_NUMBER) || (vpc != VPC && far_vpc != VPC))
        return NULL;
    *ret_number = GATEWAY;
    return &gateway;
}

/* All lines of a raw record, one a line. */
static char *lines_of(const struct log_record *raw, const char *format, char out[4096]) {
    static const struct flowlog_who who = {eni_of, gateway_of, NULL};
    struct flowlog_at at[FLOWLOG_AT_MAX];
    unsigned n = flowlog_records_of(raw, &who, at);
    _buf_ struct buf b = BUF_INIT;
    struct flowlog_format f;

    assert_int_equal(flowlog_format_parse(format, &f), 0);
    for (unsigned i = 0; i < n; i++) {
        flowlog_format_record(&f, eni_of(NULL, at[i].eni), &at[i].record, 1000000000000, &b);
        buf_addc(&b, '\n');
    }
    snprintf(out, 4096, "%s", buf_str(&b));
    return out;
}

static void expect(const struct log_record *raw, const char *format, const char *wanted) {
    char out[4096];

    assert_string_equal(lines_of(raw, format, out), wanted);
}

static struct log_record flow(const char *src, uint16_t sport, const char *dst, uint16_t dport) {
    return (struct log_record){
        .kind = LOG_FLOW,
        .flags = FLOW_FORWARD,
        .vpc = VPC,
        .first_ns = 5000000000,
        .last_ns = 64999999999,
        .packets = 7,
        .bytes = 471,
        .far_packets = 9,
        .far_bytes = 511,
        .tcp_flags = 3,
        .key = {.family = strchr(src, ':') ? 6 : 4,
                .proto = 6,
                .src = addr(src),
                .dst = addr(dst),
                .sport = htobe16(sport),
                .dport = htobe16(dport)},
        .src = addr(src),
        .dst = addr(dst),
        .sport = htobe16(sport),
        .dport = htobe16(dport),
    };
}

static void test_every_field(void **state) {
    struct log_record raw = flow("10.0.1.5", 34210, "52.95.128.179", 80);

    raw.near = INSTANCE;
    raw.near_action = LOG_ACCEPT;
    raw.flags |= FLOW_INTERNET | FLOW_SNAT;
    raw.src = addr("198.51.100.99");
    expect(
        &raw, EVERY,
        "5 000000001234 eni-i 10.0.1.5 52.95.128.179 34210 80 6 7 471 1005 1064 ACCEPT OK vpc-a "
        "subnet-a i-1 3 IPv4 10.0.1.5 52.95.128.179 ap-southeast-2 apse2-az3 - - - - egress 8\n");
    expect(&raw, FLOW_LOG_DEFAULT_FORMAT,
           "2 000000001234 eni-i 10.0.1.5 52.95.128.179 34210 80 6 7 471 1005 1064 ACCEPT OK\n");
    /* The answer, to the public address. */
    raw = flow("52.95.128.179", 80, "198.51.100.99", 34210);
    raw.far = INSTANCE;
    raw.far_action = LOG_ACCEPT;
    raw.flags = FLOW_INTERNET | FLOW_DNAT;
    raw.dst = addr("10.0.1.5");
    raw.tcp_flags = 19;
    expect(&raw, EVERY,
           "5 000000001234 eni-i 52.95.128.179 10.0.1.5 80 34210 6 9 511 1005 1064 ACCEPT OK vpc-a "
           "subnet-a i-1 19 IPv4 52.95.128.179 10.0.1.5 ap-southeast-2 apse2-az3 - - - - ingress "
           "-\n");
}

static void test_versions(void **state) {
    struct flowlog_format f;
    uint8_t fields[FLOW_LOG_FIELDS_MAX];
    const char *wrong;
    size_t n;

    for (int i = 0; i < LOGF_FIELDS; i++) {
        char text[64];

        snprintf(text, sizeof(text), "${bytes}  ${%s}", flow_log_field_name(i));
        assert_int_equal(flowlog_format_parse(text, &f), 0);
        assert_int_equal(f.version, flow_log_field_version(i));
        assert_int_equal(f.n, 2);
    }
    assert_int_equal(flow_log_format_parse("${bytes} ${start} ", fields, &n, &wrong), -EINVAL);
    assert_int_equal(flow_log_format_parse("", fields, &n, &wrong), -EINVAL);
    assert_int_equal(flow_log_format_parse("${bytes}${start}", fields, &n, &wrong), -EINVAL);
    assert_int_equal(flow_log_format_parse("${bytes} ${x}", fields, &n, &wrong), -ENOENT);
    assert_string_equal(wrong, "${x}");
    assert_int_equal(flow_log_format_parse("${ecs-task-id}", fields, &n, &wrong), -ENOTSUP);
}

/* The user guide's example, line by line. */
static void test_nat_gateway(void **state) {
    struct log_record raw = flow("10.0.1.5", 1000, "203.0.113.5", 443);

    raw.near = INSTANCE;
    raw.near_action = raw.gateway_action = raw.gateway_out_action = LOG_ACCEPT;
    raw.flags |=
        FLOW_NAT | FLOW_SNAT | FLOW_INTERNET | (uint32_t)GATEWAY_NUMBER << FLOW_GATEWAY_SHIFT;
    raw.src = addr("198.51.100.7");
    raw.sport = htobe16(2000);
    expect(&raw, ADDRESSES,
           "i-1 eni-i 10.0.1.5 203.0.113.5 10.0.1.5 203.0.113.5\n"
           "- eni-n 10.0.1.5 10.0.0.220 10.0.1.5 203.0.113.5\n"
           "- eni-n 10.0.0.220 203.0.113.5 10.0.0.220 203.0.113.5\n");
    expect(&raw, PORTS,
           "eni-i 10.0.1.5 1000 203.0.113.5 443 7 471\n"
           "eni-n 10.0.1.5 1000 10.0.0.220 443 7 471\n"
           "eni-n 10.0.0.220 2000 203.0.113.5 443 9 511\n");
    expect(&raw, PATH, "eni-i egress 1 ACCEPT\neni-n ingress - ACCEPT\neni-n egress 8 ACCEPT\n");
    /* A further address of the gateway: as in any interface, the primary one is shown. */
    raw.src = addr("198.51.100.8");
    raw.near_action = 0;
    expect(&raw, ADDRESSES,
           "- eni-n 10.0.1.5 10.0.0.220 10.0.1.5 203.0.113.5\n"
           "- eni-n 10.0.0.220 203.0.113.5 10.0.0.221 203.0.113.5\n");

    raw = flow("203.0.113.5", 443, "198.51.100.7", 2000);
    raw.far = INSTANCE;
    raw.far_action = raw.gateway_action = raw.gateway_out_action = LOG_ACCEPT;
    raw.flags =
        FLOW_NAT | FLOW_DNAT | FLOW_INTERNET | (uint32_t)GATEWAY_NUMBER << FLOW_GATEWAY_SHIFT;
    raw.dst = addr("10.0.1.5");
    raw.dport = htobe16(1000);
    expect(&raw, ADDRESSES,
           "- eni-n 203.0.113.5 10.0.0.220 203.0.113.5 10.0.0.220\n"
           "- eni-n 10.0.0.220 10.0.1.5 203.0.113.5 10.0.1.5\n"
           "i-1 eni-i 203.0.113.5 10.0.1.5 203.0.113.5 10.0.1.5\n");
    expect(&raw, PORTS,
           "eni-n 203.0.113.5 443 10.0.0.220 2000 7 471\n"
           "eni-n 10.0.0.220 443 10.0.1.5 1000 9 511\n"
           "eni-i 203.0.113.5 443 10.0.1.5 1000 9 511\n");
    expect(&raw, PATH, "eni-n ingress - ACCEPT\neni-n egress 1 ACCEPT\neni-i ingress - ACCEPT\n");
}

/* From an instance through a private gateway to a peer, and back. */
static void test_private_gateway(void **state) {
    struct log_record raw = flow("10.0.1.5", 1000, "10.9.0.4", 53);
    uint32_t tag = (uint32_t)GATEWAY_NUMBER << FLOW_GATEWAY_SHIFT;

    raw.near = INSTANCE;
    raw.far = PEER;
    raw.far_vpc = PEER_VPC;
    raw.near_action = raw.gateway_action = raw.gateway_out_action = LOG_ACCEPT;
    raw.flags |= FLOW_NAT | FLOW_SNAT | tag;
    raw.src = addr("10.0.0.220");
    expect(&raw, PATH, "eni-i egress 1 ACCEPT\neni-n ingress - ACCEPT\neni-n egress 5 ACCEPT\n");
    raw = flow("10.9.0.4", 53, "10.0.0.220", 2000);
    raw.near = PEER;
    raw.vpc = PEER_VPC;
    raw.far_vpc = VPC;
    raw.far = INSTANCE;
    raw.near_action = raw.gateway_action = raw.gateway_out_action = raw.far_action = LOG_ACCEPT;
    raw.flags = FLOW_NAT | FLOW_DNAT | tag;
    raw.dst = addr("10.0.1.5");
    expect(&raw, PATH,
           "eni-p egress 5 ACCEPT\neni-n ingress - ACCEPT\neni-n egress 1 ACCEPT\neni-i ingress - "
           "ACCEPT\n");
}

static void test_refused_at_gateway(void **state) {
    struct log_record raw = flow("10.0.1.5", 1000, "203.0.113.5", 443);

    raw.kind = LOG_PACKETS;
    raw.near = INSTANCE;
    raw.gateway_action = LOG_REJECT;
    raw.flags |= FLOW_NAT | (uint32_t)GATEWAY_NUMBER << FLOW_GATEWAY_SHIFT;
    expect(&raw, ADDRESSES, "- eni-n 10.0.1.5 10.0.0.220 10.0.1.5 203.0.113.5\n");
    expect(&raw, PATH, "eni-n ingress - REJECT\n");
    raw.gateway_action = LOG_NONE;
    raw.gateway_out_action = LOG_REJECT;
    expect(&raw, ADDRESSES, "- eni-n 10.0.0.220 203.0.113.5 10.0.0.220 203.0.113.5\n");
    expect(&raw, PATH, "eni-n egress - REJECT\n");
    /* An answer, refused on its way in. */
    raw.near = 0;
    raw.key.src = addr("203.0.113.5");
    raw.key.dst = addr("198.51.100.8");
    raw.gateway_action = LOG_REJECT;
    raw.gateway_out_action = LOG_NONE;
    expect(&raw, ADDRESSES, "- eni-n 203.0.113.5 10.0.0.220 203.0.113.5 10.0.0.221\n");
    /* Passed, an ICMP error say: to the instance. */
    raw.gateway_action = LOG_NONE;
    raw.gateway_out_action = LOG_ACCEPT;
    raw.far = INSTANCE;
    expect(&raw, ADDRESSES, "- eni-n 10.0.0.220 10.0.1.5 203.0.113.5 10.0.1.5\n");
    expect(&raw, PATH, "eni-n egress 1 ACCEPT\n");
}

/* Two records at the two ends, each with its own primary address for its own side. */
static void test_secondary_and_foreign_addresses(void **state) {
    struct log_record raw = flow("10.0.1.77", 1000, "10.0.2.99", 80);

    raw.near = INSTANCE;
    raw.far = OTHER;
    raw.near_action = raw.far_action = LOG_ACCEPT;
    expect(&raw, ADDRESSES,
           "i-1 eni-i 10.0.1.5 10.0.2.99 10.0.1.77 10.0.2.99\n"
           "i-2 eni-o 10.0.1.77 10.0.2.9 10.0.1.77 10.0.2.99\n");
    expect(&raw, PATH, "eni-i egress 1 ACCEPT\neni-o ingress - ACCEPT\n");
    raw.far_vpc = PEER_VPC;
    expect(&raw, PATH, "eni-i egress 4 ACCEPT\neni-o ingress - ACCEPT\n");
}

static void test_ipv6(void **state) {
    struct log_record raw = flow("2001:db8::6", 34892, "2001:db8:1234::1", 22);

    raw.near = INSTANCE;
    raw.near_action = LOG_ACCEPT;
    raw.flags |= FLOW_EGRESS_ONLY;
    expect(&raw, "${type} ${srcaddr} ${pkt-srcaddr} ${dstaddr} ${traffic-path}",
           "IPv6 2001:db8::6 2001:db8::6 2001:db8:1234::1 8\n");
    raw.key.src = addr("2001:db8:0:1::77"); /* of its prefix */
    expect(&raw, "${srcaddr} ${pkt-srcaddr}", "2001:db8:0:1::77 2001:db8:0:1::77\n");
    raw.key.src = addr("2001:db8:9::1"); /* a middlebox passes it on */
    expect(&raw, "${srcaddr} ${pkt-srcaddr}", "2001:db8::5 2001:db8:9::1\n");
}

static void test_icmp_has_no_ports(void **state) {
    struct log_record raw = flow("10.0.1.5", 0x1234, "10.0.2.9", 0x800);

    raw.key.proto = 1;
    raw.tcp_flags = 0;
    raw.near = INSTANCE;
    raw.near_action = LOG_ACCEPT;
    expect(&raw, "${protocol} ${srcport} ${dstport} ${tcp-flags} ${traffic-path}", "1 0 0 0 -\n");
}

static void test_status(void **state) {
    _buf_ struct buf b = BUF_INIT;
    struct flowlog_format f;

    assert_int_equal(flowlog_format_parse(FLOW_LOG_DEFAULT_FORMAT, &f), 0);
    flowlog_format_status(&f, &instance, "NODATA", 1431280876, 1431280934, &b);
    assert_string_equal(buf_str(&b),
                        "2 000000001234 eni-i - - - - - - - 1431280876 1431280934 - NODATA");
    buf_reset(&b);
    assert_int_equal(flowlog_format_parse(EVERY, &f), 0);
    flowlog_format_status(&f, &gateway, "SKIPDATA", 1, 2, &b);
    assert_string_equal(buf_str(&b), "5 000000001234 eni-n - - - - - - - 1 2 - SKIPDATA vpc-a "
                                     "subnet-a - - - - - ap-southeast-2 apse2-az3 - - - - - -");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_nat_gateway),
        cmocka_unit_test(test_private_gateway),
        cmocka_unit_test(test_refused_at_gateway),
        cmocka_unit_test(test_secondary_and_foreign_addresses),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_icmp_has_no_ports),
        cmocka_unit_test(test_status),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
