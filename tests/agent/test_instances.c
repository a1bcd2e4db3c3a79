/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances without a network: how they begin, what is hidden from them, how they end.
 *
 *     machine -- /run/netns/i-00000000000000a1 -- instance: init (pid 1), commands by exec
 *                state directory                            sees neither of the two on the left
 *
 * Usage: test_instances PROGRAM (the path of vpc-instance)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/exec.h"
#include "agent/guest.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "link/netns.h"

#define ID "i-00000000000000a1"
#define OTHER "i-00000000000000a2"

static const char *program_path;
static char state_dir[64] = "/var/lib/vpcd-test-XXXXXX";
static struct owner owner;
static struct guests all;

static struct guest *make(const char *id, const char *user_data) {
    struct guest_spec spec = {.id = id,
                              .hostname = "ip-10-0-0-4",
                              .user_data = user_data,
                              .user_data_len = user_data ? strlen(user_data) : 0};
    struct guest *in = NULL;
    char why[256] = "";
    int r = guest_create(&all, &spec, &in, why, sizeof(why));

    if (r < 0)
        fail_msg("%s: %s", id, why);
    return in;
}

static void await_end(struct guest *in) {
    struct pollfd p = {.fd = in->pidfd, .events = POLLIN};

    assert_int_equal(poll(&p, 1, 10000), 1);
}

static void destroy(struct guest *in) {
    assert_int_equal(guest_kill(in), 0);
    await_end(in);
    guest_ended(&all, in);
    guest_forget(&all, in);
}

struct running {
    int connection, output;
    pid_t pid;
};

static struct running begin(struct guest *in, const char *script) {
    char sh[] = "sh", c[] = "-c", text[4096];
    char *argv[] = {sh, c, text, NULL};
    struct exec_spec spec = {.argv = argv};
    struct running run;
    int pair[2], pipes[2];

