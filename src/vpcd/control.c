/* SPDX-License-Identifier: Apache-2.0 */
#include "vpcd/control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

#define LINE_MAX_BYTES (64 * 1024)
#define CLIENTS_MAX 32

struct control {
    struct evconnlistener *listener;
    struct event_base *base;
    control_fn *fn;
    void *arg;
    int clients;
    LIST_HEAD(, control_call) calls;
};

/* A connection: one request, one answer, the end. */
struct control_call {
    struct control *control; /* NULL: it was closed while the answer was due */
    LIST_ENTRY(control_call) link;
    struct bufferevent *bev;
    bool asked; /* the answer is due: the call lives until then, whether the client does or not */
    bool gone;
};

static void call_free(struct control_call *call) {
    if (call->control) {
        call->control->clients--;
        LIST_REMOVE(call, link);
    }
    bufferevent_free(call->bev);
    free(call);
}

static void on_written(struct bufferevent *bev, void *arg) {
    call_free(arg);
}

static void on_event(struct bufferevent *bev, short what, void *arg) {
    struct control_call *call = arg;

    call->gone = true;
    bufferevent_disable(bev, EV_READ | EV_WRITE);
    if (!call->asked)
        call_free(call);
}

void control_reply(void *arg, json_t *answer) {
    struct control_call *call = arg;
    char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

    json_decref(answer);
    call->asked = false;
    if (call->gone || !call->control) {
        free(text);
        call_free(call);
        return;
    }
    bufferevent_setcb(call->bev, NULL, on_written, on_event, call);
    evbuffer_add_printf(bufferevent_get_output(call->bev), "%s\n",
                        text ? text : "{\"error\":\"memory is short\"}");
    bufferevent_enable(call->bev, EV_WRITE);
    free(text);
}

static void on_read(struct bufferevent *bev, void *arg) {
    struct control_call *call = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    _free_ char *line = evbuffer_readln(in, NULL, EVBUFFER_EOL_LF);
    json_t *request;

    if (!line) {
        if (evbuffer_get_length(in) > LINE_MAX_BYTES)
            call_free(call);
        return;
    }
    bufferevent_disable(bev, EV_READ);
    call->asked = true;
    request = json_loads(line, 0, NULL);
    if (json_is_object(request))
        call->control->fn(call->control->arg, request, call);
    else
        control_reply(call, json_pack("{s:s}", "error", "not a JSON object"));
    json_decref(request);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
                      void *arg) {
    struct control *c = arg;
    struct control_call *call;
    const struct timeval limit = {.tv_sec = 30};
    struct peer peer;

    if (unix_peer(fd, &peer) < 0 || (peer.uid != 0 && peer.uid != geteuid()) ||
        c->clients >= CLIENTS_MAX || !(call = calloc(1, sizeof(*call)))) {
        close(fd);
        return;
    }
    call->control = c;
    call->bev = bufferevent_socket_new(c->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!call->bev) {
        close(fd);
        free(call);
        return;
    }
    c->clients++;
    LIST_INSERT_HEAD(&c->calls, call, link);
    bufferevent_setcb(call->bev, on_read, NULL, on_event, call);
    bufferevent_set_timeouts(call->bev, &limit, &limit);
    bufferevent_enable(call->bev, EV_READ);
}

int control_new(struct event_base *base, const char *path, control_fn *fn, void *arg,
                struct control **ret_control) {
    struct control *c = calloc(1, sizeof(*c));
    int fd;

    if (!c)
        return -ENOMEM;
    *c = (struct control){.base = base, .fn = fn, .arg = arg};
    fd = unix_listen(path, 0600);
    if (fd < 0) {
        free(c);
        return fd;
    }
    c->listener = evconnlistener_new(base, on_accept, c,
                                     LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (!c->listener) {
        close(fd);
        free(c);
        return -ENOMEM;
    }
    *ret_control = c;
    return 0;
}

void control_free(struct control *c) {
    struct control_call *call, *next;

    if (!c)
        return;
    evconnlistener_free(c->listener);
    for (call = LIST_FIRST(&c->calls); call; call = next) {
        next = LIST_NEXT(call, link);
        if (!call->asked) {
            call_free(call);
            continue;
        }
        /* The call on the state still has to answer it. */
        LIST_REMOVE(call, link);
        bufferevent_disable(call->bev, EV_READ | EV_WRITE);
        call->control = NULL;
    }
    free(c);
}
