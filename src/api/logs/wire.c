/* SPDX-License-Identifier: Apache-2.0 */
#include "api/logs/wire.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <uthash.h>
#include <utlist.h>

#include "api/logs/action.h"
#include "base/io.h"
#include "base/log.h"

#define TARGET "Logs_20140328."
#define CONTENT_TYPE "application/x-amz-json-1.1"
#define IDLE_NS 1000000000LL
#define SWEEP_MS 60000

struct job {
    struct job *prev, *next;
    /* A call: */
    struct http_request *http; /* NULL: a change of a delivery, or an account to forget */
    char request_id[37];
    const struct logs_action *action;
    struct logs_caller who;
    char *body; /* of the reply */
    int status;
    uint64_t busy;
    /* A change: */
    char region[32];
    char *flow_log, *message;
};

/* Calls of an account that are queued or running. */
struct tenant {
    uint64_t account;
    unsigned calls;
    UT_hash_handle hh;
};

struct logs_wire {
    struct logs_wire_config config;
    struct logs *stores[LOGS_THREADS];
    pthread_t threads[LOGS_THREADS];
    unsigned n_threads;
    struct event *woken;
    int wake;               /* eventfd */
    struct tenant *tenants; /* of the loop's thread */
    pthread_mutex_t lock;
    pthread_cond_t work;
    /* Under the lock: */
    struct job *queue, *done;
    unsigned queued;
    bool stopping;
};

/* ---- replies, on the loop's thread ---- */

static void send_json(struct http_request *req, const char *request_id, int status,
                      const char *body) {
    const struct http_header extra[] = {{"x-amzn-RequestId", request_id}};

    http_reply(req, status, CONTENT_TYPE, body, strlen(body), extra, 1);
}

static char *error_body(const char *code, const char *message) {
    json_t *root = json_pack("{s:s,s:s}", "__type", code, "message", message);
    char *text = json_dumps(root, JSON_COMPACT);

    json_decref(root);
    return text;
}

void logs_wire_refuse(struct http_request *req, const char *request_id, const char *code,
                      const char *message) {
    static const struct {
        const char *code, *here;
        int status;
    } names[] = {
        {"MissingAuthenticationToken", "MissingAuthenticationTokenException", 400},
        {"IncompleteSignature", "IncompleteSignatureException", 400},
        {"InvalidClientTokenId", "UnrecognizedClientException", 400},
        {"AuthFailure", "UnrecognizedClientException", 400},
        {"SignatureDoesNotMatch", "InvalidSignatureException", 400},
        {"InternalError", "InternalFailure", 500},
        {"ServiceUnavailableException", "ServiceUnavailableException", 503},
    };
    char *body;
    int status = 400;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(names[i].code, code) != 0)
            continue;
        code = names[i].here;
        status = names[i].status;
        break;
    }
    body = error_body(code, message);
    send_json(req, request_id, status, body ? body : "{}");
    free(body);
}

static void tenant_left(struct logs_wire *w, uint64_t account) {
    struct tenant *t;

    HASH_FIND(hh, w->tenants, &account, sizeof(account), t);
    if (!t || --t->calls)
        return;
    HASH_DEL(w->tenants, t);
    free(t);
}

static bool tenant_enters(struct logs_wire *w, uint64_t account) {
    struct tenant *t;

    HASH_FIND(hh, w->tenants, &account, sizeof(account), t);
    if (!t) {
        t = calloc(1, sizeof(*t));
        if (!t)
            return false;
        t->account = account;
        HASH_ADD(hh, w->tenants, account, sizeof(t->account), t);
    }
    if (t->calls >= LOGS_QUEUE_ACCOUNT)
        return false;
    t->calls++;
    return true;
}

static void job_free(struct job *j) {
    free(j->body);
    free(j->flow_log);
    free(j->message);
    free(j);
}

static void job_finish(struct logs_wire *w, struct job *j) {
    if (j->http) {
        tenant_left(w, j->who.account);
        w->config.busy(w->config.api, j->who.account, j->busy);
        send_json(j->http, j->request_id, j->body ? j->status : 500,
                  j->body ? j->body : "{\"__type\":\"InternalFailure\"}");
    } else {
        const struct logs_owner o = {.account = j->who.account, .region = j->region};

        w->config.delivery(w->config.api, &o, j->flow_log, j->message);
    }
    job_free(j);
}

