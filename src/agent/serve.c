/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/user.h"
#include "follow/tell.h"
#include "stream/report.h"

#define COUNTS_MAX 4096

struct serve {
    struct event_base *base;
    const struct owner *owner;
    const struct services_net *net;
    const struct index *ix;
    struct plugs *plugs;
    struct stream_server *server;
    struct event *asked; /* for sockets */
    int listener;
    int fds[SERVICE_SOCKETS];
    bool have;      /* `fds` are open */
    bool told_busy; /* that somebody still has the former ones */
    bool batch;
    uint64_t revision;
    uid_t uid;
    gid_t gid;
    uint8_t secret[32];
    char counts[COUNTS_MAX];
};

/* ---- sockets ---- */

static int make_sockets(struct serve *s) {
    int r;

    if (s->have)
        return 0;
    r = services_net_sockets(s->net, s->fds);
    if (r == 0)
        s->have = true;
    else if (!s->told_busy)
        log_warn("the services' sockets cannot be made yet: %s", strerror(-r));
    s->told_busy = r < 0;
    return r;
}

static int hand_over(const struct serve *s, int fd) {
    struct service_gift gift = {.version = SERVICE_GIFT_VERSION, .sockets = SERVICE_SOCKETS};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(s->fds))];
    } control = {0};
    struct iovec io = {.iov_base = &gift, .iov_len = sizeof(gift)};
    struct msghdr msg = {.msg_iov = &io,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    memcpy(gift.secret, s->secret, sizeof(gift.secret));
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(s->fds));
    memcpy(CMSG_DATA(c), s->fds, sizeof(s->fds));
    return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static void on_asked(evutil_socket_t listener, short what, void *arg) {
    struct serve *s = arg;
    _close_ int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct peer peer;
    int r;

    if (fd < 0)
        return;
    if (unix_peer(fd, &peer) < 0 || peer.uid != s->uid) {
        log_warn("somebody else asked for the services' sockets");
        return;
    }
    if (make_sockets(s) < 0)
        return; /* closed without a word: it asks again */
    r = hand_over(s, fd);
    if (r < 0)
        log_warn("the services' sockets cannot be handed over: %s", strerror(-r));
    else
        log_info("vpc-services has its sockets, pid %d", (int)peer.pid);
}

/* ---- the feed ---- */

static bool wanted(const struct kind_info *kind) {
    return kind->for_services;
}

static int number_key(const struct plug *plug, char out[32]) {
    return snprintf(out, 32, SERVICE_NUMBER_KEY "%u", plug->number);
}

static uint64_t snapshot(void *arg, struct stream_agent *agent) {
    struct serve *s = arg;
    struct cursor c;

    log_info("vpc-services follows");
    tell_all(agent, s->ix, wanted);
    index_each_all(s->ix, c, KIND_NETWORK_INTERFACE) {
        const struct network_interface *eni = c.obj;
        const struct plug *plug = eni->instance_id ? plug_find(s->plugs, eni->o.id) : NULL;
        char key[32], value[OBJ_KEY_MAX];

        if (!plug)
            continue;
        number_key(plug, key);
        obj_key(&eni->o, value);
        stream_agent_object(agent, key, 1, value, strlen(value));
    }
    return s->revision;
}

static void on_report(void *arg, struct stream_agent *agent, uint16_t kind, const char *id,
                      const void *data, size_t len) {
    struct serve *s = arg;
    size_t n = strnlen(data, len);

    if (kind != REPORT_SERVICES)
        return;
    snprintf(s->counts, sizeof(s->counts), "%.*s",
             (int)(n < sizeof(s->counts) ? n : sizeof(s->counts) - 1), (const char *)data);
}

static void on_down(void *arg, struct stream_agent *agent, const char *why) {
    log_warn("vpc-services is gone: %s", why);
}

static void on_refused(void *arg, const char *why) {
    log_warn("somebody was refused at the services' feed: %s", why);
}

static int open_feed(struct serve *s) {
    static const struct stream_server_handlers handlers = {snapshot, on_report, on_down,
                                                           on_refused};
    struct stream_server_options options = {
        .host = "agent", .state = s->owner->dir, .peer_uid = s->uid, .max_agents = 4};
    char path[256];
    int r;

    snprintf(path, sizeof(path), "%s/services/feed.sock", s->owner->dir);
    r = stream_server_new(s->base, path, &options, &handlers, s, &s->server);
    if (r == 0 && chown(path, s->uid, s->gid) < 0)
        r = -errno;
    return r;
}

