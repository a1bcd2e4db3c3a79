/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines to standard error: "LEVEL program: message". Libraries below the daemons do not log:
 * they return an error, and the daemon says what it means. Secrets are never passed to these.
 */
#ifndef VPCD_BASE_LOG_H
#define VPCD_BASE_LOG_H

enum log_level {
    LOG_ERROR,
    LOG_WARN,
    LOG_INFO,
    LOG_DEBUG,
};

/* `program` must live as long as the process. Messages above `max` are left out. */
void log_setup(const char *program, enum log_level max);
void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

#endif
