/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command in an instance. The agent starts it, and from then on we talk to the program in the
 * instance (agent/exec.h): signals go there, the status comes back, and when we end, however that
 * happens, the command does.
 *
 * It gets our own standard descriptors, but never a terminal: one that was handed in could be read
 * and written there as long as anything in the instance keeps it, when somebody types a password
 * long after. Where input and output are a terminal the command gets a pseudo-terminal of ours;
 * where only some of the three are, a pipe for each of those. We carry the bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "vpcctl/ctl.h"

static struct termios saved;
static bool is_raw;

static void restore_terminal(void) {
    if (is_raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
    is_raw = false;
}

/* Bytes that we carry; `from` -1: none, or over. */
struct relay {
    int from, to;
};

struct relays {
    struct relay r[3];
    int n;
    int master;            /* of the pseudo-terminal; -1: none */
    int given[3], n_given; /* ends that are closed here once the agent has them */
};

static void relay_add(struct relays *rs, int from, int to) {
    rs->r[rs->n++] = (struct relay){from, to};
}

static int make_terminal(struct relays *rs, int stdio[3]) {
    struct termios raw;
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    int slave;

    if (tcgetattr(STDIN_FILENO, &saved) < 0)
        return -errno;
    ioctl(STDIN_FILENO, TIOCGWINSZ, &size);
    if (openpty(&rs->master, &slave, NULL, &saved, &size) < 0)
        return -errno;
    raw = saved;
    cfmakeraw(&raw);
    atexit(restore_terminal);
    is_raw = true;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    for (int i = 0; i < 3; i++)
        if (i < 2 || isatty(i))
            stdio[i] = slave;
    rs->given[rs->n_given++] = slave;
    relay_add(rs, rs->master, STDOUT_FILENO);
    relay_add(rs, STDIN_FILENO, rs->master);
    return 0;
}

static int make_pipes(struct relays *rs, int stdio[3]) {
    for (int i = 0; i < 3; i++) {
        int ends[2];

        if (!isatty(i))
            continue;
        if (pipe2(ends, O_CLOEXEC) < 0)
            return -errno;
        stdio[i] = ends[i == 0 ? 0 : 1];
        rs->given[rs->n_given++] = stdio[i];
        if (i == 0)
            relay_add(rs, STDIN_FILENO, ends[1]);
        else
            relay_add(rs, ends[0], i);
    }
    return 0;
}

static int send_request(int fd, const json_t *request, const int stdio[3]) {
    _free_ char *text = json_dumps(request, JSON_COMPACT);
    char control[CMSG_SPACE(3 * sizeof(int))] = {0};
    size_t len = text ? strlen(text) : 0;
    struct iovec iov = {text, len};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
    ssize_t n;
    int r;

    if (!text)
        return -ENOMEM;
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(3 * sizeof(int));
    memcpy(CMSG_DATA(h), stdio, 3 * sizeof(int));
    n = sendmsg(fd, &msg, MSG_NOSIGNAL);
    if (n < 0)
        return -errno;
    r = write_all(fd, text + n, len - (size_t)n);
    return r < 0 ? r : write_all(fd, "\n", 1);
}

static int watch_signals(void) {
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGQUIT);
    sigaddset(&set, SIGWINCH);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void pass_signal(int signals, int fd, int master) {
    struct signalfd_siginfo info;
    struct winsize size;

    while (read(signals, &info, sizeof(info)) == sizeof(info)) {
        unsigned char sig = (unsigned char)info.ssi_signo;

        if (sig != SIGWINCH) {
            if (write_all(fd, &sig, 1) < 0)
                return;
        } else if (master >= 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) {
            ioctl(master, TIOCSWINSZ, &size);
        }
    }
}

static void carry(const struct relays *rs, struct relay *relay) {
    char bytes[4096];
    ssize_t n = read(relay->from, bytes, sizeof(bytes));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n > 0 && write_all(relay->to, bytes, (size_t)n) == 0)
        return;
    /* The end of our input is the end of the command's; a pseudo-terminal has no such end. */
    if (relay->from == STDIN_FILENO && relay->to != rs->master)
        close(relay->to);
    relay->from = -1;
}

