/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of calls on a state of their own: an API without HTTP before it, with an agent expected. */
#ifndef VPCD_API_TEST_CALLS_H
#define VPCD_API_TEST_CALLS_H

#include "api/actions.h"

extern const struct scope calls_scope;

/* For cmocka_run_group_tests. */
int calls_setup(void **s);
int calls_teardown(void **s);

struct api *calls_api(void);
const struct index *calls_index(void);

/* One call: an action with its parameters as a form, or a function. Done when it is durable. */
struct calls_ask {
    const struct actions *family;
    const char *name, *params;
    int (*run)(struct call *c, void *arg);
    void *arg;
    char code[64]; /* of the error; "" */
    /* Its own: */
    struct buf body;
    bool done;
};
void calls_ask(struct calls_ask *a);
/* An action that must succeed; returns the text of the first such element of its reply. */
const char *calls_act(const struct actions *family, const char *name, const char *params,
                      const char *element);

#endif