static void on_woken(evutil_socket_t fd, short what, void *arg) {
    struct logs_wire *w = arg;
    struct job *list, *j, *next;
    uint64_t count;

    if (read(w->wake, &count, sizeof(count)) < 0)
        return;
    pthread_mutex_lock(&w->lock);
    list = w->done;
    w->done = NULL;
    pthread_mutex_unlock(&w->lock);
    DL_FOREACH_SAFE(list, j, next) {
        DL_DELETE(list, j);
        job_finish(w, j);
    }
}

/* ---- the threads ---- */

static void post(struct logs_wire *w, struct job *j) {
    const uint64_t one = 1;

    pthread_mutex_lock(&w->lock);
    DL_APPEND(w->done, j);
    pthread_mutex_unlock(&w->lock);
    if (write(w->wake, &one, sizeof(one)) < 0) /* it is full: the loop is woken anyway */
        return;
}

/* What the call costs others is processor time; waiting for the disk costs the caller alone. */
static uint64_t thread_ns(void) {
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static void run_call(struct logs *store, struct job *j) {
    struct logs_call c = {
        .store = store,
        .owner = {.account = j->who.account, .region = j->who.region},
        .now = time_ms(),
        .status = 200,
    };
    uint64_t began = thread_ns();
    json_error_t e;

    c.params = json_loadb(j->http->body, j->http->body_len, JSON_REJECT_DUPLICATES, &e);
    c.reply = json_object();
    if (!c.params)
        logs_error(&c, "SerializationException", "The request's body is not JSON: %.128s", e.text);
    else if (logs_check_params(&c, j->action) == 0)
        j->action->run(&c);
    if (c.error_code)
        j->body = error_body(c.error_code, c.message);
    else
        j->body = json_object_size(c.reply) ? json_dumps(c.reply, JSON_COMPACT) : strdup("");
    j->status = c.error_code ? c.status : 200;
    json_decref(c.reply);
    json_decref(c.params);
    j->busy = thread_ns() - began;
}

static void run_forget(struct logs *store, struct job *j) {
    int r = logs_account_delete(store, j->who.account);

    if (r < 0)
        log_error("the log groups of account %012llu could not be deleted: %s",
                  (unsigned long long)j->who.account, strerror(-r));
    job_free(j);
}

static int on_status(void *arg, const struct logs_owner *o, const char *flow_log,
                     const char *message) {
    struct logs_wire *w = arg;
    struct job *j = calloc(1, sizeof(*j));

    if (!j)
        return -ENOMEM;
    j->who.account = o->account;
    snprintf(j->region, sizeof(j->region), "%s", o->region);
    j->flow_log = strdup(flow_log);
    j->message = message ? strdup(message) : NULL;
    if (!j->flow_log || (message && !j->message)) {
        job_free(j);
        return -ENOMEM;
    }
    post(w, j);
    return 0;
}

struct housekeeping {
    int64_t version; /* of the statuses, that was seen */
    int64_t swept;   /* milliseconds */
    bool more, told;
};

static void keep_house(struct logs_wire *w, struct logs *store, struct housekeeping *h) {
    int64_t now = time_ms();
    int r = logs_statuses(store, &h->version, on_status, w);

    if (r == 0 && (h->more || now - h->swept >= SWEEP_MS || now < h->swept)) {
        r = logs_sweep(store, now);
        h->more = r == 1;
        h->swept = now;
    }
    if (r < 0 && r != -EBUSY && !h->told)
        log_warn("the log groups cannot be kept in order: %s", strerror(-r));
    h->told = r < 0;
}

struct thread {
    struct logs_wire *w;
    struct logs *store;
    bool housekeeper;
};

/* With the lock held. The next call; NULL when it is time to keep house. */
static struct job *next_job(struct thread *t, bool idle) {
    struct logs_wire *w = t->w;
    struct timespec until;
    struct job *j;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    while (!w->queue && !w->stopping) {
        if (!t->housekeeper)
            pthread_cond_wait(&w->work, &w->lock);
        else if (!idle || pthread_cond_timedwait(&w->work, &w->lock, &until) == ETIMEDOUT)
            return NULL;
    }
    j = w->queue;
    if (j) {
        DL_DELETE(w->queue, j);
        w->queued--;
    }
    return j;
}

static void *thread_main(void *arg) {
    struct thread t = *(struct thread *)arg;
    struct logs_wire *w = t.w;
    struct housekeeping house = {.swept = 0};
    uint64_t kept = 0;

    free(arg);
    pthread_mutex_lock(&w->lock);
    while (!w->stopping) {
        bool due = t.housekeeper && mono_ns() - kept >= (uint64_t)IDLE_NS;
        struct job *j = due ? NULL : next_job(&t, !house.more);

        pthread_mutex_unlock(&w->lock);
        if (j && !j->http) {
            run_forget(t.store, j);
        } else if (j) {
            run_call(t.store, j);
            post(w, j);
        } else if (t.housekeeper) {
            keep_house(w, t.store, &house);
            kept = mono_ns();
        }
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static int start_thread(struct logs_wire *w, char *error) {
    struct thread *t = calloc(1, sizeof(*t));
    unsigned n = w->n_threads;
    int r;

    if (!t)
        return -ENOMEM;
    r = logs_open(w->config.directory, &w->config.limits, &w->stores[n], error);
    if (r == 0) {
        *t = (struct thread){.w = w, .store = w->stores[n], .housekeeper = n == 0};
        r = -pthread_create(&w->threads[n], NULL, thread_main, t);
    }
    if (r < 0) {
        free(t);
        return r;
    }
    w->n_threads++;
    return 0;
}

/* ---- a request ---- */

static void enqueue(struct logs_wire *w, struct job *j) {
    pthread_mutex_lock(&w->lock);
    DL_APPEND(w->queue, j);
    w->queued++;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
}

bool logs_wire_claims(const struct http_request *req) {
    return http_header_find(req, "X-Amz-Target") != NULL;
}

void logs_wire_call(struct logs_wire *w, struct http_request *req, const struct logs_caller *who,
                    const char *request_id) {
    const char *target = http_header_find(req, "X-Amz-Target");
    struct job *j;

    if (strcmp(req->method, "POST") != 0 || strncmp(target, TARGET, strlen(TARGET)) != 0 ||
        !logs_find_action(target + strlen(TARGET))) {
        logs_wire_refuse(req, request_id, "UnknownOperationException",
                         "The action is not offered; see docs/FLOW-LOGS.md.");
        return;
    }
    if (w->queued >= LOGS_QUEUE || !tenant_enters(w, who->account)) {
        logs_wire_refuse(req, request_id, "ThrottlingException", "Rate exceeded");
        return;
    }
    j = calloc(1, sizeof(*j));
    if (!j) {
        tenant_left(w, who->account);
        logs_wire_refuse(req, request_id, "InternalError", "Memory is short; try again");
        return;
    }
    j->http = req;
    j->who = *who;
    j->action = logs_find_action(target + strlen(TARGET));
    snprintf(j->request_id, sizeof(j->request_id), "%s", request_id);
    enqueue(w, j);
}

void logs_wire_forget(struct logs_wire *w, uint64_t account) {
    struct job *j = calloc(1, sizeof(*j));

    if (!j)
        return;
    j->who.account = account;
    enqueue(w, j);
}

int logs_wire_new(const struct logs_wire_config *config, struct logs_wire **ret_wire, char *error) {
    struct logs_wire *w = calloc(1, sizeof(*w));
    pthread_condattr_t attr;
    int r = 0;

    *error = 0;
    if (!w)
        return -ENOMEM;
    w->config = *config;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->work, &attr);
    pthread_condattr_destroy(&attr);
    w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->wake >= 0)
        w->woken = event_new(config->base, w->wake, EV_READ | EV_PERSIST, on_woken, w);
    if (!w->woken || event_add(w->woken, NULL) < 0)
        r = -ENOMEM;
    while (r == 0 && w->n_threads < LOGS_THREADS)
        r = start_thread(w, error);
    if (r < 0) {
        if (!*error)
            snprintf(error, LOGS_ERROR, "%s", strerror(-r));
        logs_wire_free(w);
        return r;
    }
    *ret_wire = w;
    return 0;
}

void logs_wire_free(struct logs_wire *w) {
    struct job *j, *next;

    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->n_threads; i++)
        pthread_join(w->threads[i], NULL);
    DL_FOREACH_SAFE(w->done, j, next) {
        DL_DELETE(w->done, j);
        if (j->http)
            job_finish(w, j);
        else
            job_free(j); /* it is found again at the next start */
    }
    DL_FOREACH_SAFE(w->queue, j, next) {
        DL_DELETE(w->queue, j);
        tenant_left(w, j->who.account);
        logs_wire_refuse(j->http, j->request_id, "ServiceUnavailableException", "vpcd is stopping");
        job_free(j);
    }
    for (unsigned i = 0; i < LOGS_THREADS; i++)
        logs_close(w->stores[i]);
    if (w->woken)
        event_free(w->woken);
    if (w->wake >= 0)
        close(w->wake);
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
