/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each child is in one of these states:
 *
 *     stopped --(due)--> running --(exit)--> stopped, due after a pause
 *                        found   --(exit)--> stopped, due at once
 *
 * `found` is one that an earlier supervisor started (the agent): not our child, so watched by a
 * pidfd as our own are. One loop waits for signals, the pidfds and the next start that is due.
 */
#include "vpcd/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/notify.h"

#define PAUSE_FIRST 100
#define PAUSE_MAX 5000
#define HEALTHY_MS 10000
#define STOP_MS 10000

struct child {
    const struct supervisor_child *what;
    int pidfd;     /* -1: stopped */
    pid_t pid;     /* of our own child; 0: found */
    pid_t found;   /* pid of one that is not our child */
    int64_t since; /* when it started, milliseconds */
    int64_t due;   /* when to start it */
    int pause, deaths;
    bool given_up; /* optional, and configured so that it cannot run */
};

struct supervisor {
    const struct supervisor_config *config;
    struct child children[SUPERVISOR_CHILDREN_MAX];
    size_t n;
    sigset_t old_mask;
    bool stopping;
    int status;
};

static int64_t now_ms(void) {
    return (int64_t)(mono_ns() / 1000000);
}

int supervisor_pause(int last_ms, int64_t ran_ms, int deaths) {
    if (deaths <= 1 || ran_ms >= HEALTHY_MS)
        return 0;
    if (last_ms == 0)
        return PAUSE_FIRST;
    return last_ms * 2 < PAUSE_MAX ? last_ms * 2 : PAUSE_MAX;
}

/* ---- the state directory ---- */

static int make_dir(const char *path, uid_t uid, gid_t gid, mode_t mode) {
    _close_ int fd = -1;

    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return -errno;
    /* By descriptor: what belongs to the worker may be exchanged by the worker. */
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0)
        return -errno;
    return 0;
}

/* The directory itself is often named by hand: one that other users may write to, or that belongs
 * to somebody else, is not taken over. */
static int make_state_dir(const char *path) {
    _close_ int fd = -1;
    struct stat st;
    int r = make_dirs(path, 0755);

    if (r < 0)
        return r;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH | S_ISVTX)))
        return -EPERM;
    return fchmod(fd, 0755) < 0 ? -errno : 0;
}

static int make_credentials(const char *path, uid_t uid, gid_t gid) {
    _close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    /* One that is there stays as its user made it: quickstart gives it to somebody. */
    if (fd < 0)
        return errno == EEXIST ? 0 : -errno;
    return fchown(fd, uid, gid) < 0 ? -errno : 0;
}

int supervisor_make_dirs(const struct supervisor_config *config, char ret_path[256]) {
    const char *dir = config->state_dir;
    const struct {
        const char *name;
        uid_t uid;
        gid_t gid;
        mode_t mode;
    } dirs[] = {
        {"/db", config->uid, config->gid, 0700},
        {"/run", config->uid, config->gid, 0711},
        {"/logs", config->uid, config->gid, 0700},
        {"/agent", 0, 0, 0700},
    };
    int r = make_state_dir(dir);

    snprintf(ret_path, 256, "%s", dir);
    for (size_t i = 0; i < ARRAY_SIZE(dirs) && r == 0; i++) {
        snprintf(ret_path, 256, "%s%s", dir, dirs[i].name);
        r = make_dir(ret_path, dirs[i].uid, dirs[i].gid, dirs[i].mode);
    }
    for (size_t i = 0; i < config->n_children && r == 0; i++) {
        const struct supervisor_child *c = &config->children[i];

        if (!c->dir)
            continue;
        snprintf(ret_path, 256, "%s/%s", dir, c->dir);
        r = make_dir(ret_path, c->uid, c->gid, 0711);
    }
    if (r < 0)
        return r;
    if (config->credentials_file)
        snprintf(ret_path, 256, "%s", config->credentials_file);
    else
        snprintf(ret_path, 256, "%s/credentials", dir);
    return make_credentials(ret_path, config->uid, config->gid);
}

