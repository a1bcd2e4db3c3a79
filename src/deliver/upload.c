/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl signs (CURLOPT_AWS_SIGV4). What the version of Debian 12 (7.88) does not do by itself is
 * said here: the payload's hash, which S3 wants in a header of its own and which libcurl then puts
 * into the signature; and the path, which it signs as it stands in the URL, so it is encoded as S3
 * does before it compares.
 */
#include "deliver/upload.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "deliver/key.h"

#define CONNECT_SECONDS 10L
#define STALLED_SECONDS 30L /* without a byte */
#define TOTAL_SECONDS 600L
#define ANSWER_MAX 4096

struct upload {
    struct uploader *uploader;
    struct upload *prev, *next;
    CURL *curl;
    struct curl_slist *headers;
    struct buf body, answer;
    char error[CURL_ERROR_SIZE];
    void *arg;
};

struct uploader {
    struct uploader_config config;
    CURLM *multi;
    struct upload *list;
    unsigned n;
};

int uploader_new(const struct uploader_config *config, struct uploader **ret) {
    struct uploader *u = calloc(1, sizeof(*u));

    if (!u)
        return -ENOMEM;
    u->config = *config;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(u->multi = curl_multi_init())) {
        free(u);
        return -ENOMEM;
    }
    *ret = u;
    return 0;
}

static void upload_free(struct upload *up) {
    if (up->curl)
        curl_easy_cleanup(up->curl);
    curl_slist_free_all(up->headers);
    buf_free(&up->body);
    buf_free(&up->answer);
    free(up);
}

static void forget(struct uploader *u, struct upload *up) {
    if (up->prev)
        up->prev->next = up->next;
    else
        u->list = up->next;
    if (up->next)
        up->next->prev = up->prev;
    u->n--;
    curl_multi_remove_handle(u->multi, up->curl);
}

void uploader_free(struct uploader *u) {
    if (!u)
        return;
    while (u->list) {
        struct upload *up = u->list;

        forget(u, up);
        upload_free(up);
    }
    curl_multi_cleanup(u->multi);
    curl_global_cleanup();
    free(u);
}

unsigned uploads(const struct uploader *u) {
    return u->n;
}

static size_t on_answer(char *data, size_t size, size_t n, void *arg) {
    struct upload *up = arg;
    size_t room = ANSWER_MAX - up->answer.len;

    buf_add(&up->answer, data, n < room ? n : room);
    return size * n;
}

static bool add_header(struct upload *up, const char *line) {
    struct curl_slist *more = curl_slist_append(up->headers, line);

    if (more)
        up->headers = more;
    return more != NULL;
}

static bool add_headers(struct upload *up, const struct credentials *c) {
    char line[2200], hex[65];
    uint8_t hash[32];

    if (EVP_Digest(buf_str(&up->body), up->body.len, hash, NULL, EVP_sha256(), NULL) != 1)
        return false;
    snprintf(line, sizeof(line), "x-amz-content-sha256: %s", hex_format(hash, sizeof(hash), hex));
    if (!add_header(up, line))
        return false;
    if (c->token[0]) {
        snprintf(line, sizeof(line), "x-amz-security-token: %s", c->token);
        if (!add_header(up, line))
            return false;
    }
    return add_header(up, "Content-Type: application/octet-stream");
}

