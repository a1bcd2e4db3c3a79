/* SPDX-License-Identifier: Apache-2.0 */
#include "vpcctl/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"

#define ANSWER_MAX (64 * 1024 * 1024)
#define PATIENCE_SECONDS 30

int complain(int status, const char *fmt, ...) {
    va_list ap;

    fputs("vpcctl: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return status;
}

int daemon_connect(const struct ctl *ctl, enum daemon daemon) {
    const struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    char path[300];
    int fd;

    snprintf(path, sizeof(path), "%s/%s/control.sock", ctl->dir,
             daemon == DAEMON_WORKER ? "run" : "agent");
    fd = unix_connect(path);
    if (fd < 0)
        return fd;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

const char *daemon_error(enum daemon daemon, int error) {
    if (error == -EACCES || error == -EPERM)
        return "not permitted: this needs root";
    if (error == -ENOENT || error == -ECONNREFUSED)
        return daemon == DAEMON_WORKER ? "vpcd does not run" : "vpc-agent does not run";
    return strerror(-error);
}

json_t *read_json_line(int fd, size_t max) {
    _buf_ struct buf line = BUF_LIMIT(max);
    char c;

    /* Byte by byte: what follows the line belongs to somebody else. */
    for (;;) {
        ssize_t n = read(fd, &c, 1);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || line.failed)
            return NULL;
        if (c == '\n')
            return json_loads(buf_str(&line), 0, NULL);
        buf_addc(&line, c);
    }
}

json_t *daemon_ask(int fd, const json_t *request) {
    _free_ char *text = json_dumps(request, JSON_COMPACT);
    _buf_ struct buf answer = BUF_LIMIT(ANSWER_MAX);
    char chunk[65536];

    if (!text || write_all(fd, text, strlen(text)) < 0 || write_all(fd, "\n", 1) < 0)
        return NULL;
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || answer.failed)
            break;
        buf_add(&answer, chunk, (size_t)n);
    }
    return json_loads(buf_str(&answer), 0, NULL);
}

json_t *daemon_call(const struct ctl *ctl, enum daemon daemon, json_t *request) {
    _close_ int fd = daemon_connect(ctl, daemon);
    const char *error;
    json_t *answer;

    if (fd < 0) {
        json_decref(request);
        complain(1, "%s (state directory %s)", daemon_error(daemon, fd), ctl->dir);
        return NULL;
    }
    answer = daemon_ask(fd, request);
    json_decref(request);
    if (!answer) {
        complain(1, "%s gave no answer", daemon == DAEMON_WORKER ? "vpcd" : "vpc-agent");
        return NULL;
    }
    error = json_string_value(json_object_get(answer, "error"));
    if (error) {
        complain(1, "%s", error);
        json_decref(answer);
        return NULL;
    }
    return answer;
}
