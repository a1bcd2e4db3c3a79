/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of the Query protocol (EC2, STS, IAM), from its arrival to its reply:
 *
 *  1. who calls (auth.h), within the rate of the account
 *  2. the form's parameters; which action, region
 *  3. the shared parameters, then the action's own, then nothing may be left over
 *  4. the action, as a call on the state; its reply is kept until that is durable
 *  5. the reply, or the error document
 *
 * Steps 1 to 3 depend on nothing that changes and are done once; step 4 may run several times.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/auth.h"
#include "api/private.h"
#include "api/sweep.h"
#include "api/throttle.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"

/* The versions of the protocol that clients name, and the namespace and form of each one's replies.
 */
static const struct protocol {
    const char *version, *ns;
    bool ec2; /* else the form of STS and IAM: a result in a reply, an ErrorResponse */
    const struct actions *actions;
} protocols[] = {
    {"2016-11-15", "http://ec2.amazonaws.com/doc/2016-11-15/", true, NULL},
    {"2011-06-15", "https://sts.amazonaws.com/doc/2011-06-15/", false, &sts_actions},
    {"2010-05-08", "https://iam.amazonaws.com/doc/2010-05-08/", false, &iam_actions},
};

struct common {
    uint8_t dry_run;
    char *client_token;
    struct list filters;
    struct optint max_results;
    char *next_token;
};

static const struct field common_fields[] = {
    FIELD(0, FT_TRI, struct common, dry_run, "DryRun"),
    FIELD(0, FT_STR, struct common, client_token, "ClientToken", .max = 64),
    FIELD(0, FT_LIST, struct common, filters, "Filter", .sub = &filter_desc),
    FIELD(0, FT_OPTINT, struct common, max_results, "MaxResults"),
    FIELD(0, FT_STR, struct common, next_token, "NextToken", .max = 1024),
};
static const struct desc common_desc = DESC("common", struct common, common_fields);

/* A request on its way. */
struct request {
    struct api *api;
    struct http_request *http;
    const struct protocol *protocol;
    const struct action *action;
    struct identity who;
    struct form form;
    struct common common;
    void *params;
    uint8_t digest[32]; /* of the parameters, for ClientToken */
    char id[REQUEST_ID];
    /* The last run's answer: */
    struct call call;
    struct buf body;
};

/* Replies */

