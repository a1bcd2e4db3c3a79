/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor over children that are shell scripts. Each writes a line "NAME PID UID" to
 * STATE/log when it starts, and does what the test says.
 *
 *     test -- supervisor -- worker (sh), uid 12345
 *                       |-- agent  (sh), root
 *                       \-- other  (sh), uid 12346: the others can do without it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/lock.h"
#include "vpcd/supervisor.h"

#define UID 12345
#define OTHER_UID 12346

static char dir[64];

static pid_t start_three(const char *worker, const char *agent, const char *other) {
    char sh[] = "/bin/sh", c[] = "-c", w[1024], a[1024], o[1024];
    char *worker_argv[] = {sh, c, w, NULL}, *agent_argv[] = {sh, c, a, NULL};
    char *other_argv[] = {sh, c, o, NULL};
    const struct supervisor_child children[] = {
        {.name = "worker", .argv = worker_argv, .uid = UID, .gid = UID},
        {.name = "agent", .argv = agent ? agent_argv : NULL, .lock = "agent/lock"},
        {.name = "other",
         .argv = other ? other_argv : NULL,
         .uid = OTHER_UID,
         .gid = OTHER_UID,
         .optional = true,
         .no_network = true,
         .dir = "theirs"},
    };
    struct supervisor_config config = {.state_dir = dir,
                                       .uid = UID,
                                       .gid = UID,
                                       .children = children,
                                       .n_children = ARRAY_SIZE(children)};
    pid_t pid;

    snprintf(w, sizeof(w), "echo worker $$ $(id -u) >>%s/log; %s", dir, worker);
    snprintf(a, sizeof(a), "echo agent $$ $(id -u) >>%s/log; %s", dir, agent ? agent : "");
    snprintf(o, sizeof(o), "echo other $$ $(id -u) >>%s/log; %s", dir, other ? other : "");
    pid = fork();
    if (pid == 0) {
        char log[128];

        snprintf(log, sizeof(log), "%s/log", dir);
        setenv("LOG", log, 1);
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        dup2(open("/dev/null", O_WRONLY), 2);
        _exit(supervisor_run(&config));
    }
    return pid;
}

static pid_t start(const char *worker, const char *agent) {
    return start_three(worker, agent, NULL);
}

/* Waits for the n-th line of the log that begins with `name`; its pid. */
static pid_t await_line(const char *name, int n) {
    uint64_t until = mono_ns() + 20000000000u;
    char path[128];

    snprintf(path, sizeof(path), "%s/log", dir);
    while (mono_ns() < until) {
        _buf_ struct buf text = BUF_INIT;
        const char *at;
        int left = n;

        if (read_file(path, 65536, &text) == 0) {
            for (at = buf_str(&text); (at = strstr(at, name)); at++) {
                const char *end = strchr(at, '\n');

                if (end && --left == 0)
                    return atoi(at + strlen(name));
            }
        }
        sched_yield();
    }
    fail_msg("%s did not start %d times", name, n);
    return 0;
}

static void await_gone(pid_t pid) {
    uint64_t until = mono_ns() + 20000000000u;
    uint64_t t;

    for (;;) {
        char path[64], state = 0;
        _buf_ struct buf text = BUF_INIT;

        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        if (read_file(path, 4096, &text) < 0)
            return;
        /* A dead child of somebody who does not wait for it is gone enough. */
        if (sscanf(strrchr(buf_str(&text), ')'), ") %c", &state) == 1 && state == 'Z')
            return;
        t = mono_ns();
        if (t > until)
            fail_msg("%d lives", pid);
        sched_yield();
    }
}

