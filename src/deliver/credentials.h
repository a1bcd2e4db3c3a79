/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access keys of the S3 server, in the form of AWS's shared credentials file:
 *
 *     [000000000001]                for the flow logs of this account
 *     aws_access_key_id = ...
 *     aws_secret_access_key = ...
 *     [default]                     for those of all others
 */
#ifndef VPCD_DELIVER_CREDENTIALS_H
#define VPCD_DELIVER_CREDENTIALS_H

#include <stdint.h>

struct credentials {
    char key[129], secret[129], token[2049]; /* token: "" when there is none */
};

/* Those of the account's section, else of [default]. 0, -ENOKEY when neither has both parts. */
int credentials_parse(const char *text, uint64_t account, struct credentials *ret);
/* From a file. Also -errno of reading it. */
int credentials_read(const char *path, uint64_t account, struct credentials *ret);

#endif
