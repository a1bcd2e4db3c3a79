/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an instance comes to be, and its pid 1.
 *
 *   builder   root of the machine; its own mount namespace, hides what shall not be seen
 *      +-- helper   stays root of the machine: writes the id maps, mounts /proc and /sys
 *      |            from within the new namespaces, ends
 *   builder   becomes the range's first user, makes the user namespace (so the limit on processes
 *             counts for the whole range), becomes root in it, makes the other namespaces
 *      +-- init     pid 1: takes a locked copy of the mounts; waits for the agent's word
 *   builder   reports init's pid and ends; the machine's init adopts ours, which so outlives
 *             the agent
 *
 * No program is executed after the user namespace was entered, so for the kernel this process's
 * memory belongs to the machine's root: nobody inside can trace it or read its descriptors.
 */
#include "agent/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STOP_SECONDS 3
#define USER_DATA "/run/user-data"

static void __attribute__((format(printf, 1, 2))) say(const char *fmt, ...) {
    char line[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    if (n > (int)sizeof(line) - 2)
        n = (int)sizeof(line) - 2;
    line[n++] = '\n';
    if (send(INSIDE_FD_TALK, line, (size_t)n, MSG_NOSIGNAL) < 0)
        return;
}

static void __attribute__((noreturn)) fail(const char *what) {
    say("error %s: %s", what, strerror(errno));
    _exit(1);
}

static void write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        fail(path);
    close(fd);
}

/* ---- helper ---- */

static void helper_map(pid_t pid, uid_t base) {
    char path[64], map[64];

    snprintf(map, sizeof(map), "0 %u %u\n", base, INSIDE_UIDS);
    snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
    write_text(path, map);
    snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
    write_text(path, map);
}

static void helper_views(pid_t init) {
    char path[64];
    int pidns, netns, status;
    pid_t child;

    snprintf(path, sizeof(path), "/proc/%d/ns/pid", init);
    pidns = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/%d/ns/net", init);
    netns = open(path, O_RDONLY | O_CLOEXEC);
    if (pidns < 0 || netns < 0 || setns(pidns, CLONE_NEWPID) < 0 || setns(netns, CLONE_NEWNET) < 0)
        fail("joining the new namespaces");
    child = fork();
    if (child == 0) {
        const char *bad = mounts_views();

        if (bad) {
            say("error mounting %s: %s", bad, strerror(errno));
            _exit(1);
        }
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0)
        fail("fork");
    if (status != 0)
        _exit(1); /* the child said why */
}

/* Two requests over `fd`, an answer each: map the builder's ids; mount for the pid that follows. */
static void __attribute__((noreturn)) helper(int fd, pid_t builder, uid_t base) {
    int32_t pid;

    if (read(fd, &pid, sizeof(pid)) != sizeof(pid))
        _exit(1);
    helper_map(builder, base);
    if (write(fd, &pid, sizeof(pid)) != sizeof(pid) || read(fd, &pid, sizeof(pid)) != sizeof(pid))
        _exit(1);
    helper_views(pid);
    _exit(write(fd, &pid, sizeof(pid)) == sizeof(pid) ? 0 : 1);
}

static void ask_helper(int fd, int32_t pid) {
    /* A helper that failed has reported it itself. */
    if (write(fd, &pid, sizeof(pid)) != sizeof(pid) || read(fd, &pid, sizeof(pid)) != sizeof(pid))
        _exit(1);
}

/* ---- builder ---- */

/* Only downwards: the right to raise a hard limit may be missing (containers). */
static void inside_limit(int what, unsigned long soft, unsigned long hard) {
    struct rlimit now, limit;

    if (getrlimit(what, &now) < 0)
        return;
    limit.rlim_max = hard < now.rlim_max ? hard : now.rlim_max;
    limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
    setrlimit(what, &limit);
}

/* Hard limits, which nobody inside can raise: that takes a right over the whole machine. */
void inside_limits(unsigned long processes) {
    inside_limit(RLIMIT_NPROC, processes, processes);
    inside_limit(RLIMIT_CORE, 0, 0);
    inside_limit(RLIMIT_MEMLOCK, 8 << 20, 8 << 20);
    inside_limit(RLIMIT_MSGQUEUE, 1 << 20, 1 << 20);
    inside_limit(RLIMIT_NICE, 0, 0);
    inside_limit(RLIMIT_RTPRIO, 0, 0);
    inside_limit(RLIMIT_NOFILE, 1024, 65536);
}

