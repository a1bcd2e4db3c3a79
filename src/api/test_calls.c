/* SPDX-License-Identifier: Apache-2.0 */
#include "api/test_calls.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/io.h"

const struct scope calls_scope = {.account = 7, .region = 1};
static struct event_base *base;
static struct state *state;
static struct api *api;
static char directory[64];

struct api *calls_api(void) {
    return api;
}

const struct index *calls_index(void) {
    return state_index(state);
}

static int run_action(struct call *c, const struct calls_ask *a) {
    const struct action *row = a->family->rows;
    struct form form = {0};
    struct param_error error;
    void *params;
    int r;

    while (strcmp(row->name, a->name) != 0)
        row++;
    c->action = row;
    params = calloc(1, row->params->size);
    assert_int_equal(form_add(&form, a->params, strlen(a->params)), 0);
    assert_int_equal(form_sort(&form), 0);
    assert_int_equal(params_decode(row->params, &form, params, &error), 0);
    r = row->run(c, params);
    desc_clear(row->params, params);
    free(params);
    form_free(&form);
    return r;
}

static int ask_run(struct txn *t, void *arg) {
    struct calls_ask *a = arg;
    static const struct list no_filters;
    struct call c = {.api = api,
                     .scope = calls_scope,
                     .txn = t,
                     .ix = txn_index(t),
                     .look = {.ix = txn_index(t)},
                     .xml = {.out = &a->body},
                     .body = &a->body,
                     .filters = &no_filters,
                     .now = time_ms()};
    int r;

    if (!index_get(c.ix, KIND_ACCOUNT, (struct scope){0}, "000000000007"))
        txn_put(t, txn_new(t, KIND_ACCOUNT, (struct scope){0}, "000000000007"));
    r = defaults_make(&c);
    if (r == 0)
        r = a->run ? a->run(&c, a->arg) : run_action(&c, a);
    snprintf(a->code, sizeof(a->code), "%s", c.error_code ? c.error_code : "");
    free(c.error_message);
    return r;
}

static void ask_done(void *arg, int status) {
    assert_int_equal(status, 0);
    ((struct calls_ask *)arg)->done = true;
}

void calls_ask(struct calls_ask *a) {
    state_call(state, ask_run, ask_done, a);
    while (!a->done)
        assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
}

const char *calls_act(const struct actions *family, const char *name, const char *params,
                      const char *element) {
    struct calls_ask a = {.family = family, .name = name, .params = params};
    static char text[256];
    char open[64];
    const char *at;

    calls_ask(&a);
    assert_string_equal(a.code, "");
    text[0] = 0;
    if (element) {
        snprintf(open, sizeof(open), "<%s>", element);
        at = strstr(buf_str(&a.body), open);
        assert_non_null(at);
        at += strlen(open);
        snprintf(text, sizeof(text), "%.*s", (int)strcspn(at, "<"), at);
    }
    buf_free(&a.body);
    return text;
}

int calls_setup(void **s) {
    struct api_config config = {0};
    struct store_options options = {0};
    char error[STORE_TEXT] = "";

    strcpy(directory, "/tmp/vpcd-calls-XXXXXX");
    if (!mkdtemp(directory) || !(base = event_base_new()))
        return -1;
    if (state_open(base, "sqlite", directory, &options, &state, error) < 0) {
        fprintf(stderr, "%s\n", error);
        return -1;
    }
    config.state = state;
    cidr_parse("203.0.113.0/24", &config.public_pool);
    cidr_parse("2600:1f00::/40", &config.ipv6_pool);
    return api_new(&config, &api, error);
}

int calls_teardown(void **s) {
    char command[256];

    api_free(api);
    state_close(state);
    event_base_free(base);
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    return system(command);
}
