/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call of CloudWatch Logs from any bytes, as the thread that answers it does: the first line is
 * the action, the rest its body. It runs on a store of its own, so handlers and their tokens are
 * met too; whatever comes out is JSON.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/logs/action.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct logs *store;

static void open_store(void) {
    const struct logs_limits limits = {.account_bytes = 1 << 20, .account_streams = 1000};
    static char directory[] = "/tmp/vpcd-fuzz-logs-XXXXXX";
    const struct logs_owner o = {1, "us-east-1"};
    struct log_event e = {.at.time = 1699999999000, .message = "2 a b 22 REJECT OK", .len = 18};
    char error[LOGS_ERROR];
    struct log_group g;
    int64_t stream;
    char command[128];

    if (!mkdtemp(directory) || logs_open(directory, &limits, &store, error) < 0 ||
        logs_group_create(store, &o, "g", 1, NULL) < 0 || logs_group_find(store, &o, "g", &g) < 0 ||
        logs_stream_create(store, &o, g.id, "s", 1, &stream) < 0 ||
        logs_put(store, &o, g.id, stream, &e, 1, 1) < 0)
        abort();
    /* The file stays open; nothing is left behind. */
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    if (system(command) != 0)
        abort();
}

static void call(const struct logs_action *action, const char *body, size_t len) {
    struct logs_call c = {
        .store = store, .owner = {1, "us-east-1"}, .now = 1700000000000, .reply = json_object()};
    json_error_t e;
    char *text;

    c.params = json_loadb(body, len, JSON_REJECT_DUPLICATES, &e);
    if (c.params && logs_check_params(&c, action) == 0)
        action->run(&c);
    text = json_dumps(c.reply, JSON_COMPACT);
    if (!text || (c.error_code && !c.message[0]))
        abort();
    free(text);
    json_decref(c.reply);
    json_decref(c.params);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *end = memchr(data, '\n', size);
    char name[64] = "";
    const struct logs_action *action;

    if (!store)
        open_store();
    if (!end || end - data >= (int)sizeof(name))
        return 0;
    memcpy(name, data, (size_t)(end - data));
    action = logs_find_action(name);
    if (action)
        call(action, (const char *)end + 1, size - (size_t)(end - data) - 1);
    return 0;
}
