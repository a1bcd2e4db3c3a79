/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VPCD_HTTP_TLS_H
#define VPCD_HTTP_TLS_H

#include <event2/util.h>

struct bufferevent;
struct event_base;
struct tls;

/* From PEM files: TLS 1.2 or later. 0, -EINVAL, -ENOMEM with `*ret_why` a static string. */
int tls_new(const char *cert, const char *key, struct tls **ret_tls, const char **ret_why);
void tls_free(struct tls *tls);

/* The server's side over a connected socket, which it closes in the end. NULL: memory is short. */
struct bufferevent *tls_accept(struct tls *tls, struct event_base *base, evutil_socket_t fd);

/* Tells the client that nothing follows. */
void tls_send_end(struct bufferevent *bev);

#endif