static void render_error(const struct protocol *p, const char *code, const char *message,
                         const char *id, int status, struct buf *out) {
    struct xml x = {.out = out};

    buf_adds(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    if (!p || p->ec2) {
        xml_open(&x, "Response");
        xml_open(&x, "Errors");
        xml_open(&x, "Error");
        xml_text(&x, "Code", code);
        xml_text(&x, "Message", message);
        xml_close(&x, "Error");
        xml_close(&x, "Errors");
        xml_text(&x, "RequestID", id);
        xml_close(&x, "Response");
    } else {
        buf_addf(out, "<ErrorResponse xmlns=\"%s\">", p->ns);
        xml_open(&x, "Error");
        xml_text(&x, "Type", status < 500 ? "Sender" : "Receiver");
        xml_text(&x, "Code", code);
        xml_text(&x, "Message", message);
        xml_close(&x, "Error");
        xml_text(&x, "RequestId", id);
        xml_close(&x, "ErrorResponse");
    }
}

void api_render_error(void *ctx, int status, const char *code, const char *message,
                      struct buf *body) {
    char id[REQUEST_ID];

    request_id_make(id);
    render_error(NULL, code, message, id, status, body);
}

static void request_free(struct request *r) {
    desc_clear(&common_desc, &r->common);
    if (r->params && r->action->params)
        desc_clear(r->action->params, r->params);
    free(r->params);
    form_free(&r->form);
    free(r->call.error_message);
    buf_free(&r->body);
    free(r);
}

static void send_body(struct request *r, int status, const struct buf *body) {
    const struct http_header extra[] = {{"x-amzn-RequestId", r->id}};

    http_reply(r->http, status, "text/xml;charset=UTF-8", buf_str(body), body->len, extra, 1);
    request_free(r);
}

static void send_error(struct request *r, int status, const char *code, const char *message) {
    _buf_ struct buf body = BUF_INIT;

    render_error(r->protocol, code, message, r->id, status, &body);
    send_body(r, status, &body);
}

static void send_reply(struct request *r) {
    const struct protocol *p = r->protocol;
    const char *name = r->action->name;
    _buf_ struct buf body = BUF_INIT;

    buf_addf(&body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<%sResponse xmlns=\"%s\">", name,
             p->ns);
    if (p->ec2) {
        buf_addf(&body, "<requestId>%s</requestId>", r->id);
        buf_add(&body, buf_str(&r->body), r->body.len);
    } else {
        buf_addf(&body, "<%sResult>", name);
        buf_add(&body, buf_str(&r->body), r->body.len);
        buf_addf(&body, "</%sResult><ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata>",
                 name, r->id);
    }
    buf_addf(&body, "</%sResponse>", name);
    if (body.failed)
        send_error(r, 500, "InternalError", "Memory is short; try again");
    else
        send_body(r, 200, &body);
}

/* The action, as a call on the state */

/* What an earlier call with the same token answered. True when that is the answer. */
static bool token_replay(struct request *r, struct call *c, const char *id, int *ret_result) {
    const struct token *t = txn_get(c->txn, KIND_TOKEN, c->scope, id);

    if (!t)
        return false;
    if (t->digest.len != sizeof(r->digest) ||
        memcmp(t->digest.data, r->digest, sizeof(r->digest)) != 0) {
        *ret_result = call_error(
            c, "IdempotentParameterMismatch",
            "Arguments on this idempotent request are inconsistent with arguments used in "
            "previous request(s).");
    } else {
        buf_add(&r->body, t->reply.data, t->reply.len);
        *ret_result = 0;
    }
    return true;
}

static void token_keep(struct request *r, struct call *c, const char *id) {
    struct token *t = txn_new(c->txn, KIND_TOKEN, c->scope, id);

    if (!t)
        return;
    t->digest = (struct blob){.data = malloc(sizeof(r->digest)), .len = sizeof(r->digest)};
    t->reply = (struct blob){.data = malloc(r->body.len + 1), .len = (uint32_t)r->body.len};
    t->created = c->now;
    if (!t->digest.data || !t->reply.data) {
        t->digest.len = t->digest.data ? t->digest.len : 0;
        t->reply.len = t->reply.data ? t->reply.len : 0;
        t->o.no_memory = true;
    } else {
        memcpy(t->digest.data, r->digest, sizeof(r->digest));
        memcpy(t->reply.data, buf_str(&r->body), r->body.len);
    }
    txn_put(c->txn, t);
    sweep_litter(r->api->sweep, c->scope.account, r->body.len);
}

static int run_action(struct request *r, struct txn *t) {
    struct call *c = &r->call;
    char token[ID_MAX + 1] = "";
    int result;

    free(c->error_message);
    buf_reset(&r->body);
    *c = (struct call){
        .api = r->api,
        .action = r->action,
        .scope = {.account = r->who.account, .region = region_by_name(r->who.region)},
        .access_key = r->who.access_key,
        .txn = t,
        .ix = txn_index(t),
        .look = {.ix = txn_index(t)},
        .xml = {.out = &r->body},
        .body = &r->body,
        .client_token = r->common.client_token,
        .filters = &r->common.filters,
        .max_results = r->common.max_results,
        .next_token = r->common.next_token,
        .now = time_ms(),
    };
    if (!(r->action->flags & ACT_GLOBAL) && defaults_make(c) < 0)
        return -1;
    if (c->client_token) {
        snprintf(token, sizeof(token), "%s/%s", r->action->name, c->client_token);
        if (token_replay(r, c, token, &result))
            return result;
    }
    result = r->action->run(c, r->params);
    if (result < 0 && !c->error_code)
        call_no_memory(c);
    if (result == 0 && r->common.dry_run == TRI_TRUE)
        result = call_error(c, "DryRunOperation",
                            "Request would have succeeded, but DryRun flag is set.");
    if (result == 0 && *token)
        token_keep(r, c, token);
    return result;
}

static int run(struct txn *t, void *arg) {
    struct request *r = arg;
    uint64_t began = mono_ns();
    int result = run_action(r, t);

    throttle_charge(r->api->throttle, r->who.account, mono_ns() - began);
    return result;
}

static void done(void *arg, int status) {
    struct request *r = arg;
    struct call *c = &r->call;

    sweep_due(r->api->sweep);
    if (status == -ENOSPC)
        send_error(r, 503, "ServiceUnavailable",
                   "The disk that keeps the state is full; nothing was changed.");
    else if (status < 0)
        send_error(r, 503, "ServiceUnavailable",
                   "The state could not be written; nothing was changed. Try again.");
    else if (c->error_code)
        send_error(r, c->http_status, c->error_code,
                   c->error_message ? c->error_message : "Memory is short");
    else if (r->body.failed)
        send_error(r, 500, "InternalError", "Memory is short; try again");
    else
        send_reply(r);
}

/* The parameters */

static const struct action *find_action(const struct protocol *p, const char *name) {
    size_t n;
    const struct actions *const *families = api_families(&n);

    for (size_t i = 0; i < n; i++) {
        const struct actions *f = p->ec2 ? families[i] : p->actions;

        for (size_t k = 0; k < f->n; k++)
            if (strcmp(f->rows[k].name, name) == 0)
                return &f->rows[k];
        if (!p->ec2)
            break;
    }
    return NULL;
}

/* All parameters but those of the signature and of the protocol, in order of their names. */
static int digest_params(struct request *r) {
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL);

    for (size_t i = 0; ok && i < r->form.n; i++) {
        const struct pair *p = &r->form.pairs[i];

        if (p->used)
            continue;
        ok = EVP_DigestUpdate(md, p->name, strlen(p->name) + 1) &&
             EVP_DigestUpdate(md, p->value, strlen(p->value) + 1);
    }
    ok = ok && EVP_DigestFinal_ex(md, r->digest, NULL);
    EVP_MD_CTX_free(md);
    return ok ? 0 : -ENOMEM;
}