    snprintf(text, sizeof(text), "%s", script);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    spec.connection = pair[1];
    spec.stdio[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    spec.stdio[1] = spec.stdio[2] = pipes[1];
    assert_int_equal(exec_start(&all, in, &spec, &run.pid), 0);
    close(spec.stdio[0]);
    close(pair[1]);
    close(pipes[1]);
    run.connection = pair[0];
    run.output = pipes[0];
    return run;
}

static void read_to_end(int fd, char *out, size_t size) {
    size_t len = 0;

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t n;

        if (poll(&p, 1, 20000) != 1)
            fail_msg("no end of output after 20 s; so far: %s", out);
        n = read(fd, out + len, size - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
        out[len] = 0;
    }
    out[len] = 0;
}

/* Runs a shell script inside; its exit status, its output in `out`. */
static int run(struct guest *in, const char *script, char *out, size_t size) {
    struct running r = begin(in, script);
    char reply[512];
    int status = -1;
    const char *at;

    read_to_end(r.output, out, size);
    read_to_end(r.connection, reply, sizeof(reply));
    at = strstr(reply, "\"status\":");
    if (!at || sscanf(at, "\"status\":%d", &status) != 1)
        fail_msg("no status in %s", reply);
    close(r.output);
    close(r.connection);
    assert_int_equal(waitpid(r.pid, NULL, 0), r.pid);
    return status;
}

static void assert_output(struct guest *in, const char *script, const char *want) {
    char out[4096] = "";

    run(in, script, out, sizeof(out));
    if (strcmp(out, want) != 0)
        fail_msg("%s: printed \"%s\", not \"%s\"", script, out, want);
}

static void assert_refused(struct guest *in, const char *script) {
    char out[4096] = "";
    int status = run(in, script, out, sizeof(out));

    if (status == 0)
        fail_msg("%s: was possible; it printed \"%s\"", script, out);
}

/* Waits until `script` succeeds. */
static void await(struct guest *in, const char *script) {
    uint64_t until = mono_ns() + 10000000000u;
    char out[4096];

    while (run(in, script, out, sizeof(out)) != 0)
        if (mono_ns() > until)
            fail_msg("never: %s: %s", script, out);
}

/* ---- tests ---- */

static void begins(void **state) {
    struct guest *in = make(ID, NULL);
    char why[256];
    struct guest_spec again = {.id = ID};
    _close_ int named = netns_open(ID);

    assert_true(named >= 0);
    assert_int_equal(netns_same(named, in->netns_fd), 1);
    assert_int_equal(guest_create(&all, &again, &in, why, sizeof(why)), -EEXIST);
    assert_output(in, "id -u; id -g; hostname; echo $$ >/dev/null; cat /proc/1/comm",
                  "0\n0\nip-10-0-0-4\nvpc-instance\n");
    assert_output(in, "cat /sys/class/net/lo/operstate; ls /sys/class/net", "unknown\nlo\n");
    assert_output(
        in, "python3 -c 'import socket; socket.create_server((\"127.0.0.1\", 80))' && echo up",
        "up\n");
    assert_output(in,
                  "echo a >/dev/null && head -c3 /dev/zero | wc -c && echo b >/dev/shm/x && "
                  "echo c >/run/y && cat /dev/shm/x /run/y",
                  "3\nb\nc\n");
    destroy(in);
    assert_int_equal(netns_open(ID), -ENOENT);
}

static void statuses(void **state) {
    struct guest *in = make(ID, NULL);
    char out[256];

    assert_int_equal(run(in, "exit 7", out, sizeof(out)), 7);
    assert_int_equal(run(in, "kill -TERM $$", out, sizeof(out)), 128 + SIGTERM);
    assert_int_equal(run(in, "no-such-command", out, sizeof(out)), 127);
    destroy(in);
}

static void root_inside_is_nobody_outside(void **state) {
    struct guest *in = make(ID, NULL), *other = make(OTHER, NULL);
    char script[512], secret[128];
    int fd;

    /* The state directory: nothing to be seen, nothing to be uncovered. */
    snprintf(secret, sizeof(secret), "%s/secret", state_dir);
    fd = open(secret, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    close(fd);
    snprintf(script, sizeof(script), "ls -A %s; ls -A /sys/fs/bpf; ls -A /run/netns 2>/dev/null",
             state_dir);
    assert_output(in, script, "");
    snprintf(script, sizeof(script), "touch %s/x 2>/dev/null", state_dir);
    assert_refused(in, script);
    snprintf(script, sizeof(script), "umount %s", state_dir);
    assert_refused(in, script);
    snprintf(script, sizeof(script), "umount -l %s", state_dir);
    assert_refused(in, script);
    snprintf(script, sizeof(script), "mount -o remount,rw %s", state_dir);
    assert_refused(in, script);
    snprintf(script, sizeof(script), "mount --move %s /mnt", state_dir);
    assert_refused(in, script);
    snprintf(script, sizeof(script), "unshare -m umount -l %s", state_dir);
    assert_refused(in, script);
    snprintf(script, sizeof(script), "unshare -Urm umount -l %s", state_dir);
    assert_refused(in, script);
    snprintf(script, sizeof(script), "mount --bind / /mnt && ls /mnt%s | grep -q secret",
             state_dir);
    assert_refused(in, script);
    snprintf(script, sizeof(script),
             "mount --rbind / /mnt; umount -l /mnt%s; ls /mnt%s | grep -q secret", state_dir,
             state_dir);
    assert_refused(in, script);
    assert_refused(in, "umount -l /proc");
    assert_refused(in, "umount -l /sys");
    assert_refused(in, "umount -l /dev");
    assert_refused(in, "umount -l /run");

    /* Processes and namespaces of the machine, its first process and this one. */
    assert_refused(in, "ls /proc | grep -c '^[0-9]' | grep -qv '^[1-9]$'");
    assert_refused(in, "readlink /proc/1/exe");
    assert_refused(in, "ls -l /proc/1/fd");
    assert_refused(in, "cat /proc/1/environ");
    assert_refused(in, "cat /proc/1/mem | head -c1 | grep -q .");
    assert_refused(in, "nsenter -t 1 -n true");
    assert_refused(in, "readlink /proc/1/root/");
    snprintf(script, sizeof(script), "kill -0 %d", getpid());
    assert_refused(in, script);
    snprintf(script, sizeof(script), "kill -0 %d", other->record.pid);
    assert_refused(in, script);
    snprintf(script, sizeof(script), "nsenter --net=/run/netns/%s true", OTHER);
    assert_refused(in, script);

    /* The machine itself. */
    assert_refused(in, "head -c1 /dev/vda || head -c1 /dev/sda || head -c1 /dev/mem");
    assert_refused(in, "mknod /run/x b 254 0");
    assert_refused(in, "echo x >/proc/sys/kernel/hostname.x || echo 1 >/proc/sys/kernel/sysrq");
    assert_refused(in, "echo b >/proc/sysrq-trigger");
    assert_refused(in, "echo 1 >/proc/sys/vm/drop_caches");
    assert_refused(in, "touch /etc/x /usr/x");
    assert_refused(in, "cat /etc/shadow");
    assert_refused(in, "dmesg -C");
    assert_refused(in, "date -s 2000-01-01");
    assert_refused(in, "mount -t tracefs x /mnt || mount -t debugfs x /mnt");
    assert_refused(in, "chroot /proc/1/root true");

    /* Limits: the hard ones stay where they are. */
    assert_refused(in, "ulimit -Hn 1000000");
    assert_refused(in, "prlimit --nproc=unlimited:unlimited true");
    assert_refused(in, "echo -1000 >/proc/self/oom_score_adj");

    /* Two instances do not share user ids: files of one are not the other's. */
    assert_int_not_equal(in->record.slot, other->record.slot);
    unlink(secret);
    destroy(other);
    destroy(in);
}

static void fork_bomb_is_bounded(void **state) {
    struct guest_spec spec = {.id = ID, .limits.processes = 40};
    struct guest *in;
    char why[256] = "", out[4096];

    assert_int_equal(guest_create(&all, &spec, &in, why, sizeof(why)), 0);
    /* Other user ids inside do not help: the limit is the whole range's. */
    run(in, "for i in $(seq 200); do setpriv --reuid $i sleep 100 & done >/dev/null 2>&1; exit 0",
        out, sizeof(out));
    run(in, "n=0; for p in /proc/[0-9]*; do n=$((n+1)); done; echo $n", out, sizeof(out));
    if (atoi(out) > 45)
        fail_msg("%s processes with a limit of 40", out);
    destroy(in);
}

static void user_data_runs_on_go(void **state) {
    struct guest *in =
        make(ID, "#!/bin/sh\necho hello; echo $0 >&2\nid -u\ntouch /run/ran\nexit 3\n");
    _buf_ struct buf log = BUF_INIT;
    char path[256];

    assert_refused(in, "test -e /run/ran");
    assert_int_equal(guest_go(in), 0);
    assert_int_equal(guest_go(in), 0);
    await(in, "test -e /run/ran");
    snprintf(path, sizeof(path), "%s/%s", all.console, ID);
    for (uint64_t until = mono_ns() + 10000000000u; mono_ns() < until;) {
        buf_reset(&log);
        assert_int_equal(read_file(path, 65536, &log), 0);
        if (strstr(buf_str(&log), "status 3"))
            break;
        sched_yield();
    }
    assert_string_equal(buf_str(&log),
                        "hello\n/run/user-data\n0\nvpcd: user data ended with status 3\n");
    destroy(in);
}

static void console_is_bounded(void **state) {
    struct guest *in =
        make(ID, "for i in $(seq 60000); do echo line $i; done; echo; touch /run/ran\n");
    _buf_ struct buf log = BUF_INIT;
    char path[256];

    guest_go(in);
    await(in, "test -e /run/ran");
    snprintf(path, sizeof(path), "%s/%s", all.console, ID);
    for (uint64_t until = mono_ns() + 10000000000u; mono_ns() < until;) {
        buf_reset(&log);
        assert_int_equal(read_file(path, 65536, &log), 0);
        if (strstr(buf_str(&log), "line 60000\n"))
            break;
        sched_yield();
    }
    assert_non_null(strstr(buf_str(&log), "line 60000\n"));
    destroy(in);
}

static void found_again(void **state) {
    struct guest *in = make(ID, NULL), *dead = make(OTHER, NULL);
    unsigned slot = in->record.slot;
    pid_t pid = in->record.pid;
    char out[256];

    assert_int_equal(guest_kill(dead), 0);
    await_end(dead);
    netns_umount(ID);
    guests_close(&all);
    /* Another agent. */
    assert_int_equal(guests_open(&owner, &all), 0);
    all.program = open(program_path, O_RDONLY | O_CLOEXEC);
    in = guest_find(&all, ID);
    dead = guest_find(&all, OTHER);
    assert_non_null(in);
    assert_non_null(dead);
    assert_int_equal(in->record.pid, pid);
    assert_int_equal(in->record.slot, slot);
    assert_int_equal(run(in, "true", out, sizeof(out)), 0);
    assert_int_equal(dead->pidfd, -1);
    assert_false(dead->rebooted);
    {
        _close_ int named = netns_open(ID);

        assert_true(named >= 0);
    }
    assert_int_equal(netns_open(OTHER), -ENOENT);
    /* The dead one starts again, with its ids. */
    slot = dead->record.slot;
    dead = make(OTHER, NULL);
    assert_int_equal(dead->record.slot, slot);
    assert_int_equal(guests_destroy_all(&all, 10000), 0);
    assert_true(LIST_EMPTY(&all.list));
}

/* A record of another version: its instance is ended, all its traces go, and it can begin again. */
static void unreadable_record(void **state) {
    struct guest *in = make(ID, NULL);
    _close_ int pidfd = dup(in->pidfd);
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", all.dir, ID);
    assert_int_equal(write_file_atomic(path, "version 99\n", 11, 0600), 0);
    guests_close(&all);
    assert_int_equal(guests_open(&owner, &all), 0);
    all.program = open(program_path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(all.unreadable, 1);
    assert_int_equal(poll(&p, 1, 10000), 1);
    assert_int_equal(netns_open(ID), -ENOENT);
    in = make(ID, NULL);
    destroy(in);
    assert_int_equal(access(path, F_OK), -1);
}

static void on_alarm(int sig) {
}

static void signals_do_not_disturb(void **state) {
    const struct itimerval often = {.it_interval.tv_usec = 500, .it_value.tv_usec = 500},
                           never = {0};
    const struct sigaction action = {.sa_handler = on_alarm}; /* system calls are not restarted */

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    make(ID, NULL);
    make(OTHER, NULL);
    assert_int_equal(guests_destroy_all(&all, 10000), 0);
    setitimer(ITIMER_REAL, &never, NULL);
}

static void stops(void **state) {
    struct guest *in = make(ID, "trap 'echo bye; exit 0' TERM; touch /run/ran; "
                                "while :; do sleep 0.05; done\n");
    _buf_ struct buf log = BUF_INIT;
    char path[256];

    guest_go(in);
    await(in, "test -e /run/ran");
    assert_int_equal(guest_stop(in), 0);
    await_end(in);
    guest_ended(&all, in);
    snprintf(path, sizeof(path), "%s/%s", all.console, ID);
    assert_int_equal(read_file(path, 65536, &log), 0);
    assert_non_null(strstr(buf_str(&log), "bye\n"));

    /* Its root ends it: as `poweroff`. */
    in = make(ID, NULL);
    {
        char out[256];
        struct running r = begin(in, "kill -TERM 1; sleep 100");

        await_end(in);
        read_to_end(r.connection, out, sizeof(out));
        close(r.connection);
        close(r.output);
        waitpid(r.pid, NULL, 0);
    }
    guest_ended(&all, in);
    guest_forget(&all, in);
}

static void exec_ends_with_its_caller(void **state) {
    struct guest *in = make(ID, NULL);
    struct running r = begin(in, "setsid sh -c 'echo $$ >/run/pid; exec sleep 1000' & "
                                 "(sh -c 'sleep 1000 & sleep 1000' &) ; sleep 1000");
    char out[256];

    await(in, "test -s /run/pid && kill -0 $(cat /run/pid)");
    close(r.connection);
    read_to_end(r.output, out, sizeof(out));
    close(r.output);
    assert_int_equal(waitpid(r.pid, NULL, 0), r.pid);
    assert_refused(in, "grep -l ^sleep /proc/[0-9]*/comm");

    /* A signal, passed on. */
    r = begin(in, "trap 'exit 9' INT; echo ready; while :; do sleep 0.05; done");
    {
        struct pollfd p = {.fd = r.output, .events = POLLIN};
        char sig = SIGINT, reply[256];

        assert_int_equal(poll(&p, 1, 10000), 1);
        assert_int_equal(write(r.connection, &sig, 1), 1);
        read_to_end(r.connection, reply, sizeof(reply));
        assert_non_null(strstr(reply, "\"status\":9"));
        close(r.connection);
        close(r.output);
        waitpid(r.pid, NULL, 0);
    }
    /* What a command left in the background when it ended by itself stays. */
    assert_int_equal(run(in, "sleep 1000 >/dev/null 2>&1 & exit 0", out, sizeof(out)), 0);
    assert_int_equal(run(in, "grep -l ^sleep /proc/[0-9]*/comm", out, sizeof(out)), 0);
    destroy(in);
}

static void directories_do_not_pass(void **state) {
    struct guest *in = make(ID, NULL);
    char text[] = "true";
    char *argv[] = {text, NULL};
    _close_ int dir = open("/", O_RDONLY | O_CLOEXEC);
    struct exec_spec spec = {.argv = argv, .stdio = {dir, dir, dir}, .connection = dir};
    pid_t pid;

    assert_int_equal(exec_start(&all, in, &spec, &pid), -EISDIR);
    destroy(in);
}

/* Instances outlive whoever began them, by design: where this process is killed, its timeout over,
 * somebody else has to end them. `life` reads as ended once it is gone. */
static void __attribute__((noreturn)) clean_up_after(int life) {
    char byte;

    setsid();
    while (read(life, &byte, 1) < 0 && errno == EINTR)
        ;
    if (access(state_dir, F_OK) == 0 && guests_open(&owner, &all) == 0) {
        guests_destroy_all(&all, 10000);
        cgroup_remove_all(owner.hash);
    }
    _exit(0);
}

static int watch_over_us(void) {
    int life[2]; /* its writing end stays open as long as this process lives */
    pid_t pid;

    if (pipe2(life, O_CLOEXEC) < 0)
        return -1;
    pid = fork();
    if (pid == 0) {
        close(life[1]);
        clean_up_after(life[0]);
    }
    close(life[0]);
    return pid < 0 ? -1 : 0;
}

static int setup(void **state) {
    if (!mkdtemp(state_dir) || chmod(state_dir, 0755) < 0 || owner_of(state_dir, &owner) < 0 ||
        watch_over_us() < 0 || guests_open(&owner, &all) < 0)
        return -1;
    all.program = open(program_path, O_RDONLY | O_CLOEXEC);
    return all.program < 0 ? -1 : 0;
}

static int clean(void **state) {
    guests_destroy_all(&all, 10000);
    return 0;
}

static int teardown(void **state) {
    char command[128];

    guests_close(&all);
    cgroup_remove_all(owner.hash);
    snprintf(command, sizeof(command), "rm -rf %s", state_dir);
    return system(command);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(begins, clean),
        cmocka_unit_test_teardown(statuses, clean),
        cmocka_unit_test_teardown(root_inside_is_nobody_outside, clean),
        cmocka_unit_test_teardown(fork_bomb_is_bounded, clean),
        cmocka_unit_test_teardown(user_data_runs_on_go, clean),
        cmocka_unit_test_teardown(console_is_bounded, clean),
        cmocka_unit_test_teardown(found_again, clean),
        cmocka_unit_test_teardown(unreadable_record, clean),
        cmocka_unit_test_teardown(signals_do_not_disturb, clean),
        cmocka_unit_test_teardown(stops, clean),
        cmocka_unit_test_teardown(exec_ends_with_its_caller, clean),
        cmocka_unit_test_teardown(directories_do_not_pass, clean),
    };

    if (argc != 2)
        return 2;
    program_path = argv[1];
    if (geteuid() != 0) {
        printf("skipped: namespaces need root\n");
        return 77;
    }
    return cmocka_run_group_tests_name("instances", tests, setup, teardown);
}
