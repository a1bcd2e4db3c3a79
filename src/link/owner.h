/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose a device is.
 *
 * Several daemons with different state directories share a machine. Each marks its devices twice:
 * by a name that begins with `v` and six hexadecimal digits of a hash of the state directory's real
 * path, and by an alias "vpcd DIRECTORY WHAT". Only a device with both is ever changed or deleted.
 */
#ifndef VPCD_LINK_OWNER_H
#define VPCD_LINK_OWNER_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "link/link.h"

#define OWNER_DIR_MAX 85 /* so that the sockets below it fit a Unix socket's address */

struct owner {
    char dir[OWNER_DIR_MAX + 1]; /* real path, no slash at the end */
    char hash[7];
};

/* -ENOENT and others of realpath; -ENAMETOOLONG beyond OWNER_DIR_MAX; -EINVAL for "/" and for a
 * path with a space or a control character, which could not be told apart in an alias. */
int owner_of(const char *state_dir, struct owner *ret_owner);

/* "v<hash>": what the names of all our devices begin with. */
char *owner_prefix(const struct owner *owner, char out[IFNAMSIZ]);

/* "v<hash>e<number>"; numbers up to OWNER_ENI_MAX fit a device name. */
#define OWNER_ENI_MAX 0xfffffffu
char *owner_eni_name(const struct owner *owner, uint32_t number, char out[IFNAMSIZ]);

/* "v<hash>t<seven digits of a hash of the interface's id>": the same after the machine's restart,
 * for configurations of virtual machines name it. `salt` 0; others where two interfaces would have
 * one name. */
char *owner_tap_name(const struct owner *owner, const char *id, unsigned salt, char out[IFNAMSIZ]);

/* Where the data plane's maps and programs are pinned. */
#define OWNER_PIN_DIR 64
char *owner_pin_dir(const struct owner *owner, char out[OWNER_PIN_DIR]);

/* "vpcd DIRECTORY WHAT" */
char *owner_alias(const struct owner *owner, const char *what, char out[LINK_ALIAS_SIZE]);

/* Name and alias are ours: what the alias says behind the directory, else NULL. */
const char *owner_what(const struct owner *owner, const struct link_info *link);

/* Our devices; the caller frees the array. */
int owner_list(const struct owner *owner, struct rtnl *rtnl, struct link_info **ret_links,
               size_t *ret_n);

/* Deletes every device of ours; 0, or the first error after having tried them all. */
int owner_delete_links(const struct owner *owner, struct rtnl *rtnl);

#endif
