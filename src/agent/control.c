/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients are root, so this guards against mistakes more than against attacks: a bound on clients,
 * on a request's size and on the time that it may take to arrive.
 */
#include "agent/control.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "agent/exec.h"
#include "base/buf.h"
#include "base/io.h"

#define CLIENTS_MAX 64
#define REQUEST_MAX (256 * 1024)
#define REQUEST_SECONDS 10

struct client {
    LIST_ENTRY(client) link;
    struct control *control;
    struct event *event;
    struct buf request, reply;
    size_t sent;
    int fd;
    int stdio[3];
};

struct control {
    struct event_base *base;
    struct event *listen, *children;
    struct guests *guests;
    control_fn *answer;
    void *arg;
    LIST_HEAD(, client) clients;
    unsigned n_clients;
    int fd;
};

static void client_free(struct client *c) {
    LIST_REMOVE(c, link);
    c->control->n_clients--;
    if (c->event)
        event_free(c->event);
    buf_free(&c->request);
    buf_free(&c->reply);
    for (int i = 0; i < 3; i++)
        if (c->stdio[i] >= 0)
            close(c->stdio[i]);
    close(c->fd);
    free(c);
}

/* ---- exec ---- */

static const char *exec_request(struct client *c, const json_t *request) {
    const json_t *args = json_object_get(request, "argv");
    const char *id = json_string_value(json_object_get(request, "instance"));
    struct exec_spec spec = {
        .cwd = json_string_value(json_object_get(request, "cwd")),
        .term = json_string_value(json_object_get(request, "term")),
        .tty = json_is_true(json_object_get(request, "tty")),
        .connection = c->fd,
    };
    const struct guest *guest = guest_find(c->control->guests, id);
    _free_ char **argv = NULL;
    size_t n = json_array_size(args);
    pid_t pid;
    int r;

    if (n == 0 || n > EXEC_ARGS_MAX)
        return "argv: a command of 1 to 1024 words is wanted";
    argv = calloc(n + 1, sizeof(*argv));
    if (!argv)
        return "out of memory";
    for (size_t i = 0; i < n; i++) {
        const char *word = json_string_value(json_array_get(args, i));

        if (!word)
            return "argv: not a text";
        argv[i] = (char *)(uintptr_t)word;
    }
    spec.argv = argv;
    for (int i = 0; i < 3; i++) {
        if (c->stdio[i] < 0)
            return "three descriptors are wanted";
        spec.stdio[i] = c->stdio[i];
    }
    r = exec_start(c->control->guests, guest, &spec, &pid);
    if (r == -ESRCH)
        return "the instance does not run";
    if (r == -EISDIR)
        return "standard input, output or error is a directory";
    if (r == -ENOTTY)
        return "a terminal is not handed into an instance";
    return r < 0 ? strerror(-r) : NULL;
}

/* Of another instance the answer says why nothing is run in it. */
static bool is_guest(const struct control *control, const json_t *request) {
    const char *id = json_string_value(json_object_get(request, "instance"));

    return id && guest_find(control->guests, id);
}

/* ---- clients ---- */

static void client_write(evutil_socket_t fd, short what, void *arg);

static void client_answer(struct client *c, json_t *answer) {
    const struct timeval patience = {.tv_sec = REQUEST_SECONDS};
    _free_ char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

    json_decref(answer);
    buf_adds(&c->reply, text ? text : "{\"error\":\"out of memory\"}");
    buf_addc(&c->reply, '\n');
    event_free(c->event);
    c->event = event_new(c->control->base, c->fd, EV_WRITE | EV_PERSIST, client_write, c);
    if (c->reply.failed || !c->event || event_add(c->event, &patience) < 0)
        client_free(c);
}

static void client_request(struct client *c) {
    json_error_t error;
    json_t *request = json_loads(buf_str(&c->request), JSON_REJECT_DUPLICATES, &error);
    const char *cmd = json_string_value(json_object_get(request, "cmd"));
    json_t *answer = NULL;

    if (!cmd) {
        answer = json_pack("{ss}", "error", "not a request");
    } else if (strcmp(cmd, "exec") == 0 && is_guest(c->control, request)) {
        const char *why = exec_request(c, request);

        if (why) {
            answer = json_pack("{ss}", "error", why);
        } else {
            /* The program has the connection now. */
            json_decref(request);
            client_free(c);
            return;
        }
    } else {
        answer = c->control->answer(c->control->arg, cmd, request);
        if (!answer)
            answer = json_pack("{ss}", "error", "no such command");
    }
    json_decref(request);
    client_answer(c, answer);
}

