/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/key.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ARN "arn:aws:s3:::"

int key_of_arn(const char *arn, char bucket[KEY_BUCKET_MAX], const char **ret_folder) {
    const char *name = arn + strlen(ARN);
    size_t n;

    if (strncmp(arn, ARN, strlen(ARN)) != 0)
        return -EINVAL;
    n = strcspn(name, "/");
    if (n < 3 || n >= KEY_BUCKET_MAX ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") < n || name[0] == '.')
        return -EINVAL;
    memcpy(bucket, name, n);
    bucket[n] = 0;
    *ret_folder = name + n + (name[n] == '/');
    return 0;
}

void key_make(const struct spool_meta *m, const char *folder, int64_t time, const char *hash,
              struct buf *out) {
    time_t t = (time_t)time;
    struct tm tm;
    size_t n = strlen(folder);

    gmtime_r(&t, &tm);
    buf_adds(out, folder);
    if (n && folder[n - 1] != '/')
        buf_addc(out, '/');
    if (m->hive)
        buf_addf(out,
                 "AWSLogs/aws-account-id=%012" PRIu64 "/aws-service=vpcflowlogs/aws-region=%s/"
                 "year=%04d/month=%02d/day=%02d/",
                 m->account, m->region, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    else
        buf_addf(out, "AWSLogs/%012" PRIu64 "/vpcflowlogs/%s/%04d/%02d/%02d/", m->account,
                 m->region, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    if (m->per_hour)
        buf_addf(out, "%s%02d/", m->hive ? "hour=" : "", tm.tm_hour);
    buf_addf(out, "%012" PRIu64 "_vpcflowlogs_%s_%s_%04d%02d%02dT%02d%02dZ_%s.log.gz", m->account,
             m->region, m->flow_log, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
             tm.tm_min, hash);
}

void key_encode(const char *key, struct buf *out) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";

    for (; *key; key++)
        if (strchr(plain, *key))
            buf_addc(out, *key);
        else
            buf_addf(out, "%%%02X", (uint8_t)*key);
}

/* FNV-1a of each name, added up. */
uint64_t key_hash_add(uint64_t sum, const char *batch) {
    uint64_t h = 0xcbf29ce484222325ULL;

    for (; *batch; batch++)
        h = (h ^ (uint8_t)*batch) * 0x100000001b3ULL;
    return sum + (h ^ h >> 29) * 0x9e3779b97f4a7c15ULL;
}

void key_hash_text(uint64_t sum, char out[KEY_HASH + 1]) {
    snprintf(out, KEY_HASH + 1, "%08" PRIx32, (uint32_t)(sum ^ sum >> 32));
}
