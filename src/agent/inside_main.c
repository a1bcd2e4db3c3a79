/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void inside_environment(void) {
    const char *value = getenv("TERM");
    char term[64];

    snprintf(term, sizeof(term), "%s", value && *value ? value : "dumb");
    clearenv();
    setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
    setenv("HOME", "/", 1);
    setenv("LANG", "C.UTF-8", 1);
    setenv("USER", "root", 1);
    setenv("SHELL", "/bin/sh", 1);
    setenv("TERM", term, 1);
}

/* When the machine has no memory left, instances end before its own services do. */
static void prefer_for_oom(void) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd >= 0 && write(fd, "500\n", 4) < 0)
        errno = 0;
    if (fd >= 0)
        close(fd);
}

int inside_leave_keyring(void) {
    /* ENOSYS: the kernel has no keyrings, and so nothing to leave. */
    return syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, NULL) < 0 && errno != ENOSYS;
}

static int usage(void) {
    fputs("vpc-instance is started by vpc-agent; see vpc-agent(8)\n", stderr);
    return 2;
}

int main(int argc, char **argv) {
    sigset_t none;

    if (argc < 4)
        return usage();
    prctl(PR_SET_NAME, "vpc-instance");
    prctl(PR_SET_DUMPABLE, 0);
    close_range(INSIDE_FD_END, ~0u, 0);
    umask(022);
    for (int sig = 1; sig < SIGRTMAX; sig++)
        signal(sig, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    /* Fails with EBADF where the machine has no cgroups for us; then there is nothing to enter. */
    if (write(INSIDE_FD_CGROUP, "0", 1) < 0)
        errno = 0;
    close(INSIDE_FD_CGROUP);
    prefer_for_oom();
    if (strcmp(argv[1], "init") == 0 && argc == 4)
        _exit(init_main(argv[2], (uid_t)strtoul(argv[3], NULL, 10)));
    if (strcmp(argv[1], "exec") == 0 && argc > 5)
        _exit(exec_main(argv[2], strcmp(argv[3], "tty") == 0, argv[4], argv + 5));
    return usage();
}
