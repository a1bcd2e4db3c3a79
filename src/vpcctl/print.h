/* SPDX-License-Identifier: Apache-2.0 */
/* How the commands show packets and what the daemons' answers hold. */
#ifndef VPCD_VPCCTL_PRINT_H
#define VPCD_VPCCTL_PRINT_H

#include <jansson.h>
#include <stdbool.h>

/* A member of an object; "" and 0 where there is none. */
const char *text_in(const json_t *o, const char *key);
long long number_in(const json_t *o, const char *key);

/* "tcp", "icmpv6", "47"; 16 bytes. */
const char *protocol_text(int protocol, char out[16]);

/* A name of those, or a number 0 to 255; false: neither. */
bool protocol_parse(const char *text, int *ret_protocol);

/* "10.0.1.5:443", "[2001:db8::1]:443", or the address alone where `port` is NULL. */
void print_end(const char *address, const json_t *port);

/* A name that a tenant chose, in quotes: its bytes must not command the terminal. */
void print_name(const char *name);

/* "12 s", "3.4 MB": what people read; 24 bytes each. */
const char *duration_text(long long ms, char out[24]);
const char *bytes_text(unsigned long long bytes, char out[24]);

#endif