/* ---- children ---- */

static void __attribute__((noreturn))
child_run(const struct supervisor *s, const struct child *c, pid_t parent) {
    /* Opened as root: the tree may stand where the worker's user has no way to (/root). */
    const struct supervisor_child *what = c->what;
    int program = open(what->argv[0], O_PATH | O_CLOEXEC);

    setsid();
    if (what->no_network && unshare(CLONE_NEWNET) < 0) {
        log_error("the %s gets no network namespace: %s", what->name, strerror(errno));
        _exit(126);
    }
    if (what->uid) {
        /* Before the change of user: a change of credentials clears it. Hence again after. */
        if (setgroups(0, NULL) < 0 || setresgid(what->gid, what->gid, what->gid) < 0 ||
            setresuid(what->uid, what->uid, what->uid) < 0 ||
            prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
            _exit(126);
        if (getppid() != parent)
            _exit(0); /* it died in between */
    }
    sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
    if (program >= 0)
        execveat(program, "", what->argv, environ, AT_EMPTY_PATH);
    log_error("cannot run %s: %s", what->argv[0], strerror(errno));
    _exit(SUPERVISOR_EXIT_CONFIG);
}

static int child_fork(const struct supervisor *s, struct child *c) {
    pid_t parent = getpid(), pid = fork();

    if (pid < 0)
        return -errno;
    if (pid == 0)
        child_run(s, c, parent);
    c->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (c->pidfd < 0) {
        int r = -errno;

        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return r;
    }
    fcntl(c->pidfd, F_SETFD, FD_CLOEXEC);
    c->pid = pid;
    return 0;
}

static void child_start(struct supervisor *s, struct child *c) {
    c->since = now_ms();
    if (c->what->lock) {
        char path[PATH_MAX];
        int fd;

        snprintf(path, sizeof(path), "%s/%s", s->config->state_dir, c->what->lock);
        fd = lock_holder_open(path, &c->found);
        if (fd >= 0) {
            log_info("the %s runs already, pid %d: left alone", c->what->name, c->found);
            c->pidfd = fd;
            c->pid = 0;
            return;
        }
    }
    if (child_fork(s, c) < 0) {
        log_error("cannot start the %s: %s", c->what->name, strerror(errno));
        c->due = now_ms() + PAUSE_MAX;
    }
}

static void child_ended(struct supervisor *s, struct child *c) {
    int64_t now = now_ms(), ran = now - c->since;
    int status = 0;

    if (c->pid)
        waitpid(c->pid, &status, 0);
    close(c->pidfd);
    c->pidfd = -1;
    c->pid = 0;
    if (s->stopping)
        return;
    if (WIFEXITED(status) && WEXITSTATUS(status) == SUPERVISOR_EXIT_CONFIG) {
        if (c->what->optional) {
            log_error("the %s cannot run as it is configured: left out", c->what->name);
            c->given_up = true;
            return;
        }
        s->stopping = true;
        s->status = SUPERVISOR_EXIT_CONFIG;
        return;
    }
    c->deaths = ran >= HEALTHY_MS ? 1 : c->deaths + 1;
    c->pause = supervisor_pause(c->pause, ran, c->deaths);
    c->due = now + c->pause;
    if (WIFSIGNALED(status))
        log_warn("the %s was ended by signal %d (%s); it starts again in %d ms", c->what->name,
                 WTERMSIG(status), strsignal(WTERMSIG(status)), c->pause);
    else
        log_warn("the %s ended with status %d; it starts again in %d ms", c->what->name,
                 WEXITSTATUS(status), c->pause);
}

static void child_signal(const struct child *c, int sig) {
    if (c->pidfd >= 0)
        syscall(SYS_pidfd_send_signal, c->pidfd, sig, NULL, 0);
}

/* ---- the loop ---- */

/* Until something happens, at most until `until` (0: for ever). */
static void wait_for(struct supervisor *s, int signals, int64_t until) {
    struct pollfd p[1 + SUPERVISOR_CHILDREN_MAX] = {{.fd = signals, .events = POLLIN}};
    struct signalfd_siginfo info;
    int64_t now = now_ms();

    for (size_t i = 0; i < s->n; i++)
        p[1 + i] = (struct pollfd){.fd = s->children[i].pidfd, .events = POLLIN};
    if (poll(p, 1 + s->n, until == 0 ? -1 : until > now ? (int)(until - now) : 0) < 0)
        return;
    if (p[0].revents && read(signals, &info, sizeof(info)) == sizeof(info) &&
        (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT))
        s->stopping = true;
    for (size_t i = 0; i < s->n; i++)
        if (p[1 + i].revents)
            child_ended(s, &s->children[i]);
}

static void run(struct supervisor *s, int signals) {
    while (!s->stopping) {
        int64_t next = 0;

        for (size_t i = 0; i < s->n; i++) {
            struct child *c = &s->children[i];

            if (!c->what->argv || c->given_up || c->pidfd >= 0)
                continue;
            if (c->due <= now_ms())
                child_start(s, c);
            if (c->pidfd < 0 && (next == 0 || c->due < next))
                next = c->due;
        }
        wait_for(s, signals, next);
    }
}

static bool any_lives(const struct supervisor *s) {
    for (size_t i = 0; i < s->n; i++)
        if (s->children[i].pidfd >= 0)
            return true;
    return false;
}

static void stop(struct supervisor *s, int signals) {
    int64_t until = now_ms() + STOP_MS;

    notify_systemd("STOPPING=1");
    for (size_t i = 0; i < s->n; i++)
        child_signal(&s->children[i], SIGTERM);
    while (any_lives(s) && now_ms() < until)
        wait_for(s, signals, until);
    for (size_t i = 0; i < s->n; i++)
        if (s->children[i].pidfd >= 0)
            log_warn("the %s did not end in %d s: killed", s->children[i].what->name,
                     STOP_MS / 1000);
    /* Killing is safe for all: none loses what it acknowledged. */
    for (size_t i = 0; i < s->n; i++)
        child_signal(&s->children[i], SIGKILL);
    until = now_ms() + STOP_MS;
    while (any_lives(s) && now_ms() < until)
        wait_for(s, signals, until);
}

int supervisor_run(const struct supervisor_config *config) {
    struct supervisor s = {.config = config, .n = config->n_children};
    char path[PATH_MAX], text[16];
    _close_ int lock = -1, signals = -1;
    sigset_t set;
    int r = supervisor_make_dirs(config, path);

    if (r < 0) {
        log_error("%s: %s", path, strerror(-r));
        return 1;
    }
    if (s.n > SUPERVISOR_CHILDREN_MAX)
        return SUPERVISOR_EXIT_CONFIG;
    for (size_t i = 0; i < s.n; i++)
        s.children[i] = (struct child){.what = &config->children[i], .pidfd = -1};
    snprintf(path, sizeof(path), "%s/vpcd.lock", config->state_dir);
    lock = lock_take(path);
    if (lock < 0) {
        if (lock == -EWOULDBLOCK)
            log_error("%s: a vpcd with this state directory runs already, pid %d", path,
                      lock_holder(path));
        else
            log_error("%s: %s", path, strerror(-lock));
        return 1;
    }
    snprintf(path, sizeof(path), "%s/vpcd.pid", config->state_dir);
    snprintf(text, sizeof(text), "%d\n", getpid());
    r = write_file_atomic(path, text, strlen(text), 0644);
    if (r < 0)
        log_warn("%s: %s", path, strerror(-r));

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP); /* a terminal that closes: nothing to do */
    sigprocmask(SIG_BLOCK, &set, &s.old_mask);
    signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (signals < 0) {
        log_error("signalfd: %s", strerror(errno));
        return 1;
    }
    run(&s, signals);
    stop(&s, signals);
    unlink(path);
    return s.status;
}
