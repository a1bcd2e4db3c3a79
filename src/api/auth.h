/* SPDX-License-Identifier: Apache-2.0 */
/* Who calls: Signature Version 4 against the access keys in the state. */
#ifndef VPCD_API_AUTH_H
#define VPCD_API_AUTH_H

#include "http/http.h"
#include "model/index.h"

#define LOGS_SERVICE "logs" /* CloudWatch Logs, in a signature's scope */

struct identity {
    uint64_t account;
    char access_key[129];
    char region[65];  /* of the signature's scope, as given */
    char service[33]; /* "ec2", "sts", "iam", "logs" */
};

struct auth_error {
    const char *code;
    int status;
    char message[512];
};

/* 0, or -EACCES with *ret_error. `now` in seconds since 1970. */
int auth_check(const struct index *ix, const struct http_request *req, int64_t now,
               struct identity *ret_identity, struct auth_error *ret_error);

#endif