/* What the command printed before it ended. */
static void drain(const struct relays *rs, struct relay *relay) {
    while (relay->from > STDERR_FILENO) {
        struct pollfd p = {.fd = relay->from, .events = POLLIN};

        if (poll(&p, 1, 0) != 1 || !(p.revents & POLLIN))
            return;
        carry(rs, relay);
    }
}

/* The answer's lines until the status; carries bytes and signals meanwhile. */
static int converse(int fd, struct relays *rs, int signals) {
    for (;;) {
        struct pollfd p[5] = {{.fd = fd, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
        const char *error;
        json_t *line, *status;
        int code;

        for (int i = 0; i < rs->n; i++)
            p[2 + i] = (struct pollfd){.fd = rs->r[i].from, .events = POLLIN};
        if (poll(p, 2 + (nfds_t)rs->n, -1) < 0)
            continue;
        for (int i = 0; i < rs->n; i++)
            if (p[2 + i].revents)
                carry(rs, &rs->r[i]);
        if (p[1].revents)
            pass_signal(signals, fd, rs->master);
        if (!p[0].revents)
            continue;
        line = read_json_line(fd, 4096);
        if (!line)
            return complain(EXIT_UNREACHED, "the connection to the instance was lost");
        status = json_object_get(line, "status");
        error = json_string_value(json_object_get(line, "error"));
        code = (int)json_integer_value(status);
        for (int i = 0; status && i < rs->n; i++)
            drain(rs, &rs->r[i]);
        if (error) {
            restore_terminal();
            code = complain(EXIT_UNREACHED, "%s", error);
        }
        code = status || error ? code : -1;
        json_decref(line);
        if (code >= 0)
            return code;
    }
}

int ctl_exec(const struct ctl *ctl) {
    struct relays rs = {.master = -1};
    int stdio[3] = {0, 1, 2}, i = 0, r;
    bool tty = isatty(0) && isatty(1);
    char cwd[PATH_MAX];
    _close_ int fd = -1, signals = -1;
    const char *term = getenv("TERM"), *id;
    json_t *request, *argv;

    for (; i < ctl->argc && ctl->argv[i][0] == '-'; i++) {
        if (strcmp(ctl->argv[i], "-t") == 0)
            tty = true;
        else if (strcmp(ctl->argv[i], "-T") == 0)
            tty = false;
        else
            return complain(EXIT_USAGE, "exec: '%s' is no option", ctl->argv[i]);
    }
    id = i < ctl->argc ? ctl->argv[i++] : NULL;
    if (i < ctl->argc && strcmp(ctl->argv[i], "--") == 0)
        i++;
    if (!id || i == ctl->argc)
        return complain(EXIT_USAGE, "usage: vpcctl exec [-t | -T] INSTANCE -- CMD...");
    fd = daemon_connect(ctl, DAEMON_AGENT);
    if (fd < 0)
        return complain(EXIT_UNREACHED, "%s (state directory %s)", daemon_error(DAEMON_AGENT, fd),
                        ctl->dir);
    /* A command may run for as long as it likes. */
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){0}, sizeof(struct timeval));
    argv = json_array();
    for (; i < ctl->argc; i++) {
        if (json_array_append_new(argv, json_string(ctl->argv[i])) < 0) {
            json_decref(argv);
            return complain(EXIT_USAGE, "exec: an argument is not UTF-8 text");
        }
    }
    if (!getcwd(cwd, sizeof(cwd)))
        snprintf(cwd, sizeof(cwd), "/");
    signals = watch_signals();
    r = tty ? make_terminal(&rs, stdio) : make_pipes(&rs, stdio);
    if (r < 0) {
        json_decref(argv);
        return complain(EXIT_UNREACHED, "no terminal: %s", strerror(-r));
    }
    request = json_pack("{ss,ss,so,ss,ss,sb}", "cmd", "exec", "instance", id, "argv", argv, "cwd",
                        cwd, "term", term ? term : "dumb", "tty", (int)tty);
    r = send_request(fd, request, stdio);
    json_decref(request);
    for (i = 0; i < rs.n_given; i++)
        close(rs.given[i]);
    if (r < 0)
        return complain(EXIT_UNREACHED, "vpc-agent: %s", strerror(-r));
    return converse(fd, &rs, signals);
}
