/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP request in, one reply out, then the connection ends, as EC2's service does it: so
 * nothing of a connection is kept between requests, and what a client sends behind its first
 * request is not looked at.
 */
#ifndef VPCD_SERVICES_IMDS_CONN_H
#define VPCD_SERVICES_IMDS_CONN_H

#include "services/imds.h"

struct imds_conn;

struct imds_conn *imds_conn_new(void);
void imds_conn_free(struct imds_conn *c);

/*
 * Takes bytes of the request, in whatever pieces they come. 0: more are needed. Else the reply's
 * HTTP status; `out` has its bytes and `*ret_hops` how far they may travel (0: as usual), and no
 * more bytes may come. Who asks and the state may have changed between two pieces: those of the
 * last piece count. `who` NULL: the interface is gone.
 */
int imds_conn_feed(struct imds_conn *c, struct imds *imds, const struct index *ix,
                   const struct asker *who, uint8_t family, int64_t now, const void *data,
                   size_t len, struct buf *out, int *ret_hops);
/* The reply to a request that did not arrive in time. */
void imds_conn_late(struct buf *out);

#endif
