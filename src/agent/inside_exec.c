/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command in an instance, for `vpcctl exec`.
 *
 *   handler   outside the instance's pid namespace, otherwise in all its namespaces; holds vpcctl's
 *             connection: reads signal numbers from it, writes the command's status to it
 *      +-- watcher   inside; adopts what the command leaves behind
 *             +-- command   a session of its own
 *
 * When the connection ends before the command does, the handler closes its pipe to the watcher,
 * which kills its children until none is left: a child's children become its own when that dies.
 * When the command ends by itself, what it put into the background stays, as after a login.
 * Handler and watcher cannot be traced from inside (see inside_init.c); the watcher can be killed
 * by root inside, who then keeps what runs in its own instance.
 *
 * With a terminal, vpcctl made a pseudo-terminal and the command gets that as its controlling
 * one; the caller's own terminal never enters the instance, so nobody there can type into it.
 */
#include "agent/inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALL_NAMESPACES                                                                             \
    (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC |     \
     CLONE_NEWCGROUP)

static void answer(const char *key, const char *quote, const char *value) {
    char line[256];
    int n = snprintf(line, sizeof(line), "{\"%s\":%s%s%s}\n", key, quote, value, quote);

    if (n > 0 && send(INSIDE_FD_TALK, line, (size_t)n, MSG_NOSIGNAL) < 0)
        return;
}

static void __attribute__((noreturn)) refuse(const char *what) {
    char text[200];

    snprintf(text, sizeof(text), "%s: %s", what, strerror(errno));
    answer("error", "\"", text);
    _exit(1);
}

static int signal_fd(int sig) {
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, sig);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static int status_of(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- command ---- */

static void __attribute__((noreturn)) command(bool tty, const char *cwd, char **argv) {
    sigset_t none;

    setsid();
    if (tty)
        ioctl(0, TIOCSCTTY, 0);
    close_range(3, ~0u, 0);
    /* The caller's directory need not be visible or enterable here. */
    if (chdir(cwd) < 0 && chdir("/") < 0)
        _exit(126);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    inside_environment();
    execvp(argv[0], argv);
    dprintf(2, "vpcctl: exec: %s: %s\n", argv[0], strerror(errno));
    _exit(errno == ENOENT ? 127 : 126);
}

/* ---- watcher ---- */

static void kill_children(pid_t self) {
    DIR *proc = opendir("/proc");
    struct dirent *entry;

    if (!proc)
        return;
    while ((entry = readdir(proc))) {
        char path[300], stat[512], *end;
        int pid = atoi(entry->d_name), parent, fd;
        ssize_t n;

        if (pid <= 1)
            continue;
        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, stat, sizeof(stat) - 1);
        if (fd >= 0)
            close(fd);
        if (n <= 0)
            continue;
        stat[n] = 0;
        /* "pid (name) state parent": the name may hold anything, so from the last bracket. */
        end = strrchr(stat, ')');
        if (end && sscanf(end, ") %*c %d", &parent) == 1 && parent == self)
            kill(pid, SIGKILL);
    }
    closedir(proc);
}

static void __attribute__((noreturn)) watcher(int orders, bool tty, const char *cwd, char **argv) {
    int children = signal_fd(SIGCHLD), status;
    struct signalfd_siginfo info;
    pid_t main_pid, pid;

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_DUMPABLE, 0);
    main_pid = fork();
    if (main_pid == 0)
        command(tty, cwd, argv);
    if (main_pid < 0)
        _exit(126);
    for (int fd = 0; fd < 3; fd++)
        close(fd); /* a pipe of the caller's ends when the command's copies do */
    for (;;) {
        struct pollfd p[2] = {{.fd = orders, .events = POLLIN}, {.fd = children, .events = POLLIN}};
        unsigned char sig;

        poll(p, 2, -1);
        if (p[1].revents && read(children, &info, sizeof(info)) == sizeof(info)) {
            while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
                if (pid == main_pid)
                    _exit(status_of(status));
        }
        if (!p[0].revents)
            continue;
        if (read(orders, &sig, 1) == 1) {
            if (kill(-main_pid, sig) < 0)
                kill(main_pid, sig);
            continue;
        }
        /* The caller is gone. */
        do {
            kill_children(getpid());
        } while (waitpid(-1, NULL, 0) > 0);
        _exit(128 + SIGKILL);
    }
}

/* ---- handler ---- */

static bool may_pass(unsigned char sig) {
    return sig == SIGINT || sig == SIGTERM || sig == SIGHUP || sig == SIGQUIT || sig == SIGUSR1 ||
           sig == SIGUSR2;
}

static int handle(int orders, int children, pid_t watching) {
    struct signalfd_siginfo info;
    bool gone = false;
    int status;

    for (;;) {
        struct pollfd p[2] = {{.fd = gone ? -1 : INSIDE_FD_TALK, .events = POLLIN},
                              {.fd = children, .events = POLLIN}};
        unsigned char sig;
        ssize_t n;

        poll(p, 2, -1);
        if (p[1].revents && read(children, &info, sizeof(info)) == sizeof(info) &&
            waitpid(watching, &status, WNOHANG) == watching)
            return status_of(status);
        if (!p[0].revents)
            continue;
        n = recv(INSIDE_FD_TALK, &sig, 1, MSG_DONTWAIT);
        if (n == 1 && may_pass(sig) && write(orders, &sig, 1) != 1)
            continue;
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            close(orders);
            gone = true;
        }
    }
}

int exec_main(const char *id, bool tty, const char *cwd, char **argv) {
    int pipes[2], children, status;
    pid_t watching;
    char text[16];

    (void)id; /* for `ps` */
    signal(SIGPIPE, SIG_IGN);
    setsid();
    inside_limits(4096);
    if (setgroups(0, NULL) < 0 || setns(INSIDE_FD_A, ALL_NAMESPACES) < 0)
        refuse("joining the instance");
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        refuse("becoming the instance's root");
    if (inside_leave_keyring() != 0)
        refuse("leaving the session keyring");
    prctl(PR_SET_DUMPABLE, 0);
    close(INSIDE_FD_A);
    children = signal_fd(SIGCHLD);
    if (children < 0 || pipe2(pipes, O_CLOEXEC) < 0)
        refuse("pipe");
    watching = fork();
    if (watching == 0) {
        if (inside_filter() < 0)
            _exit(126);
        signal(SIGPIPE, SIG_DFL);
        close(pipes[1]);
        close(INSIDE_FD_TALK);
        watcher(pipes[0], tty, cwd, argv);
    }
    if (watching < 0)
        refuse("starting a process in the instance");
    close(pipes[0]);
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    answer("started", "", "true");
    status = handle(pipes[1], children, watching);
    snprintf(text, sizeof(text), "%d", status);
    answer("status", "", text);
    return 0;
}
