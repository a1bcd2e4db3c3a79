/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/inside.h"
#include "agent/program.h"
#include "base/io.h"
#include "link/netns.h"

/* Ranges of user ids: above those of people and of other container tools, below 2^31. */
#define SLOT_BASE 0x70000000u
#define SLOTS 4096u
#define CREATE_MS 10000
#define DEFAULT_PROCESSES 4096

static struct guest *guest_new(struct guests *all, const struct record *record) {
    struct guest *in = calloc(1, sizeof(*in));

    if (!in)
        return NULL;
    in->record = *record;
    in->pidfd = in->netns_fd = -1;
    LIST_INSERT_HEAD(&all->list, in, link);
    return in;
}

static void guest_free(struct guest *in) {
    LIST_REMOVE(in, link);
    if (in->pidfd >= 0)
        close(in->pidfd);
    if (in->netns_fd >= 0)
        close(in->netns_fd);
    free(in);
}

bool guest_lives(const struct guest *guest) {
    struct pollfd p = {.fd = guest->pidfd, .events = POLLIN};

    return guest->pidfd >= 0 && poll(&p, 1, 0) == 0;
}

struct guest *guest_find(struct guests *all, const char *id) {
    struct guest *in;

    LIST_FOREACH (in, &all->list, link) {
        if (strcmp(in->record.id, id) == 0)
            return in;
    }
    return NULL;
}

/* The name for `ip netns`; one that is there already and ours is left alone. */
static int name_network(struct guest *in) {
    _close_ int named = netns_open(in->record.id);

    if (named >= 0 && netns_same(named, in->netns_fd) == 1)
        return 0;
    if (named >= 0)
        netns_umount(in->record.id);
    return netns_mount(in->record.id, in->netns_fd);
}

/* The real user of a process; 0 also when it is gone. */
static uid_t process_uid(pid_t pid) {
    _buf_ struct buf text = BUF_INIT;
    char path[64];
    const char *at;

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    if (read_file(path, 65536, &text) < 0)
        return 0;
    at = strstr(buf_str(&text), "\nUid:");
    return at ? (uid_t)strtoul(at + 5, NULL, 10) : 0;
}

/*
 * Its record says nothing, so its processes are known by what they were started as: vpc-instance
 * with this id, under a user id that only instances have. An instance that gives a process of its
 * own such a name loses it.
 */
static void end_unknown(const char *id) {
    DIR *proc = opendir("/proc");
    char want[64], line[64], path[64];
    size_t len = (size_t)snprintf(want, sizeof(want), "vpc-instance%cinit%c%s", 0, 0, id) + 1;
    struct dirent *entry;

    while (proc && (entry = readdir(proc))) {
        pid_t pid = atoi(entry->d_name);
        _close_ int fd = -1;
        _close_ int pidfd = pid > 1 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

        if (pidfd < 0)
            continue;
        snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read(fd, line, len) != (ssize_t)len || memcmp(line, want, len) != 0)
            continue;
        if (process_uid(pid) >= SLOT_BASE)
            syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    }
    if (proc)
        closedir(proc);
}

static int adopt(const struct record *record, void *arg) {
    struct guests *all = arg;
    struct guest *in = guest_new(all, record);
    char boot[37];

    if (!in)
        return -ENOMEM;
    if (record->slot == RECORD_NO_SLOT) {
        all->unreadable++;
        end_unknown(record->id);
        in->rebooted = true; /* should it run, it begins anew */
        guest_ended(all, in);
        return 0;
    }
    in->pidfd = process_open(record);
    if (in->pidfd >= 0)
        in->netns_fd = netns_open_pid(record->pid);
    if (in->netns_fd >= 0)
        return name_network(in);
    in->rebooted = boot_id(boot) == 0 && strcmp(boot, record->boot) != 0;
    guest_ended(all, in);
    return 0;
}

int guests_open(const struct owner *owner, struct guests *ret_guests) {
    struct guests *all = ret_guests;
    int r;

    *all = (struct guests){.owner = owner, .program = -1};
    LIST_INIT(&all->list);
    snprintf(all->dir, sizeof(all->dir), "%s/agent/instances", owner->dir);
    snprintf(all->console, sizeof(all->console), "%s/agent/console", owner->dir);
    r = make_dirs(all->dir, 0700);
    if (r == 0)
        r = make_dirs(all->console, 0700);
    if (r == 0)
        r = record_each(all->dir, adopt, all);
    if (r < 0)
        guests_close(all);
    return r;
}

void guests_close(struct guests *all) {
    while (!LIST_EMPTY(&all->list))
        guest_free(LIST_FIRST(&all->list));
    if (all->program >= 0)
        close(all->program);
    all->program = -1;
}

/* ---- create ---- */