static void client_write(evutil_socket_t fd, short what, void *arg) {
    struct client *c = arg;
    ssize_t n;

    if (what & EV_TIMEOUT) {
        client_free(c);
        return;
    }
    n = send(c->fd, c->reply.data + c->sent, c->reply.len - c->sent, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        c->sent += (size_t)n;
    if (n <= 0 || c->sent == c->reply.len)
        client_free(c);
}

/* Keeps the first three descriptors that ever come, closes all others. */
static void take_descriptors(struct client *c, struct msghdr *msg) {
    for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
        size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
            if (i < 3 && n == 3 && c->stdio[i] < 0)
                c->stdio[i] = fd;
            else
                close(fd);
        }
    }
}

static void client_read(evutil_socket_t fd, short what, void *arg) {
    char data[4096], control[CMSG_SPACE(8 * sizeof(int))];
    struct iovec iov = {data, sizeof(data)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct client *c = arg;
    const char *end;
    ssize_t n;

    if (what & EV_TIMEOUT) {
        client_free(c);
        return;
    }
    n = recvmsg(c->fd, &msg, MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        client_free(c);
        return;
    }
    take_descriptors(c, &msg);
    buf_add(&c->request, data, (size_t)n);
    end = memchr(data, '\n', (size_t)n);
    if (end)
        client_request(c);
    else if (c->request.failed)
        client_answer(c, json_pack("{ss}", "error", "the request is too long"));
}

static void control_accept(evutil_socket_t listener, short what, void *arg) {
    const struct timeval patience = {.tv_sec = REQUEST_SECONDS};
    struct control *control = arg;
    int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct client *c;
    struct peer peer;

    if (fd < 0)
        return;
    if (unix_peer(fd, &peer) < 0 || peer.uid != 0 || control->n_clients >= CLIENTS_MAX) {
        close(fd);
        return;
    }
    c = calloc(1, sizeof(*c));
    if (!c) {
        close(fd);
        return;
    }
    *c = (struct client){
        .control = control, .fd = fd, .stdio = {-1, -1, -1}, .request = BUF_LIMIT(REQUEST_MAX)};
    LIST_INSERT_HEAD(&control->clients, c, link);
    control->n_clients++;
    c->event = event_new(control->base, fd, EV_READ | EV_PERSIST, client_read, c);
    if (!c->event || event_add(c->event, &patience) < 0)
        client_free(c);
}

/* Commands that ended; whoever else starts children waits for them at once. */
static void reap(evutil_socket_t sig, short what, void *arg) {
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
}

int control_open(struct event_base *base, const char *path, struct guests *guests,
                 control_fn *answer, void *arg, struct control **ret_control) {
    struct control *control = calloc(1, sizeof(*control));
    int r = -ENOMEM;

    if (!control)
        return r;
    *control = (struct control){.base = base, .guests = guests, .answer = answer, .arg = arg};
    LIST_INIT(&control->clients);
    control->fd = unix_listen(path, 0600);
    if (control->fd < 0) {
        r = control->fd;
        free(control);
        return r;
    }
    control->listen = event_new(base, control->fd, EV_READ | EV_PERSIST, control_accept, control);
    control->children = evsignal_new(base, SIGCHLD, reap, control);
    if (!control->listen || !control->children || event_add(control->listen, NULL) < 0 ||
        event_add(control->children, NULL) < 0) {
        control_close(control);
        return r;
    }
    *ret_control = control;
    return 0;
}

void control_close(struct control *control) {
    if (!control)
        return;
    while (!LIST_EMPTY(&control->clients))
        client_free(LIST_FIRST(&control->clients));
    if (control->listen)
        event_free(control->listen);
    if (control->children)
        event_free(control->children);
    close(control->fd);
    free(control);
}
