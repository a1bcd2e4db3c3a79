/* SPDX-License-Identifier: Apache-2.0 */
#include "vpcctl/print.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

const char *text_in(const json_t *o, const char *key) {
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

long long number_in(const json_t *o, const char *key) {
    return json_integer_value(json_object_get(o, key));
}

static const struct {
    const char *name;
    int number;
} protocols[] = {{"icmp", 1}, {"tcp", 6}, {"udp", 17}, {"icmpv6", 58}};

const char *protocol_text(int protocol, char out[16]) {
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
        if (protocols[i].number == protocol)
            return protocols[i].name;
    snprintf(out, 16, "protocol %d", protocol);
    return out;
}

bool protocol_parse(const char *text, int *ret_protocol) {
    int64_t number;

    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        if (strcmp(protocols[i].name, text) == 0) {
            *ret_protocol = protocols[i].number;
            return true;
        }
    }
    if (int_parse(text, 0, 255, &number) < 0)
        return false;
    *ret_protocol = (int)number;
    return true;
}

void print_end(const char *address, const json_t *port) {
    if (!port)
        printf("%s", address);
    else
        printf(strchr(address, ':') ? "[%s]:%lld" : "%s:%lld", address,
               (long long)json_integer_value(port));
}

void print_name(const char *name) {
    putchar('"');
    for (const unsigned char *c = (const unsigned char *)name; *c; c++) {
        if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) { /* C1 controls in UTF-8 */
            putchar('?');
            c++;
        } else {
            putchar(*c < 0x20 || *c == 0x7f || *c == '"' ? '?' : *c);
        }
    }
    putchar('"');
}

const char *duration_text(long long ms, char out[24]) {
    if (ms < 10000)
        snprintf(out, 24, "%lld.%lld s", ms / 1000, ms % 1000 / 100);
    else if (ms < 600000)
        snprintf(out, 24, "%lld s", ms / 1000);
    else if (ms < 36000000)
        snprintf(out, 24, "%lld min", ms / 60000);
    else
        snprintf(out, 24, "%lld h", ms / 3600000);
    return out;
}

const char *bytes_text(unsigned long long bytes, char out[24]) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double v = (double)bytes;
    size_t u = 0;

    for (; v >= 1000 && u + 1 < ARRAY_SIZE(units); u++)
        v /= 1000;
    snprintf(out, 24, u ? "%.1f %s" : "%.0f %s", v, units[u]);
    return out;
}
