/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small state and a client, for the tests of the metadata service:
 *
 *     vpc-a 10.0.0.0/16, 2001:db8::/56 (+ 10.1.0.0/16)   i-1: eth0 10.0.1.5 (public 203.0.113.5),
 *                                                             10.0.1.6, 2001:db8::5
 *                                                             eth1 10.0.1.9
 *     vpc-b 10.0.0.0/16                                  i-2: eth0 10.0.1.5
 */
#ifndef VPCD_SERVICES_TEST_IMDS_WORLD_H
#define VPCD_SERVICES_TEST_IMDS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/imds.h"

extern struct index *ix;
extern struct imds imds;
extern int64_t now; /* seconds, for tokens */
extern struct scope scope;

/* *state is then the directory of the identity's key. */
int world_set_up(void **state);
int world_tear_down(void **state);
/* Into the index, which keeps it. */
void world_put(void *obj);
void set_options(const char *instance_id, struct metadata_options m);

struct answer {
    int status, hops;
    char head[1024];
    char body[8192];
    size_t len;
};

/* The request's bytes, in pieces of `piece`, by this interface; status 0: no reply yet. */
struct answer ask_by(const char *eni, uint8_t family, const char *request, size_t piece);
struct answer ask(const char *eni, const char *request);
struct answer get(const char *eni, const char *path);
struct answer meta(const char *eni, const char *path); /* below /latest/meta-data/ */
struct answer put_token(const char *eni, const char *headers);
/* The instance's id, with this token. */
struct answer get_with(const char *eni, const char *token);

#define assert_body(answer_, text_)                                                                \
    do {                                                                                           \
        struct answer _a = (answer_);                                                              \
                                                                                                   \
        assert_string_equal(_a.body, (text_));                                                     \
        assert_int_equal(_a.status, 200);                                                          \
    } while (0)
#define assert_status(answer_, status_)                                                            \
    do {                                                                                           \
        struct answer _s = (answer_);                                                              \
                                                                                                   \
        assert_int_equal(_s.status, (status_));                                                    \
    } while (0)

#endif