/* From root to the range's first user, but with all capabilities, for the next step. */
static void become_owner(uid_t base) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2];

    if (setgroups(0, NULL) < 0 || setresgid(base, base, base) < 0 ||
        prctl(PR_SET_KEEPCAPS, 1) < 0 || setresuid(base, base, base) < 0 ||
        syscall(SYS_capget, &header, caps) < 0)
        fail("changing the user");
    caps[0].effective = caps[0].permitted;
    caps[1].effective = caps[1].permitted;
    if (syscall(SYS_capset, &header, caps) < 0)
        fail("changing the user");
}

static void make_user_namespace(int helper_fd) {
    if (unshare(CLONE_NEWUSER) < 0) {
        int e = errno;

        say("error user namespaces are refused by this kernel (%s): see user.max_user_namespaces, "
            "kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns",
            strerror(e));
        _exit(1);
    }
    ask_helper(helper_fd, 0);
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || setgroups(0, NULL) < 0)
        fail("becoming root of the user namespace");
    if (inside_leave_keyring() != 0)
        fail("session keyring");
}

/* ---- init ---- */

struct init {
    int log_pipe;      /* read end; what user data prints */
    size_t log_size;   /* bytes in the console log */
    bool started;      /* user data ran */
    pid_t user_data;   /* while it runs */
    time_t stop_until; /* 0: not stopping */
};

static void log_add(struct init *in, const char *data, size_t len) {
    static char half[CONSOLE_MAX / 2];

    if (in->log_size + len > CONSOLE_MAX) {
        /* The newest output is what people look for: the older half goes. */
        ssize_t n = pread(INSIDE_FD_A, half, sizeof(half), (off_t)(in->log_size - sizeof(half)));

        if (n < 0 || ftruncate(INSIDE_FD_A, 0) < 0 || pwrite(INSIDE_FD_A, half, (size_t)n, 0) != n)
            return;
        in->log_size = (size_t)n;
    }
    if (pwrite(INSIDE_FD_A, data, len, (off_t)in->log_size) == (ssize_t)len)
        in->log_size += len;
}

static void __attribute__((format(printf, 2, 3))) log_text(struct init *in, const char *fmt, ...) {
    char line[160];
    va_list ap;
    int len;

    va_start(ap, fmt);
    len = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);

    if (len > 0)
        log_add(in, line, strlen(line));
}

static bool copy_user_data(void) {
    char chunk[4096];
    int to = open(USER_DATA, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    off_t at = 0;
    ssize_t n;

    if (to < 0)
        return false;
    while ((n = pread(INSIDE_FD_B, chunk, sizeof(chunk), at)) > 0) {
        if (write(to, chunk, (size_t)n) != n)
            break;
        at += n;
    }
    close(to);
    return n == 0 && at > 0;
}

static void run_user_data(struct init *in) {
    char head[16] = "";
    int pipes[2];
    sigset_t none;

    if (in->started)
        return;
    in->started = true;
    if (!copy_user_data())
        return;
    if (pread(INSIDE_FD_B, head, sizeof(head) - 1, 0) < 0 ||
        strncmp(head, "#cloud-config", 13) == 0 || strncmp(head, "Content-Type:", 13) == 0 ||
        strncmp(head, "MIME-Version:", 13) == 0) {
        log_text(in, "vpcd: user data is not a script; it was not run\n");
        return;
    }
    if (pipe2(pipes, O_CLOEXEC) < 0) {
        log_text(in, "vpcd: user data was not run: errno %d\n", errno);
        return;
    }
    in->user_data = fork();
    if (in->user_data == 0) {
        setsid();
        dup2(pipes[1], 1);
        dup2(pipes[1], 2);
        close_range(3, ~0u, 0);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        inside_environment();
        execl(USER_DATA, USER_DATA, NULL);
        if (errno == ENOEXEC)
            execl("/bin/sh", "sh", USER_DATA, NULL);
        dprintf(2, "vpcd: user data: %s\n", strerror(errno));
        _exit(126);
    }
    if (in->user_data < 0)
        log_text(in, "vpcd: user data was not run: errno %d\n", errno);
    close(pipes[1]);
    in->log_pipe = pipes[0];
}

static void reap(struct init *in) {
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != in->user_data)
            continue;
        in->user_data = 0;
        if (WIFSIGNALED(status))
            log_text(in, "vpcd: user data was ended by signal %d\n", WTERMSIG(status));
        else if (WEXITSTATUS(status))
            log_text(in, "vpcd: user data ended with status %d\n", WEXITSTATUS(status));
    }
    if (in->stop_until && pid < 0 && errno == ECHILD)
        _exit(0);
}

