/* SPDX-License-Identifier: Apache-2.0 */
#include "flowlog/spool_text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"

#define MAGIC "vpcd-flow-batch 1"
#define ACCOUNT_MAX 999999999999LL
#define ACCOUNT_DIGITS 12
#define SECONDS_MAX 253402300799LL /* the end of the year 9999 */
#define HEAD_MAX (8U * 1024)

static const char *const to_names[] = {"", "log-group", "s3", NULL};
static const char *const traffic_names[] = {"", "accept", "reject", "all", NULL};

/* "fl-0123456789abcdef0": letters, digits and dashes, so that it may stand in a file's name. */
static bool id_ok(const char *id, const char *prefix, size_t max) {
    size_t n = id ? strlen(id) : 0;

    return n > strlen(prefix) && n < max && strncmp(id, prefix, strlen(prefix)) == 0 &&
           strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static bool text_ok(const char *s, size_t max) {
    return s && *s && strlen(s) <= max && utf8_valid(s) && !strpbrk(s, "\t\r\n");
}

static bool meta_ok(const struct spool_meta *m) {
    return id_ok(m->flow_log, "fl-", sizeof(((struct spool_name *)0)->flow_log)) &&
           id_ok(m->eni, "eni-", sizeof(((struct spool_name *)0)->eni)) &&
           m->account <= ACCOUNT_MAX && id_ok(m->region, "", 32) &&
           (m->destination_type == SPOOL_LOG_GROUP || m->destination_type == SPOOL_S3) &&
           text_ok(m->destination, SPOOL_DESTINATION_MAX) && m->traffic >= SPOOL_ACCEPT &&
           m->traffic <= SPOOL_ALL && text_ok(m->header, SPOOL_HEADER_MAX) && m->start >= 0 &&
           m->start <= m->end && m->end <= SECONDS_MAX;
}

/* A decimal of at most 12 digits without leading zeros; what follows it in *p. */
static bool take_number(const char **p, const char *end, int64_t max, int64_t *ret) {
    int64_t v = 0;
    const char *s = *p;

    for (; s < end && *s >= '0' && *s <= '9'; s++) {
        if (s - *p >= 12)
            return false;
        v = v * 10 + (*s - '0');
    }
    if (s == *p || v > max || (**p == '0' && s - *p > 1))
        return false;
    *p = s;
    *ret = v;
    return true;
}

/* An account: twelve digits. */
static bool take_account(const char **p, const char *end, uint64_t *ret) {
    uint64_t v = 0;

    if (end - *p < ACCOUNT_DIGITS)
        return false;
    for (int i = 0; i < ACCOUNT_DIGITS; i++, ++*p) {
        if (**p < '0' || **p > '9')
            return false;
        v = v * 10 + (uint64_t)(**p - '0');
    }
    *ret = v;
    return true;
}

/* One line "SECONDS RECORD\n". */
static bool take_line(const char **p, const char *end, int64_t *ret_seconds,
                      const char **ret_record, size_t *ret_len) {
    const char *s = *p, *eol;

    if (!take_number(&s, end, SECONDS_MAX, ret_seconds) || s >= end || *s++ != ' ')
        return false;
    eol = memchr(s, '\n', (size_t)(end - s));
    if (!eol || eol == s || eol - s > SPOOL_LINE_MAX)
        return false;
    *ret_record = s;
    *ret_len = (size_t)(eol - s);
    *p = eol + 1;
    return true;
}

/* Records are printable ASCII: that is what the fields of flow logs are. */
static bool lines_ok(const char *lines, size_t len) {
    const char *p = lines, *end = lines + len, *record;
    int64_t seconds;
    size_t n;

    if (!len || len > SPOOL_BATCH_MAX)
        return false;
    while (p < end) {
        if (!take_line(&p, end, &seconds, &record, &n))
            return false;
        for (size_t i = 0; i < n; i++)
            if (record[i] < ' ' || record[i] > '~')
                return false;
    }
    return true;
}

int spool_text_check(const struct spool_meta *meta, const char *lines, size_t len) {
    return meta_ok(meta) && lines_ok(lines, len) ? 0 : -EINVAL;
}

void spool_text_head(const struct spool_meta *m, size_t len, struct buf *out) {
    buf_addf(out,
             MAGIC
             "\nflow-log %s\neni %s\naccount %012" PRIu64 "\nregion %s\nto %s\ndestination %s\n"
             "traffic %s\nwindow %" PRId64 " %" PRId64 "\noptions%s%s%s\nheader %s\nbytes %zu\n\n",
             m->flow_log, m->eni, m->account, m->region, to_names[m->destination_type],
             m->destination, traffic_names[m->traffic], m->start, m->end, m->hive ? " hive" : "",
             m->per_hour ? " per-hour" : "", m->skipped ? " skipped" : "", m->header, len);
}

/* ---- reading ---- */

/* The value of the next line, which begins with `key`; the line's end becomes a NUL. */
static char *take_value(char **at, const char *key) {
    size_t n = strlen(key);
    char *p = *at, *eol = strchr(p, '\n');

    if (!eol || strncmp(p, key, n) != 0)
        return NULL;
    *eol = 0;
    *at = eol + 1;
    return p + n;
}

static uint8_t name_index(const char *const *names, const char *name) {
    for (uint8_t i = 1; name && names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return 0;
}

static bool parse_options(const char *text, struct spool_meta *m) {
    static const struct {
        const char *name;
        size_t offset;
    } options[] = {
        {" hive", offsetof(struct spool_meta, hive)},
        {" per-hour", offsetof(struct spool_meta, per_hour)},
        {" skipped", offsetof(struct spool_meta, skipped)},
    };

    for (size_t i = 0; text && i < ARRAY_SIZE(options); i++) {
        size_t n = strlen(options[i].name);

        if (strncmp(text, options[i].name, n) != 0)
            continue;
        *(bool *)((char *)m + options[i].offset) = true;
        text += n;
    }
    return text && !*text;
}

static bool parse_window(const char *text, struct spool_meta *m) {
    const char *end = text ? text + strlen(text) : NULL;

    return text && take_number(&text, end, SECONDS_MAX, &m->start) && *text++ == ' ' &&
           take_number(&text, end, SECONDS_MAX, &m->end) && text == end;
}

static bool parse_head(char **at, struct spool_meta *m, int64_t *ret_bytes) {
    const char *magic = take_value(at, MAGIC), *account, *bytes;

    if (!magic || *magic)
        return false;
    m->flow_log = take_value(at, "flow-log ");
    m->eni = take_value(at, "eni ");
    account = take_value(at, "account ");
    if (!account || strlen(account) != ACCOUNT_DIGITS ||
        !take_account(&account, account + ACCOUNT_DIGITS, &m->account))
        return false;
    m->region = take_value(at, "region ");
    m->destination_type = name_index(to_names, take_value(at, "to "));
    m->destination = take_value(at, "destination ");
    m->traffic = name_index(traffic_names, take_value(at, "traffic "));
    if (!parse_window(take_value(at, "window "), m) || !parse_options(take_value(at, "options"), m))
        return false;
    m->header = take_value(at, "header ");
    bytes = take_value(at, "bytes ");
    if (!bytes || !take_number(&bytes, bytes + strlen(bytes), SPOOL_BATCH_MAX, ret_bytes) ||
        *bytes || **at != '\n')
        return false;
    ++*at;
    return meta_ok(m);
}

int spool_batch_parse(struct buf *text, struct spool_batch *ret_batch) {
    char *at, *end;
    int64_t bytes;

    *ret_batch = (struct spool_batch){.text = *text};
    *text = BUF_INIT;
    at = ret_batch->text.data;
    if (!at || !parse_head(&at, &ret_batch->meta, &bytes))
        return -EBADMSG;
    end = ret_batch->text.data + ret_batch->text.len;
    if (end - at != bytes || !lines_ok(at, (size_t)bytes))
        return -EBADMSG;
    ret_batch->lines = at;
    ret_batch->lines_len = (size_t)bytes;
    return 0;
}

int spool_batch_read(int ready, const char *name, struct spool_batch *ret_batch) {
    _close_ int fd = openat(ready, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    _buf_ struct buf text = BUF_INIT;
    struct stat st;
    _free_ char *data = NULL;
    int r;

    *ret_batch = (struct spool_batch){0};
    if (fd < 0)
        return errno == ELOOP ? -EBADMSG : -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > SPOOL_BATCH_MAX + HEAD_MAX)
        return -EBADMSG;
    data = malloc((size_t)st.st_size);
    if (!data)
        return -ENOMEM;
    r = read_all(fd, data, (size_t)st.st_size);
    if (r < 0)
        return r == -ENODATA ? -EBADMSG : r;
    buf_add(&text, data, (size_t)st.st_size);
    return text.failed ? -ENOMEM : spool_batch_parse(&text, ret_batch);
}

void spool_batch_free(struct spool_batch *b) {
    buf_free(&b->text);
    *b = (struct spool_batch){0};
}

bool spool_batch_next(const struct spool_batch *b, const char **at, int64_t *ret_seconds,
                      const char **ret_record, size_t *ret_len) {
    return *at < b->lines + b->lines_len &&
           take_line(at, b->lines + b->lines_len, ret_seconds, ret_record, ret_len);
}

/* END_FLOWLOG_ENI_ACCOUNT_SIZE_UNIQUE */
bool spool_name_parse(const char *name, struct spool_name *ret_name) {
    const char *p = name, *end = name + strlen(name);
    struct spool_name n = {0};
    int64_t size;
    size_t len;

    if (end - p >= (int)SPOOL_NAME_MAX || !take_number(&p, end, SECONDS_MAX, &n.end) || *p++ != '_')
        return false;
    len = strcspn(p, "_");
    if (p[len] != '_' || len >= sizeof(n.flow_log))
        return false;
    memcpy(n.flow_log, p, len);
    p += len + 1;
    len = strcspn(p, "_");
    if (p[len] != '_' || len >= sizeof(n.eni))
        return false;
    memcpy(n.eni, p, len);
    p += len + 1;
    if (!take_account(&p, end, &n.account) || *p++ != '_' ||
        !take_number(&p, end, SPOOL_BATCH_MAX + HEAD_MAX, &size) || *p++ != '_')
        return false;
    n.size = (uint64_t)size;
    if (end - p != 16 || strspn(p, "0123456789abcdef") != 16 ||
        !id_ok(n.flow_log, "fl-", sizeof(n.flow_log)) || !id_ok(n.eni, "eni-", sizeof(n.eni)))
        return false;
    *ret_name = n;
    return true;
}
