/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/down.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/cgroup.h"
#include "agent/guest.h"
#include "agent/services_net.h"
#include "base/lock.h"
#include "base/log.h"
#include "dataplane/dataplane.h"
#include "link/netns.h"

#define INSTANCES_MS 10000
#define AGENT_MS 10000

int down_stop_agent(const char *lock) {
    pid_t pid;
    _close_ int fd = lock_holder_open(lock, &pid);
    struct pollfd p = {.fd = fd, .events = POLLIN};

    if (fd < 0)
        return fd == -ESRCH ? 0 : fd;
    for (int i = 0; i < 2; i++) {
        if (syscall(SYS_pidfd_send_signal, fd, i ? SIGKILL : SIGTERM, NULL, 0) < 0)
            return errno == ESRCH ? 0 : -errno;
        if (poll(&p, 1, AGENT_MS) == 1)
            return 0;
    }
    return -ETIMEDOUT;
}

static int note(int first, int r, const char *what) {
    if (r < 0)
        log_error("%s: %s", what, strerror(-r));
    return first < 0 ? first : r;
}

int down(const struct owner *owner) {
    _rtnl_ struct rtnl *rtnl = NULL;
    struct guests guests;
    char dir[OWNER_PIN_DIR];
    int r = 0, k;

    k = guests_open(owner, &guests);
    if (k == 0) {
        r = note(r, guests_destroy_all(&guests, INSTANCES_MS), "instances");
        guests_close(&guests);
    } else if (k != -ENOENT) {
        r = note(r, k, "instances");
    }
    cgroup_remove_all(owner->hash);
    services_net_down(owner);
    netns_tidy();
    k = rtnl_open(-1, &rtnl);
    r = note(r, k < 0 ? k : owner_delete_links(owner, rtnl), "devices");
    return note(r, dataplane_destroy(owner_pin_dir(owner, dir)), "the pinned data plane");
}