static time_t now(void) {
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec;
}

static void stop(struct init *in) {
    if (in->stop_until)
        return;
    in->stop_until = now() + STOP_SECONDS;
    /* Init's own end kills whoever does not follow. */
    if (kill(-1, SIGTERM) < 0 && errno == ESRCH)
        _exit(0);
}

static void __attribute__((noreturn)) init_loop(int signals) {
    struct init in = {.log_pipe = -1};

    for (;;) {
        struct pollfd p[2] = {{.fd = signals, .events = POLLIN},
                              {.fd = in.log_pipe, .events = POLLIN}};
        struct signalfd_siginfo info;
        char chunk[4096];

        poll(p, 2, in.stop_until ? 200 : -1);
        if (in.stop_until && now() >= in.stop_until)
            _exit(0);
        if (p[1].revents) {
            ssize_t n = read(in.log_pipe, chunk, sizeof(chunk));

            if (n > 0) {
                log_add(&in, chunk, (size_t)n);
            } else if (n == 0) {
                close(in.log_pipe);
                in.log_pipe = -1;
            }
        }
        if (!(p[0].revents & POLLIN) || read(signals, &info, sizeof(info)) != sizeof(info))
            continue;
        if (info.ssi_signo == SIGUSR1)
            run_user_data(&in);
        else if (info.ssi_signo == SIGTERM)
            stop(&in);
        reap(&in);
    }
}

static void set_loopback_up(void) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_name = "lo"};

    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
        fail("lo");
    request.ifr_flags |= IFF_UP;
    if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        fail("lo");
    close(fd);
}

static void __attribute__((noreturn)) init_run(void) {
    const char *hostname = getenv(INSIDE_ENV_HOSTNAME);
    sigset_t set;
    char word;
    int signals;

    prctl(PR_SET_DUMPABLE, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (signals < 0)
        fail("signalfd");
    if (read(INSIDE_FD_TALK, &word, 1) != 1)
        _exit(1);
    if (unshare(CLONE_NEWNS) < 0)
        fail("mount namespace");
    if (hostname && sethostname(hostname, strlen(hostname)) < 0)
        fail("sethostname");
    if (chdir("/") < 0)
        fail("/");
    set_loopback_up();
    if (inside_filter() < 0)
        fail("seccomp");
    say("up");
    close(INSIDE_FD_TALK);
    init_loop(signals);
}

int init_main(const char *id, uid_t base) {
    const char *hide = getenv(INSIDE_ENV_HIDE), *processes = getenv(INSIDE_ENV_PROCESSES), *bad;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), pair[2];
    pid_t builder = getpid(), init, helping;

    (void)id; /* for `ps` */
    if (!hide || base == 0 || null < 0)
        return 2;
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    setsid();
    if (chdir("/") < 0)
        fail("/");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        fail("socketpair");
    if (unshare(CLONE_NEWNS) < 0)
        fail("mount namespace");
    bad = mounts_hide(hide, getenv(INSIDE_ENV_RESOLV), base);
    if (bad) {
        say("error mounting %s: %s", bad, strerror(errno));
        return 1;
    }

    helping = fork();
    if (helping == 0) {
        close(pair[0]);
        helper(pair[1], builder, base);
    }
    if (helping < 0)
        fail("fork");
    close(pair[1]);

    inside_limits(processes ? strtoul(processes, NULL, 10) : 4096);
    become_owner(base);
    make_user_namespace(pair[0]);
    if (unshare(CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP) < 0)
        fail("namespaces");
    init = fork();
    if (init == 0) {
        close(pair[0]);
        init_run();
    }
    if (init < 0)
        fail("fork");
    ask_helper(pair[0], init);
    waitpid(helping, NULL, 0);
    say("pid %d", init);
    return 0;
}