static int __attribute__((format(printf, 4, 5)))
because(char *why, size_t size, int error, const char *fmt, ...) {
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, size, fmt, ap);
    va_end(ap);
    return error;
}

static bool slot_used(struct guests *all, unsigned slot) {
    struct guest *in;

    LIST_FOREACH (in, &all->list, link) {
        if (in->record.slot == slot)
            return true;
    }
    return false;
}

/* Searched from a place that depends on the state directory: daemons that share a machine do not
 * know each other's, and so rarely meet. */
static int free_slot(struct guests *all, unsigned *ret_slot) {
    unsigned from = (unsigned)strtoul(all->owner->hash, NULL, 16) % SLOTS;

    for (unsigned i = 0; i < SLOTS; i++) {
        unsigned slot = (from + i) % SLOTS;

        if (slot_used(all, slot))
            continue;
        *ret_slot = slot;
        return 0;
    }
    return -EUSERS;
}

/* Until the descriptor is readable, through signals: 1, or 0 when it was not by `until` (mono_ns).
 */
static int await_readable(int fd, uint64_t until) {
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        uint64_t now = mono_ns();
        int n = poll(&p, 1, now < until ? (int)((until - now) / 1000000) + 1 : 0);

        if (n >= 0 || errno != EINTR)
            return n == 1;
    }
}

/* One line of vpc-instance's report; what it ended without is an error too. */
static int read_report(int fd, char *line, size_t size) {
    ssize_t n;

    if (!await_readable(fd, mono_ns() + CREATE_MS * (uint64_t)1000000))
        return -ETIMEDOUT;
    n = recv(fd, line, size - 1, 0);
    if (n <= 0)
        return -EPIPE;
    line[n] = 0;
    line[strcspn(line, "\n")] = 0;
    return strncmp(line, "error ", 6) == 0 ? -EIO : 0;
}

static int open_console(struct guests *all, const char *id) {
    char path[256];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", all->console, id);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? -errno : fd;
}

static int user_data_file(const struct guest_spec *spec) {
    _close_ int fd = memfd_create("user-data", MFD_CLOEXEC);
    int r;

    if (fd < 0)
        return -errno;
    r = write_all(fd, spec->user_data, spec->user_data_len);
    return r < 0 ? r : TAKE_FD(fd);
}

static struct cgroup_limits limits_of(const struct guest_spec *spec) {
    struct cgroup_limits limits = spec->limits;
    struct sysinfo info;

    if (!limits.processes)
        limits.processes = DEFAULT_PROCESSES;
    if (!limits.memory && sysinfo(&info) == 0)
        limits.memory = (uint64_t)info.totalram * info.mem_unit / 2;
    return limits;
}

static int start_builder(struct guests *all, const struct guest_spec *spec,
                         const struct record *record, int talk, pid_t *ret_pid) {
    struct cgroup_limits limits = limits_of(spec);
    char base[16], hide[160], name[128], processes[64];
    char resolv[RESOLV_MAX + 32];
    char program[] = "vpc-instance", verb[] = "init", id[INSTANCE_ID_SIZE];
    char *argv[] = {program, verb, id, base, NULL};
    char *env[] = {hide, name, processes, resolv, NULL};
    _close_ int console = open_console(all, spec->id), data = user_data_file(spec);
    _close_ int group = cgroup_make(all->owner->hash, spec->id, &limits);
    const struct program_fd fds[] = {{talk, INSIDE_FD_TALK},
                                     {group, INSIDE_FD_CGROUP},
                                     {console, INSIDE_FD_A},
                                     {data, INSIDE_FD_B}};

    if (console < 0 || data < 0)
        return console < 0 ? console : data;
    snprintf(id, sizeof(id), "%s", spec->id);
    snprintf(base, sizeof(base), "%u", SLOT_BASE + record->slot * INSIDE_UIDS);
    snprintf(hide, sizeof(hide), INSIDE_ENV_HIDE "=%s", all->owner->dir);
    snprintf(name, sizeof(name), INSIDE_ENV_HOSTNAME "=%s",
             spec->hostname ? spec->hostname : spec->id);
    snprintf(resolv, sizeof(resolv), INSIDE_ENV_RESOLV "=%s", spec->resolv ? spec->resolv : "");
    snprintf(processes, sizeof(processes), INSIDE_ENV_PROCESSES "=%u", limits.processes);
    return program_start(all->program, argv, env, fds, ARRAY_SIZE(fds), ret_pid);
}