static bool set_up(struct upload *up, const char *url, const struct credentials *c) {
    const struct uploader_config *config = &up->uploader->config;
    char signer[128];
    CURL *h = up->curl;

    snprintf(signer, sizeof(signer), "aws:amz:%s:s3", config->region);
#define SET(option, value) (curl_easy_setopt(h, (option), (value)) == CURLE_OK)
    return SET(CURLOPT_URL, url) && SET(CURLOPT_PATH_AS_IS, 1L) &&
           SET(CURLOPT_PROTOCOLS_STR, "http,https") && SET(CURLOPT_CUSTOMREQUEST, "PUT") &&
           SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)up->body.len) &&
           SET(CURLOPT_POSTFIELDS, buf_str(&up->body)) && SET(CURLOPT_HTTPHEADER, up->headers) &&
           SET(CURLOPT_AWS_SIGV4, signer) && SET(CURLOPT_USERNAME, c->key) &&
           SET(CURLOPT_PASSWORD, c->secret) && SET(CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS) &&
           SET(CURLOPT_LOW_SPEED_TIME, STALLED_SECONDS) && SET(CURLOPT_LOW_SPEED_LIMIT, 1L) &&
           SET(CURLOPT_TIMEOUT, TOTAL_SECONDS) && SET(CURLOPT_NOSIGNAL, 1L) &&
           SET(CURLOPT_FOLLOWLOCATION, 0L) && SET(CURLOPT_ERRORBUFFER, up->error) &&
           SET(CURLOPT_WRITEFUNCTION, on_answer) && SET(CURLOPT_WRITEDATA, up) &&
           SET(CURLOPT_PRIVATE, up) && SET(CURLOPT_SSL_VERIFYPEER, 1L) &&
           SET(CURLOPT_SSL_VERIFYHOST, 2L) && (!config->ca || SET(CURLOPT_CAINFO, config->ca));
#undef SET
}

int upload_start(struct uploader *u, const char *bucket, const char *key,
                 const struct credentials *c, struct buf *body, void *arg) {
    _buf_ struct buf url = BUF_INIT;
    struct upload *up = calloc(1, sizeof(*up));

    if (!up)
        return -ENOMEM;
    up->uploader = u;
    up->arg = arg;
    up->body = *body;
    *body = BUF_INIT;
    up->answer = BUF_LIMIT(ANSWER_MAX + 1);
    buf_addf(&url, "%s/%s/", u->config.endpoint, bucket);
    key_encode(key, &url);
    up->curl = curl_easy_init();
    if (!up->curl || url.failed || !add_headers(up, c) || !set_up(up, buf_str(&url), c) ||
        curl_multi_add_handle(u->multi, up->curl) != CURLM_OK) {
        upload_free(up);
        return -ENOMEM;
    }
    up->next = u->list;
    if (u->list)
        u->list->prev = up;
    u->list = up;
    u->n++;
    return 0;
}

/* The text of <Code>, which S3's errors have. */
static void error_code(const struct buf *answer, char out[64]) {
    const char *p = strstr(buf_str(answer), "<Code>");
    size_t n;

    out[0] = 0;
    if (!p)
        return;
    p += strlen("<Code>");
    n = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
    snprintf(out, 64, "%.*s", (int)(n < 63 ? n : 63), p);
}

static void ended(struct uploader *u, CURL *h, CURLcode code) {
    enum upload_result result = UPLOAD_FAILED;
    char why[CURL_ERROR_SIZE + 128], word[64];
    struct upload *up = NULL;
    long status = 0;
    void *arg;

    curl_easy_getinfo(h, CURLINFO_PRIVATE, &up);
    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK) {
        snprintf(why, sizeof(why), "%s", up->error[0] ? up->error : curl_easy_strerror(code));
    } else {
        error_code(&up->answer, word);
        snprintf(why, sizeof(why), "HTTP %ld%s%s", status, *word ? " " : "", word);
        if (status == 200 || status == 201 || status == 204)
            result = UPLOAD_STORED;
        else if (status >= 300 && status < 500 && status != 408 && status != 425 && status != 429)
            result = UPLOAD_REFUSED;
    }
    arg = up->arg;
    forget(u, up);
    upload_free(up);
    u->config.done(u->config.ctx, arg, result, why);
}

void uploader_wait(struct uploader *u, const int *fds, unsigned n, int ms) {
    struct curl_waitfd wait[8];
    int running, left;
    CURLMsg *m;

    for (unsigned i = 0; i < n && i < ARRAY_SIZE(wait); i++)
        wait[i] = (struct curl_waitfd){.fd = fds[i], .events = CURL_WAIT_POLLIN};
    curl_multi_perform(u->multi, &running);
    if (!(m = curl_multi_info_read(u->multi, &left))) {
        curl_multi_poll(u->multi, wait, n, ms, NULL);
        curl_multi_perform(u->multi, &running);
        m = curl_multi_info_read(u->multi, &left);
    }
    for (; m; m = curl_multi_info_read(u->multi, &left))
        if (m->msg == CURLMSG_DONE)
            ended(u, m->easy_handle, m->data.result);
}
