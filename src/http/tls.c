/* SPDX-License-Identifier: Apache-2.0 */
#include "http/tls.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

struct tls {
    SSL_CTX *ctx;
};

int tls_new(const char *cert, const char *key, struct tls **ret_tls, const char **ret_why) {
    struct tls *tls = calloc(1, sizeof(*tls));
    const char *why = "memory is short";
    int r = -ENOMEM;

    if (!tls)
        goto fail;
    tls->ctx = SSL_CTX_new(TLS_server_method());
    if (!tls->ctx)
        goto fail;
    r = -EINVAL;
    why = "TLS 1.2 is not available";
    if (!SSL_CTX_set_min_proto_version(tls->ctx, TLS1_2_VERSION))
        goto fail;
    SSL_CTX_set_options(tls->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                      SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(tls->ctx, SSL_MODE_RELEASE_BUFFERS);
    why = "the certificate file is missing or no PEM certificate";
    if (SSL_CTX_use_certificate_chain_file(tls->ctx, cert) != 1)
        goto fail;
    why = "the key file is missing or no PEM key";
    if (SSL_CTX_use_PrivateKey_file(tls->ctx, key, SSL_FILETYPE_PEM) != 1)
        goto fail;
    why = "the key does not belong to the certificate";
    if (SSL_CTX_check_private_key(tls->ctx) != 1)
        goto fail;
    *ret_tls = tls;
    return 0;
fail:
    ERR_clear_error();
    tls_free(tls);
    *ret_why = why;
    return r;
}

void tls_free(struct tls *tls) {
    if (!tls)
        return;
    SSL_CTX_free(tls->ctx);
    free(tls);
}

struct bufferevent *tls_accept(struct tls *tls, struct event_base *base, evutil_socket_t fd) {
    SSL *ssl = SSL_new(tls->ctx);
    struct bufferevent *bev;

    if (!ssl)
        return NULL;
    bev = bufferevent_openssl_socket_new(base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                         BEV_OPT_CLOSE_ON_FREE);
    if (!bev) {
        SSL_free(ssl);
        return NULL;
    }
    /* HTTP's own framing shows a reply that was cut; an end without close_notify is no error. */
    bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
    return bev;
}

void tls_send_end(struct bufferevent *bev) {
    SSL *ssl = bufferevent_openssl_get_ssl(bev);

    if (ssl && SSL_is_init_finished(ssl))
        SSL_shutdown(ssl);
    ERR_clear_error();
}
