/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "vpcctl/ctl.h"

static const char *text(const json_t *o, const char *key) {
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

static bool is_account(const char *s) {
    return strlen(s) == 12 && strspn(s, "0123456789") == 12;
}

static json_t *request_of(const char *cmd, const char *action) {
    return json_pack("{ssss}", "cmd", cmd, "action", action);
}

int ctl_account(const struct ctl *ctl) {
    const char *action = ctl->argc ? ctl->argv[0] : "list";
    json_t *request = request_of("account", action), *answer;
    int argc = ctl->argc;
    const json_t *row;
    size_t i;

    /* account limit ACCOUNT NAME VALUE */
    if (strcmp(action, "limit") == 0 && ctl->argc == 4)
        json_object_set_new(request, "value", json_string(ctl->argv[--argc]));
    for (int n = 1; n < argc; n++)
        json_object_set_new(
            request, is_account(ctl->argv[n]) || strcmp(action, "delete") == 0 ? "id" : "name",
            json_string(ctl->argv[n]));
    answer = daemon_call(ctl, DAEMON_WORKER, request);
    if (!answer)
        return 1;
    json_array_foreach(json_object_get(answer, "accounts"), i, row) {
        printf("%s  %lld keys  %s\n", text(row, "id"),
               (long long)json_integer_value(json_object_get(row, "keys")), text(row, "name"));
    }
    if (*text(answer, "id"))
        printf("%s\n", text(answer, "id"));
    json_decref(answer);
    return 0;
}

int ctl_key(const struct ctl *ctl) {
    const char *action = ctl->argc ? ctl->argv[0] : "list";
    json_t *request = request_of("key", action), *answer;
    const json_t *row;
    size_t i;

    if (ctl->argc > 1)
        json_object_set_new(request, strcmp(action, "delete") == 0 ? "id" : "account",
                            json_string(ctl->argv[1]));
    answer = daemon_call(ctl, DAEMON_WORKER, request);
    if (!answer)
        return 1;
    json_array_foreach(json_object_get(answer, "keys"), i, row) {
        printf("%s  account %s\n", text(row, "id"), text(row, "account"));
    }
    /* As a section of an AWS credentials file: the secret is shown this once. */
    if (*text(answer, "secret"))
        printf("[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n",
               text(answer, "account"), text(answer, "id"), text(answer, "secret"));
    else if (*text(answer, "id"))
        printf("%s\n", text(answer, "id"));
    json_decref(answer);
    return 0;
}
