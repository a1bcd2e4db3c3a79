/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks for what commonly stands in vpcd's way. Each check says one line: "ok", "note" (works, but
 * should be known) or "FAIL" (does not work), and what to do. The exit status is 1 when one failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/lock.h"
#include "vpcctl/ctl.h"

static int failures;

static void __attribute__((format(printf, 3, 4)))
say(const char *grade, const char *what, const char *fmt, ...) {
    va_list ap;

    if (strcmp(grade, "FAIL") == 0)
        failures++;
    printf("%-5s %-18s ", grade, what);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
}

/* The number in a file of /proc/sys; -1: there is none. */
static long setting(const char *path) {
    _buf_ struct buf text = BUF_INIT;

    return read_file(path, 64, &text) < 0 ? -1 : atol(buf_str(&text));
}

static void check_kernel(void) {
    struct utsname u;
    int major = 0, minor = 0;

    uname(&u);
    if (sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
        (major > 6 || (major == 6 && minor >= 1)))
        say("ok", "kernel", "%s", u.release);
    else
        say("FAIL", "kernel", "%s: 6.1 or later is needed", u.release);
}

static bool has_capability(int number) {
    return prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1;
}

static void check_rights(void) {
    static const struct {
        int number;
        const char *name;
    } wanted[] = {{12, "CAP_NET_ADMIN"}, {21, "CAP_SYS_ADMIN"}, {39, "CAP_BPF"}};

    if (geteuid() != 0)
        say("note", "rights", "run as root to check everything");
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
        if (!has_capability(wanted[i].number))
            say("FAIL", "rights", "%s is missing; in a container: --privileged, or --cap-add %s",
                wanted[i].name, wanted[i].name + 4);
}

static void check_bpf(void) {
    union bpf_attr attr = {
        .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    struct statfs fs;
    int fd;

    if (statfs("/sys/fs/bpf", &fs) < 0)
        say("FAIL", "bpffs",
            "/sys/fs/bpf is not there; in a container: -v /sys/fs/bpf:/sys/fs/bpf");
    else if (fs.f_type != BPF_FS_MAGIC)
        say("note", "bpffs", "not mounted on /sys/fs/bpf yet: the agent will do it");
    else
        say("ok", "bpffs", "/sys/fs/bpf");
    if (geteuid() != 0)
        return;
    fd = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
    if (fd < 0)
        say("FAIL", "bpf", "maps cannot be made: %s; in a container: --privileged",
            strerror(errno));
    else
        say("ok", "bpf", "maps can be made");
    if (fd >= 0)
        close(fd);
}

static void check_user_namespaces(void) {
    int status = 1;
    pid_t pid = fork();

    if (pid == 0)
        _exit(unshare(CLONE_NEWUSER) < 0 ? errno : 0);
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
        return;
    if (WEXITSTATUS(status) == 0)
        say("ok", "user namespaces", "allowed");
    else
        say("FAIL", "user namespaces",
            "refused (%s): instances cannot run; see user.max_user_namespaces, "
            "kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns",
            strerror(WEXITSTATUS(status)));
}

static void check_taps(void) {
    bool vhost = access("/dev/vhost-net", F_OK) == 0;

    if (access("/dev/net/tun", F_OK) < 0)
        say("note", "taps",
            "/dev/net/tun is missing: virtual machines (ami-tap) cannot be attached; load the "
            "module tun, in a container: --device /dev/net/tun");
    else
        say("ok", "taps", "/dev/net/tun; %s",
            vhost ? "/dev/vhost-net" : "no /dev/vhost-net, so QEMU carries the packets itself");
}

/* The same places as agent/cgroup.c looks at. */
static void check_cgroups(void) {
    static const char *const files[] = {"/sys/fs/cgroup/cgroup.controllers",
                                        "/sys/fs/cgroup/unified/cgroup.controllers"};
    _buf_ struct buf text = BUF_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(files) && text.len == 0; i++)
        if (read_file(files[i], 4096, &text) < 0)
            buf_reset(&text);
    if (strstr(buf_str(&text), "memory") && strstr(buf_str(&text), "pids"))
        say("ok", "limits", "cgroup version 2 limits memory and processes of instances");
    else
        say("note", "limits",
            "cgroup version 2 has no memory controller here: one instance can use all memory of "
            "this machine (processes are limited all the same); boot with "
            "systemd.unified_cgroup_hierarchy=1");
}

