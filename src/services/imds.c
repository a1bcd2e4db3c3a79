/* SPDX-License-Identifier: Apache-2.0 */
#include "services/imds.h"

#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "services/imds_token.h"
#include "services/imds_tree.h"

#define TOKEN_PATH "/latest/api/token"
#define TOKEN "X-aws-ec2-metadata-token"
#define TOKEN_TTL "X-aws-ec2-metadata-token-ttl-seconds"

const char *imds_reason(int status) {
    static const struct {
        int status;
        const char *reason;
    } rows[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {411, "Length Required"},
        {413, "Request Entity Too Large"},
        {414, "Request-URI Too Long"},
        {417, "Expectation Failed"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].status == status)
            return rows[i].reason;
    return "Error";
}

void imds_error(struct imds_reply *reply, int status) {
    const char *reason = imds_reason(status);

    reply->status = status;
    reply->type = "text/html";
    buf_reset(&reply->body);
    buf_addf(&reply->body,
             "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n"
             "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n"
             "\t\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n"
             "<html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n"
             " <head>\n  <title>%d - %s</title>\n </head>\n"
             " <body>\n  <h1>%d - %s</h1>\n </body>\n</html>\n",
             status, reason, status, reason);
}

/* The value of a header, and how often it is there. */
static const char *header(const struct imds_request *req, const char *name, unsigned *ret_count) {
    const char *value = NULL;

    *ret_count = 0;
    for (size_t i = 0; i < req->header_count; i++)
        if (strcasecmp(req->headers[i].name, name) == 0) {
            value = req->headers[i].value;
            ++*ret_count;
        }
    return value;
}

/*
 * PUT, in this order (EC2 user guide, "Retrieve instance metadata", and "How Instance Metadata
 * Service Version 2 works"):
 *  1. a token's path with a version in it: 403; another path: 405
 *  2. an X-Forwarded-For: it came through a proxy: 403
 *  3. no lifetime, or none that a token may have: 400
 */
static void put_token(struct imds *imds, const struct imds_request *req, struct imds_reply *reply) {
    unsigned forwarded, lifetimes;
    const char *text = header(req, TOKEN_TTL, &lifetimes);
    char token[IMDS_TOKEN_TEXT];
    const char *api;

    header(req, "X-Forwarded-For", &forwarded);
    if (strcmp(req->path, TOKEN_PATH) != 0) {
        api = strstr(req->path, "/api/token");
        if (!api || strcmp(api, "/api/token") != 0) {
            reply->allow = "GET, HEAD";
            imds_error(reply, 405);
        } else {
            imds_error(reply, 403);
        }
        return;
    }
    if (forwarded) {
        imds_error(reply, 403);
        return;
    }
    if (lifetimes != 1 || int_parse(text, IMDS_TTL_MIN, IMDS_TTL_MAX, &reply->ttl) < 0) {
        reply->ttl = 0;
        imds_error(reply, 400);
        return;
    }
    if (imds_token_make(imds->key, req->who->instance, req->now, reply->ttl, token) < 0) {
        reply->ttl = 0;
        imds_error(reply, 500);
        return;
    }
    reply->status = 200;
    reply->type = "text/plain";
    buf_adds(&reply->body, token);
}

static void get(struct imds *imds, const struct imds_request *req,
                const struct metadata_options *options, struct imds_reply *reply) {
    unsigned tokens;
    const char *token = header(req, TOKEN, &tokens);

    if (tokens > 1 || (!tokens && options->tokens == TOKENS_REQUIRED)) {
        imds_error(reply, 401);
        return;
    }
    if (tokens) {
        reply->ttl = imds_token_left(imds->key, req->who->instance, req->now, token);
        if (!reply->ttl) {
            imds_error(reply, 401);
            return;
        }
    }
    if (strcmp(req->path, TOKEN_PATH) == 0) {
        reply->allow = "PUT";
        imds_error(reply, 405);
        return;
    }
    reply->status = 200;
    reply->type = "text/plain";
    if (!imds_tree_read(imds, req, options, reply))
        imds_error(reply, 404);
    else if (reply->body.failed)
        imds_error(reply, 500);
}

void imds_answer(struct imds *imds, const struct imds_request *req, struct imds_reply *ret) {
    struct metadata_options options;
    bool put = strcmp(req->method, "PUT") == 0;

    *ret = (struct imds_reply){.body = BUF_LIMIT(IMDS_BODY_MAX)};
    if (!req->who->instance) {
        imds_error(ret, 404);
        return;
    }
    options = metadata_options_or(&req->who->instance->metadata, &metadata_options_default);
    if (put)
        ret->hops = (int)options.hop_limit;
    if (options.endpoint != STATE_ENABLED ||
        (req->family == IP_V6 && options.ipv6 != STATE_ENABLED))
        imds_error(ret, 403);
    else if (put)
        put_token(imds, req, ret);
    else
        get(imds, req, &options, ret);
}
