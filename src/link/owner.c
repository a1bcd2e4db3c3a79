/* SPDX-License-Identifier: Apache-2.0 */
#include "link/owner.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FNV1A_BEGIN 0xcbf29ce484222325

static uint64_t fnv1a(const char *text, size_t len, uint64_t h) {
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * 0x100000001b3;
    return h;
}

int owner_of(const char *state_dir, struct owner *ret_owner) {
    _free_ char *path = realpath(state_dir, NULL);
    uint64_t h;
    size_t len;

    if (!path)
        return -errno;
    len = strlen(path);
    if (len > OWNER_DIR_MAX)
        return -ENAMETOOLONG;
    if (len < 2)
        return -EINVAL;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)path[i] <= ' ' || path[i] == 0x7f)
            return -EINVAL;
    h = fnv1a(path, len, FNV1A_BEGIN);
    *ret_owner = (struct owner){0};
    memcpy(ret_owner->dir, path, len);
    snprintf(ret_owner->hash, sizeof(ret_owner->hash), "%06x",
             (unsigned)((h ^ h >> 24 ^ h >> 48) & 0xffffff));
    return 0;
}

char *owner_prefix(const struct owner *owner, char out[IFNAMSIZ]) {
    snprintf(out, IFNAMSIZ, "v%s", owner->hash);
    return out;
}

char *owner_eni_name(const struct owner *owner, uint32_t number, char out[IFNAMSIZ]) {
    snprintf(out, IFNAMSIZ, "v%.6se%x", owner->hash, number & OWNER_ENI_MAX);
    return out;
}

char *owner_tap_name(const struct owner *owner, const char *id, unsigned salt, char out[IFNAMSIZ]) {
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    uint64_t h = fnv1a(id, strlen(id), FNV1A_BEGIN + salt);
    int n = snprintf(out, IFNAMSIZ, "v%.6st", owner->hash);

    h ^= h >> 35;
    for (; n < IFNAMSIZ - 1; h >>= 5)
        out[n++] = digits[h & 31];
    out[n] = 0;
    return out;
}

char *owner_pin_dir(const struct owner *owner, char out[OWNER_PIN_DIR]) {
    snprintf(out, OWNER_PIN_DIR, "/sys/fs/bpf/vpcd-%s", owner->hash);
    return out;
}

char *owner_alias(const struct owner *owner, const char *what, char out[LINK_ALIAS_SIZE]) {
    snprintf(out, LINK_ALIAS_SIZE, "vpcd %s %s", owner->dir, what);
    return out;
}

const char *owner_what(const struct owner *owner, const struct link_info *link) {
    char prefix[IFNAMSIZ], alias[LINK_ALIAS_SIZE];
    size_t len;

    owner_prefix(owner, prefix);
    if (strncmp(link->name, prefix, strlen(prefix)) != 0)
        return NULL;
    owner_alias(owner, "", alias);
    len = strlen(alias);
    return strncmp(link->alias, alias, len) == 0 ? link->alias + len : NULL;
}

int owner_list(const struct owner *owner, struct rtnl *rtnl, struct link_info **ret_links,
               size_t *ret_n) {
    char prefix[IFNAMSIZ];
    struct link_info *links;
    size_t n, kept = 0;
    int r = link_list(rtnl, owner_prefix(owner, prefix), &links, &n);

    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++)
        if (owner_what(owner, &links[i]))
            links[kept++] = links[i];
    *ret_links = links;
    *ret_n = kept;
    return 0;
}

int owner_delete_links(const struct owner *owner, struct rtnl *rtnl) {
    _free_ struct link_info *links = NULL;
    size_t n;
    int r = owner_list(owner, rtnl, &links, &n), first = 0;

    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        /* Gone already: the other end of a pair that we just deleted. */
        r = link_delete(rtnl, links[i].ifindex);
        if (r < 0 && r != -ENODEV && first == 0)
            first = r;
    }
    return first;
}