static void check_forwarding(void) {
    long forward = setting("/proc/sys/net/ipv4/ip_forward");
    long filter = setting("/proc/sys/net/ipv4/conf/all/rp_filter");

    say("ok", "ip_forward", "%ld (vpcd works with either)%s", forward,
        forward ? "" : "; --uplink-masquerade needs 1");
    say("ok", "rp_filter", "%ld (vpcd works with 0, 1 and 2)", filter);
}

/* Tools that are there tell of an INPUT chain that drops by default. */
static void check_firewall(void) {
    char line[512];
    bool drops = false;
    FILE *f = popen("{ nft list ruleset || iptables -S INPUT; } 2>/dev/null", "r");

    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, "-P INPUT DROP", 13) == 0 ||
            (strstr(line, "hook input") && strstr(line, "policy drop")))
            drops = true;
    if (f)
        pclose(f);
    if (drops)
        say("note", "firewall",
            "the host's INPUT chain drops by default: what instances send to the host's own "
            "address is dropped there, whatever --uplink-allow says; accept it from the uplink "
            "(device v<hash>u)");
    else
        say("ok", "firewall", "no INPUT chain that drops by default was found");
}

static void check_state(const struct ctl *ctl) {
    char path[300];
    pid_t pid;

    if (access(ctl->dir, F_OK) < 0) {
        say("note", "state", "%s is not there: vpcd makes it at its first start", ctl->dir);
        return;
    }
    if (geteuid() != 0)
        return;
    snprintf(path, sizeof(path), "%s/vpcd.lock", ctl->dir);
    pid = lock_holder(path);
    if (pid)
        say("ok", "vpcd", "runs, pid %d", pid);
    else
        say("note", "vpcd", "does not run with %s", ctl->dir);
    snprintf(path, sizeof(path), "%s/agent/lock", ctl->dir);
    pid = lock_holder(path);
    if (pid)
        say("ok", "vpc-agent", "runs, pid %d", pid);
    else
        say("note", "vpc-agent", "does not run; what was set up carries packets all the same");
    snprintf(path, sizeof(path), "%s/logs/vpc-logs.lock", ctl->dir);
    pid = lock_holder(path);
    if (pid)
        say("ok", "vpc-logs", "runs, pid %d", pid);
    else
        say("note", "vpc-logs", "does not run; records of flow logs wait in %s/spool", ctl->dir);
}

/* What vpc-services counted, by the agent's word. */
static void check_services(const struct ctl *ctl) {
    json_t *request = json_pack("{s:s}", "cmd", "status"), *status;
    _close_ int fd = daemon_connect(ctl, DAEMON_AGENT);
    const json_t *services;
    long long unanswered;

    /* That no agent runs was said. */
    status = fd < 0 ? NULL : daemon_ask(fd, request);
    json_decref(request);
    services = json_object_get(status, "services");
    unanswered =
        json_integer_value(json_object_get(json_object_get(services, "counts"), "time-no-server"));
    if (services && json_is_true(json_object_get(services, "connected")))
        say("ok", "vpc-services", "runs");
    else if (services)
        say("note", "vpc-services", "does not run: DHCP, DNS, metadata and time are not answered");
    if (unanswered)
        say("note", "time",
            "%lld questions of instances found no NTP server: run one, or name one with vpcd "
            "--ntp-server",
            unanswered);
    json_decref(status);
}

static void check_port(void) {
    _buf_ struct buf text = BUF_INIT;
    const char *line;

    /* Local address in hexadecimal, state 0A: listening. 4780 is 12AC. */
    if (read_file("/proc/net/tcp", 16 << 20, &text) < 0)
        return;
    for (line = buf_str(&text); line; line = strchr(line, '\n')) {
        char state[4] = "";
        unsigned port = 0;

        line += *line == '\n';
        if (sscanf(line, " %*d: %*[0-9A-F]:%X %*s %2s", &port, state) == 2 && port == 4780 &&
            strcmp(state, "0A") == 0) {
            say("note", "port 4780", "is taken: by a vpcd, or choose another with vpcd --listen");
            return;
        }
        if (!*line)
            break;
    }
    say("ok", "port 4780", "free");
}

int ctl_doctor(const struct ctl *ctl) {
    if (ctl->argc)
        return complain(EXIT_USAGE, "doctor takes no arguments");
    check_kernel();
    check_rights();
    check_bpf();
    check_user_namespaces();
    check_taps();
    check_cgroups();
    check_forwarding();
    check_firewall();
    check_state(ctl);
    check_services(ctl);
    check_port();
    return failures ? 1 : 0;
}
