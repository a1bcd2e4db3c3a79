/* SPDX-License-Identifier: Apache-2.0 */
#include "http/address.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "http/http.h"

static int split(const char *text, struct ip *ret_ip, uint16_t *ret_port) {
    const char *colon = strrchr(text, ':');
    char host[IP_TEXT + 2];
    struct ip ip;
    int64_t port;
    size_t n;

    if (!colon)
        return -EINVAL;
    n = (size_t)(colon - text);
    if (n >= sizeof(host))
        return -EINVAL;
    memcpy(host, text, n);
    host[n] = 0;
    if (host[0] == '[' && n > 2 && host[n - 1] == ']') {
        host[n - 1] = 0;
        if (ip_parse(host + 1, &ip) < 0 || ip.family != IP_V6)
            return -EINVAL;
    } else if (ip_parse(host, &ip) < 0 || ip.family != IP_V4) {
        return -EINVAL;
    }
    if (int_parse(colon + 1, 0, UINT16_MAX, &port) < 0)
        return -EINVAL;
    *ret_ip = ip;
    *ret_port = (uint16_t)port;
    return 0;
}

int address_parse(const char *text, struct sockaddr_storage *ret_addr, socklen_t *ret_len) {
    uint16_t port;
    struct ip ip;

    if (split(text, &ip, &port) < 0)
        return -EINVAL;
    memset(ret_addr, 0, sizeof(*ret_addr));
    if (ip.family == IP_V4) {
        struct sockaddr_in *in = (void *)ret_addr;

        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        memcpy(&in->sin_addr, ip.b, 4);
        *ret_len = sizeof(*in);
    } else {
        struct sockaddr_in6 *in6 = (void *)ret_addr;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        memcpy(&in6->sin6_addr, ip.b, 16);
        *ret_len = sizeof(*in6);
    }
    return 0;
}

struct ip address_ip(const struct sockaddr *addr, uint16_t *ret_port) {
    struct ip ip = {.family = IP_NONE};

    *ret_port = 0;
    if (addr->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)addr;

        ip.family = IP_V4;
        memcpy(ip.b, &in->sin_addr, 4);
        *ret_port = ntohs(in->sin_port);
    } else if (addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)addr;

        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
            ip.family = IP_V4;
            memcpy(ip.b, in6->sin6_addr.s6_addr + 12, 4);
        } else {
            ip.family = IP_V6;
            memcpy(ip.b, &in6->sin6_addr, 16);
        }
        *ret_port = ntohs(in6->sin6_port);
    }
    return ip;
}

char *address_format(const struct sockaddr *addr, char *out) {
    uint16_t port;
    struct ip ip = address_ip(addr, &port);
    char text[IP_TEXT];

    snprintf(out, ADDRESS_TEXT, addr->sa_family == AF_INET6 ? "[%s]:%u" : "%s:%u",
             ip_format(&ip, text), port);
    return out;
}

bool http_listen_is_loopback(const char *listen) {
    uint16_t port;
    struct ip ip;

    if (split(listen, &ip, &port) < 0)
        return false;
    if (ip.family == IP_V4)
        return ip.b[0] == 127;
    return !memcmp(ip.b, &in6addr_loopback, 16);
}
