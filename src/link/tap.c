/* SPDX-License-Identifier: Apache-2.0 */
#include "link/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/io.h"

/* Attached to the device of this name, which is made when there is none. */
static int tap_attach(const char *name, short flags) {
    struct ifreq ifr = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags)};
    _close_ int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return -errno;
    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
    if (ioctl(fd, TUNSETIFF, &ifr) < 0)
        return -errno;
    return TAKE_FD(fd);
}

#define NAMES 8 /* that are tried */

/* A name that no device has; -EEXIST when the interface has its tap already. */
static int free_name(const struct owner *owner, struct rtnl *rtnl, const char *id,
                     char name[IFNAMSIZ]) {
    for (unsigned salt = 0; salt < NAMES; salt++) {
        struct link_info link;
        const char *what;
        int r = link_get(rtnl, owner_tap_name(owner, id, salt, name), &link);

        if (r < 0)
            return r == -ENODEV ? 0 : r;
        what = owner_what(owner, &link);
        if (what && strcmp(what, id) == 0)
            break;
    }
    return -EEXIST;
}

int tap_make(const struct owner *owner, struct rtnl *rtnl, const struct tap_spec *spec,
             int *ret_ifindex) {
    char name[IFNAMSIZ], alias[LINK_ALIAS_SIZE];
    struct link_info link;
    _close_ int fd = -1;
    int r = free_name(owner, rtnl, spec->id, name);

    if (r < 0)
        return r;
    fd = tap_attach(name, (short)IFF_TUN_EXCL);
    if (fd < 0)
        return fd == -EBUSY ? -EEXIST : fd;
    /* Without a user of its own, anybody who can open /dev/net/tun could take the device. */
    if (ioctl(fd, TUNSETOWNER, (unsigned long)spec->user) < 0)
        return -errno;
    r = link_get(rtnl, name, &link);
    if (r == 0)
        r = link_set_alias(rtnl, link.ifindex, owner_alias(owner, spec->id, alias));
    if (r == 0)
        r = link_set_mtu(rtnl, link.ifindex, spec->mtu);
    if (r == 0)
        r = link_no_local_address(rtnl, link.ifindex);
    if (r == 0)
        r = link_disable_ipv6(name);
    if (r < 0)
        return r;
    /* The last step: until here the device goes with the descriptor. */
    if (ioctl(fd, TUNSETPERSIST, 1UL) < 0)
        return -errno;
    *ret_ifindex = link.ifindex;
    return 0;
}

int tap_set_user(const char *name, uid_t user) {
    _buf_ struct buf text = BUF_INIT;
    _close_ int fd = -1;
    char path[64];
    int r;

    snprintf(path, sizeof(path), "/sys/class/net/%s/owner", name);
    r = read_file(path, 32, &text);
    if (r < 0)
        return r;
    if (strtol(buf_str(&text), NULL, 10) == (long)user)
        return 0;
    fd = tap_attach(name, 0);
    if (fd < 0)
        return fd;
    return ioctl(fd, TUNSETOWNER, (unsigned long)user) < 0 ? -errno : 0;
}
