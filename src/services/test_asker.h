/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody who asks, for tests and fuzzers:
 *
 *     vpc-1 10.0.0.0/16 and a /56, options set dopt-1 (everything that one can say)
 *     subnet-1 10.0.1.0/24, 2001:db8:1:1::/64
 *     i-1: eni-1 10.0.1.5, 10.0.1.6, 2001:db8:1:1::5, 2001:db8:1:1::6, 02:00:00:00:00:05
 */
#ifndef VPCD_SERVICES_TEST_ASKER_H
#define VPCD_SERVICES_TEST_ASKER_H

#include "services/services.h"

struct test_asker {
    struct index *ix;
    struct vpc *vpc;
    struct subnet *subnet;
    struct network_interface *eni;
    struct instance *instance;
    struct dhcp_options *options;
    struct asker who;
};

void test_asker_make(struct test_asker *t);
void test_asker_free(struct test_asker *t);
/* The one value of an option; NULL: the option goes. */
void test_asker_option(struct test_asker *t, const char *key, const char *value);

#endif