static int count_filters(const struct common *common, struct param_error *e) {
    size_t values = 0;

    list_each (struct filter, f, common->filters) {
        values += f->values.n;
        list_each (char *, v, f->values) {
            if (utf8_count(*v) > FILTER_VALUE_MAX) {
                e->code = "InvalidParameterValue";
                snprintf(e->message, sizeof(e->message),
                         "A value of the filter '%.128s' is longer than %d characters.", f->name,
                         FILTER_VALUE_MAX);
                return -EINVAL;
            }
        }
    }
    if (common->filters.n > FILTERS_MAX || values > FILTER_VALUES_MAX) {
        e->code = "FilterLimitExceeded";
        snprintf(e->message, sizeof(e->message), "At most %d filters with %d values in all",
                 FILTERS_MAX, FILTER_VALUES_MAX);
        return -EINVAL;
    }
    return 0;
}

static int decode_params(struct request *r, struct param_error *e) {
    /* Part of the protocol or of the presigned form of a signature. */
    static const char *const ignored[] = {"Action",
                                          "Version",
                                          "X-Amz-Algorithm",
                                          "X-Amz-Credential",
                                          "X-Amz-Date",
                                          "X-Amz-Expires",
                                          "X-Amz-Signature",
                                          "X-Amz-SignedHeaders",
                                          "X-Amz-Security-Token"};
    /* Which of the shared ones it takes follows from the action's flags; 0: every action. */
    static const unsigned shared[] = {0, ACT_TOKEN, ACT_FILTER, ACT_PAGES, ACT_PAGES};
    _Static_assert(ARRAY_SIZE(shared) == ARRAY_SIZE(common_fields),
                   "a shared parameter has no flag");
    struct desc common = common_desc;
    struct field fields[ARRAY_SIZE(common_fields)];

    for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
        form_find(&r->form, ignored[i]);
    common.fields = fields;
    common.n_fields = 0;
    for (size_t i = 0; i < ARRAY_SIZE(common_fields); i++)
        if (!shared[i] || (r->action->flags & shared[i]))
            fields[common.n_fields++] = common_fields[i];
    if (digest_params(r) < 0)
        goto no_memory;
    if (params_decode(&common, &r->form, &r->common, e) < 0 || count_filters(&r->common, e) < 0)
        return -EINVAL;
    if (r->common.client_token && !*r->common.client_token) {
        free(r->common.client_token);
        r->common.client_token = NULL;
    }
    if (r->action->params) {
        r->params = calloc(1, r->action->params->size);
        if (!r->params)
            goto no_memory;
        if (params_decode(r->action->params, &r->form, r->params, e) < 0) {
            /* What is missing may only be misspelt. */
            if (strcmp(e->code, "MissingParameter") == 0)
                params_unused(&r->form, e);
            return -EINVAL;
        }
    }
    return params_unused(&r->form, e);
no_memory:
    e->code = "InternalError";
    snprintf(e->message, sizeof(e->message), "Memory is short; try again");
    return -EINVAL;
}