/* From the builder's report to a named, recorded, waiting init. `line` is what it said last. */
static int take_over(struct guests *all, struct guest *in, int talk, char *line, size_t size) {
    struct record *record = &in->record;
    int r = read_report(talk, line, size);

    if (r < 0)
        return r;
    if (sscanf(line, "pid %d", &record->pid) != 1)
        return -EPROTO;
    r = process_start(record->pid, &record->start);
    if (r == 0)
        r = boot_id(record->boot);
    if (r == 0)
        r = record_write(all->dir, record);
    if (r < 0)
        return r;
    in->pidfd = process_open(record);
    in->netns_fd = netns_open_pid(record->pid);
    if (in->pidfd < 0 || in->netns_fd < 0)
        return in->pidfd < 0 ? in->pidfd : in->netns_fd;
    r = name_network(in);
    if (r == 0)
        r = write_all(talk, "g", 1);
    return r < 0 ? r : read_report(talk, line, size);
}

int guest_create(struct guests *all, const struct guest_spec *spec, struct guest **ret_guest,
                 char *why, size_t why_size) {
    struct record record = {.pid = 0};
    struct guest *in = guest_find(all, spec->id);
    bool fresh = !in;
    char line[512] = "";
    pid_t builder = 0;
    int pair[2], r;

    if (!record_id_valid(spec->id) || (spec->hostname && strlen(spec->hostname) > 63))
        return because(why, why_size, -EINVAL, "not an instance id or host name");
    if (in && in->pidfd >= 0)
        return because(why, why_size, -EEXIST, "the instance runs already");
    if (all->program < 0)
        all->program = program_open();
    if (all->program < 0)
        return because(why, why_size, all->program, "vpc-instance is not beside vpc-agent: %s",
                       strerror(-all->program));
    if (fresh) {
        snprintf(record.id, sizeof(record.id), "%s", spec->id);
        r = free_slot(all, &record.slot);
        if (r < 0)
            return because(why, why_size, r, "this host has no user ids left for instances");
        in = guest_new(all, &record);
        if (!in)
            return because(why, why_size, -ENOMEM, "out of memory");
    }
    if (in->record.slot == RECORD_NO_SLOT) {
        r = free_slot(all, &in->record.slot);
        if (r < 0)
            return because(why, why_size, r, "this host has no user ids left for instances");
    }
    in->gone = false;
    in->record.boots = spec->boots;
    in->rebooted = false;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        r = -errno;
    } else {
        r = start_builder(all, spec, &in->record, pair[1], &builder);
        close(pair[1]);
        if (r == 0)
            r = take_over(all, in, pair[0], line, sizeof(line));
        close(pair[0]);
        /* It ends by itself now; nobody waits for that here. */
        if (builder > 0 && r < 0) {
            kill(builder, SIGKILL);
            waitpid(builder, NULL, 0);
        }
    }
    if (r < 0) {
        because(why, why_size, r, "%s", strncmp(line, "error ", 6) == 0 ? line + 6 : strerror(-r));
        guest_kill(in);
        guest_ended(all, in);
        if (fresh)
            guest_forget(all, in);
        return r;
    }
    *ret_guest = in;
    return 0;
}

/* ---- later ---- */

static int send_signal(const struct guest *in, int sig) {
    if (in->pidfd < 0)
        return -ESRCH;
    return syscall(SYS_pidfd_send_signal, in->pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

int guest_go(struct guest *guest) {
    int r = guest->gone ? 0 : send_signal(guest, SIGUSR1);

    guest->gone = r == 0;
    return r;
}

int guest_stop(struct guest *guest) {
    return send_signal(guest, SIGTERM);
}

int guest_kill(struct guest *guest) {
    return send_signal(guest, SIGKILL);
}

void guest_ended(struct guests *all, struct guest *guest) {
    if (guest->pidfd >= 0)
        close(guest->pidfd);
    if (guest->netns_fd >= 0)
        close(guest->netns_fd);
    guest->pidfd = guest->netns_fd = -1;
    netns_umount(guest->record.id);
    cgroup_remove(all->owner->hash, guest->record.id);
}

void guest_forget(struct guests *all, struct guest *guest) {
    char path[256];

    record_remove(all->dir, guest->record.id);
    snprintf(path, sizeof(path), "%s/%s", all->console, guest->record.id);
    unlink(path);
    guest_free(guest);
}

int guests_destroy_all(struct guests *all, int ms) {
    uint64_t until = mono_ns() + (uint64_t)ms * 1000000;
    struct guest *in, *next;
    int r = 0;

    LIST_FOREACH (in, &all->list, link) {
        guest_kill(in);
    }
    for (in = LIST_FIRST(&all->list); in; in = next) {
        next = LIST_NEXT(in, link);
        if (in->pidfd >= 0 && !await_readable(in->pidfd, until)) {
            r = -ETIMEDOUT;
            continue;
        }
        guest_ended(all, in);
        guest_forget(all, in);
    }
    return r;
}
