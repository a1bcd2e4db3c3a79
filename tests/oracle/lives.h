/* SPDX-License-Identifier: Apache-2.0 */
/* Flows that live on while the world changes under them: the second test of test_differential.c. */
#ifndef VPCD_TESTS_ORACLE_LIVES_H
#define VPCD_TESTS_ORACLE_LIVES_H

void test_lives(void **state);

#endif