static int read_form(struct request *r) {
    struct http_request *req = r->http;
    int k = form_add(&r->form, req->query, strlen(req->query));

    if (k == 0)
        k = form_add(&r->form, req->body, req->body_len);
    return k < 0 ? k : form_sort(&r->form);
}

static const struct protocol *find_protocol(const char *version) {
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
        if (strcmp(protocols[i].version, version) == 0)
            return &protocols[i];
    return NULL;
}

void query_handle(struct api *api, struct http_request *req) {
    struct request *r = calloc(1, sizeof(*r));
    struct param_error pe;
    struct auth_error ae;
    const struct pair *p;
    uint16_t region;

    if (!r) {
        http_reply(req, 503, "text/plain", "", 0, NULL, 0);
        return;
    }
    r->api = api;
    r->http = req;
    request_id_make(r->id);
    if (read_form(r) < 0) {
        send_error(r, 400, "InvalidRequest",
                   "The parameters are not a well-formed form, or one stands twice");
        return;
    }
    p = form_find(&r->form, "Version");
    r->protocol = p ? find_protocol(p->value) : NULL;
    if (auth_check(state_index(api->config.state), req, time_ms() / 1000, &r->who, &ae) < 0) {
        send_error(r, ae.status, ae.code, ae.message);
        return;
    }
    if (strcmp(r->who.service, LOGS_SERVICE) == 0) {
        send_error(r, 401, "AuthFailure",
                   "The credential's scope names another service than the call is for.");
        return;
    }
    if (!throttle_take(api->throttle, r->who.account, mono_ns())) {
        send_error(r, 503, "RequestLimitExceeded", "Request limit exceeded.");
        return;
    }
    if (!r->protocol) {
        send_error(r, 400, "InvalidParameterValue",
                   "This version of the API is not offered; 2016-11-15 is.");
        return;
    }
    region = region_by_name(r->who.region);
    if (!region || !api->region_served[region]) {
        send_error(r, 401, "AuthFailure",
                   "The region of the credential's scope is not served here.");
        return;
    }
    p = form_find(&r->form, "Action");
    r->action = p ? find_action(r->protocol, p->value) : NULL;
    if (!r->action) {
        char message[256];

        if (p)
            snprintf(message, sizeof(message),
                     "The action %.100s is not valid for this web service.", p->value);
        send_error(r, 400, p ? "InvalidAction" : "MissingAction",
                   p ? message : "The request must name an Action.");
        return;
    }
    if (decode_params(r, &pe) < 0) {
        send_error(r, strcmp(pe.code, "InternalError") == 0 ? 500 : 400, pe.code, pe.message);
        return;
    }
    state_call(api->config.state, run, done, r);
}