static int finish(pid_t supervisor, int sig) {
    int status;

    if (sig)
        kill(supervisor, sig);
    assert_int_equal(waitpid(supervisor, &status, 0), supervisor);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void assert_dir(const char *name, uid_t uid, mode_t mode) {
    char path[128];
    struct stat st;

    snprintf(path, sizeof(path), "%s%s", dir, name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, uid);
    assert_int_equal(st.st_mode & 07777, mode);
}

/* ---- tests ---- */

static void pauses(void **state) {
    int pause = 0, longest = 0;

    assert_int_equal(supervisor_pause(0, 5, 1), 0);
    assert_int_equal(supervisor_pause(0, 5, 2), 100);
    assert_int_equal(supervisor_pause(100, 5, 3), 200);
    for (int deaths = 1; deaths < 20; deaths++) {
        pause = supervisor_pause(pause, 5, deaths);
        longest = pause > longest ? pause : longest;
    }
    assert_int_equal(longest, 5000);
    assert_int_equal(supervisor_pause(5000, 10000, 20), 0);
}

static void starts_and_stops(void **state) {
    pid_t s = start("exec sleep 1000", "exec sleep 1000"), w, a;
    char path[128];

    w = await_line("worker ", 1);
    a = await_line("agent ", 1);
    assert_dir("", 0, 0755);
    assert_dir("/db", UID, 0700);
    assert_dir("/run", UID, 0711);
    assert_dir("/theirs", OTHER_UID, 0711);
    assert_dir("/agent", 0, 0700);
    assert_dir("/credentials", UID, 0600);
    snprintf(path, sizeof(path), "%s/vpcd.lock", dir);
    assert_int_equal(lock_holder(path), s);
    /* A second one is refused, and disturbs nothing. */
    assert_int_equal(finish(start("exec sleep 1000", NULL), 0), 1);
    assert_int_equal(lock_holder(path), s);
    assert_int_equal(finish(s, SIGTERM), 0);
    await_gone(w);
    await_gone(a);
    assert_int_equal(lock_holder(path), 0);
}

static void drops_privileges(void **state) {
    char script[256], path[128];
    pid_t s;

    snprintf(script, sizeof(script),
             "grep -E '^(Groups|CapEff|NoNewPrivs)' /proc/self/status >%s/run/status; "
             "echo done $$ >>%s/log; exec sleep 1000",
             dir, dir);
    s = start(script, NULL);
    await_line("done ", 1);
    {
        _buf_ struct buf text = BUF_INIT;

        snprintf(path, sizeof(path), "%s/run/status", dir);
        assert_int_equal(read_file(path, 4096, &text), 0);
        assert_non_null(strstr(buf_str(&text), "Groups:\t \n"));
        assert_non_null(strstr(buf_str(&text), "CapEff:\t0000000000000000"));
        assert_non_null(strstr(buf_str(&text), "NoNewPrivs:\t1"));
    }
    assert_int_equal(finish(s, SIGTERM), 0);
}

static void starts_again(void **state) {
    pid_t s = start("exec sleep 1000", "exec sleep 1000"), w1, w2, a1;

    w1 = await_line("worker ", 1);
    a1 = await_line("agent ", 1);
    kill(w1, SIGKILL);
    w2 = await_line("worker ", 2);
    assert_int_not_equal(w1, w2);
    kill(w2, SIGKILL);
    await_line("worker ", 3);
    kill(a1, SIGKILL);
    await_line("agent ", 2);
    assert_int_equal(finish(s, SIGINT), 0);
}

static void gives_up_on_configuration(void **state) {
    pid_t s = start("exit 78", "exec sleep 1000");

    await_line("worker ", 1);
    assert_int_equal(finish(s, 0), 78);
}

static void users_of_their_own(void **state) {
    pid_t s = start_three("exec sleep 1000", NULL,
                          "echo devices $(grep -c : /proc/net/dev) >>$LOG; exec sleep 1000"),
          o;
    _buf_ struct buf text = BUF_INIT;
    char path[128], line[64];

    await_line("worker ", 1);
    o = await_line("other ", 1);
    snprintf(path, sizeof(path), "%s/log", dir);
    assert_int_equal(read_file(path, 65536, &text), 0);
    snprintf(line, sizeof(line), "other %d %d\n", o, OTHER_UID);
    assert_non_null(strstr(buf_str(&text), line));
    assert_int_equal(await_line("devices ", 1), 1); /* lo, which is down */
    kill(o, SIGKILL);
    o = await_line("other ", 2);
    /* However the supervisor dies. */
    assert_int_equal(finish(s, SIGKILL), 128 + SIGKILL);
    await_gone(o);
}

static void goes_on_without_the_optional(void **state) {
    pid_t s = start_three("exec sleep 1000", NULL, "exit 78"), w;

    w = await_line("worker ", 1);
    await_line("other ", 1);
    kill(w, SIGKILL);
    await_line("worker ", 2);
    {
        _buf_ struct buf text = BUF_INIT;
        char path[128];
        const char *at;

        snprintf(path, sizeof(path), "%s/log", dir);
        assert_int_equal(read_file(path, 65536, &text), 0);
        at = strstr(buf_str(&text), "other ");
        assert_null(strstr(at + 1, "other "));
    }
    assert_int_equal(finish(s, SIGTERM), 0);
}

static void agent_survives(void **state) {
    char script[512];
    pid_t s, w, a;

    /* Holds its lock as the agent does. */
    snprintf(script, sizeof(script),
             "exec /usr/bin/python3 -c 'import fcntl, os, signal\n"
             "f = open(\"%s/agent/lock\", \"w\")\n"
             "fcntl.flock(f, fcntl.LOCK_EX)\n"
             "start = open(\"/proc/self/stat\").read().rsplit(\")\", 1)[1].split()[19]\n"
             "print(os.getpid(), start, file=f, sep=chr(10), flush=True)\n"
             "signal.pause()'",
             dir);
    s = start("exec sleep 1000", script);
    w = await_line("worker ", 1);
    a = await_line("agent ", 1);
    {
        char path[128];
        uint64_t until = mono_ns() + 10000000000u;

        snprintf(path, sizeof(path), "%s/agent/lock", dir);
        while (lock_holder(path) != a && mono_ns() < until)
            sched_yield();
        assert_int_equal(lock_holder(path), a);
    }
    assert_int_equal(finish(s, SIGKILL), 128 + SIGKILL);
    await_gone(w);
    assert_int_equal(kill(a, 0), 0);

    /* The next one finds it, starts only a worker, and takes care of both. */
    s = start("exec sleep 1000", "exec sleep 1000");
    await_line("worker ", 2);
    assert_int_equal(kill(a, 0), 0);
    kill(a, SIGKILL);
    await_line("agent ", 2);
    assert_int_equal(finish(s, SIGTERM), 0);
}

static void foreign_directories(void **state) {
    pid_t s;

    assert_int_equal(chmod(dir, 01777), 0);
    s = start("exec sleep 1000", NULL);
    assert_int_equal(finish(s, 0), 1);
    assert_dir("", 0, 01777);
    assert_int_equal(chmod(dir, 0755), 0);
    assert_int_equal(chown(dir, UID, UID), 0);
    s = start("exec sleep 1000", NULL);
    assert_int_equal(finish(s, 0), 1);
    assert_dir("", UID, 0755);
}

static int setup(void **state) {
    char log[128];
    int fd;

    snprintf(dir, sizeof(dir), "/tmp/vpcd-supervisor-XXXXXX");
    if (!mkdtemp(dir) || chmod(dir, 0755) < 0)
        return -1;
    snprintf(log, sizeof(log), "%s/log", dir);
    fd = open(log, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    return fd < 0 || fchmod(fd, 0666) < 0 ? -1 : close(fd);
}

static int teardown(void **state) {
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses),
        cmocka_unit_test_setup_teardown(starts_and_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(drops_privileges, setup, teardown),
        cmocka_unit_test_setup_teardown(starts_again, setup, teardown),
        cmocka_unit_test_setup_teardown(gives_up_on_configuration, setup, teardown),
        cmocka_unit_test_setup_teardown(users_of_their_own, setup, teardown),
        cmocka_unit_test_setup_teardown(goes_on_without_the_optional, setup, teardown),
        cmocka_unit_test_setup_teardown(agent_survives, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_directories, setup, teardown),
    };

    if (geteuid() != 0) {
        printf("skipped: the supervisor is root's\n");
        return 77;
    }
    return cmocka_run_group_tests_name("supervisor", tests, NULL, NULL);
}