void serve_change(struct serve *s, const struct obj *old, const struct obj *new) {
    const struct obj *o = new ? new : old;

    if (s->server && wanted(kind_info(o->kind)))
        s->batch |= tell_object(s->server, old, new);
}

void serve_settled(struct serve *s) {
    if (!s->server) {
        int r = open_feed(s);

        if (r < 0)
            log_error("the services' feed: %s", strerror(-r));
        return;
    }
    if (s->batch)
        stream_server_revision(s->server, ++s->revision);
    s->batch = false;
}

void serve_plug(void *arg, const struct plug *plug, const struct network_interface *eni) {
    char key[32], value[OBJ_KEY_MAX];
    struct serve *s = arg;

    if (!s->server)
        return;
    number_key(plug, key);
    if (eni) {
        obj_key(&eni->o, value);
        stream_server_object(s->server, key, 1, value, strlen(value));
    } else {
        stream_server_delete(s->server, key, 1);
    }
    stream_server_revision(s->server, ++s->revision);
}

json_t *serve_status(const struct serve *s) {
    bool connected = s->server && stream_server_agents(s->server) > 0;
    json_t *counts = json_object();
    const char *at = s->counts;

    while (*at) {
        size_t n = strcspn(at, "\n");
        unsigned long long number;
        char name[64];

        if (sscanf(at, "%63[a-z0-9-] %llu", name, &number) == 2 && number)
            json_object_set_new(counts, name, json_integer((json_int_t)number));
        at += n + (at[n] == '\n');
    }
    return json_pack("{s:b,s:o}", "connected", (int)connected, "counts", counts);
}

/* ---- life ---- */

/* Made once; a state directory keeps it. */
static int read_secret(struct serve *s) {
    _buf_ struct buf text = BUF_INIT;
    char path[256];
    int r;

    snprintf(path, sizeof(path), "%s/agent/services.secret", s->owner->dir);
    r = read_file(path, sizeof(s->secret), &text);
    if (r == 0 && text.len == sizeof(s->secret)) {
        memcpy(s->secret, buf_str(&text), sizeof(s->secret));
        return 0;
    }
    random_bytes(s->secret, sizeof(s->secret));
    return write_file_atomic(path, s->secret, sizeof(s->secret), 0600);
}

/* By descriptor: what belongs to somebody may be exchanged by them. */
static int make_dir(const char *path, uid_t uid, gid_t gid, mode_t mode) {
    _close_ int fd = -1;

    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return -errno;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 || fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0 ? -errno : 0;
}

static int listen_for_askers(struct serve *s) {
    char path[256];
    int r;

    snprintf(path, sizeof(path), "%s/services", s->owner->dir);
    r = make_dir(path, 0, 0, 0711);
    if (r < 0)
        return r;
    /* Where vpc-services keeps what signs identity documents. */
    snprintf(path, sizeof(path), "%s/services/identity", s->owner->dir);
    r = make_dir(path, s->uid, s->gid, 0755);
    if (r < 0)
        return r;
    snprintf(path, sizeof(path), "%s/services/sockets.sock", s->owner->dir);
    s->listener = unix_listen(path, 0600);
    if (s->listener < 0)
        return s->listener;
    if (chown(path, s->uid, s->gid) < 0)
        return -errno;
    s->asked = event_new(s->base, s->listener, EV_READ | EV_PERSIST, on_asked, s);
    return s->asked && event_add(s->asked, NULL) == 0 ? 0 : -ENOMEM;
}

int serve_new(struct event_base *base, const struct owner *owner, const struct services_net *net,
              const struct index *ix, struct plugs *plugs, struct serve **ret_serve) {
    struct serve *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;
    *s = (struct serve){
        .base = base, .owner = owner, .net = net, .ix = ix, .plugs = plugs, .listener = -1};
    user_find(SERVICES_USER, SERVICES_UID, &s->uid, &s->gid);
    r = read_secret(s);
    if (r == 0)
        r = listen_for_askers(s);
    if (r < 0) {
        serve_free(s);
        return r;
    }
    plugs->told = serve_plug;
    plugs->told_arg = s;
    *ret_serve = s;
    return 0;
}

void serve_free(struct serve *s) {
    if (!s)
        return;
    s->plugs->told = NULL;
    stream_server_free(s->server);
    if (s->asked)
        event_free(s->asked);
    if (s->listener >= 0)
        close(s->listener);
    for (int i = 0; s->have && i < SERVICE_SOCKETS; i++)
        close(s->fds[i]);
    free(s);
}
