/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VPCD_API_DUMP_H
#define VPCD_API_DUMP_H

#include <stdio.h>

/*
 * What the tables say, as JSON: for each action its parameters (by the names on the wire; lists and
 * structs with what they consist of), and for each kind the elements and filters of its objects.
 * Tests hold it against the model that clients are generated from; docs/API.md is made of it.
 */
int api_dump(FILE *out);

#endif
