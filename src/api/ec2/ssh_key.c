/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On the wire of SSH a public key is a sequence of strings, each behind its length in four bytes
 * (RFC 4251, 5; RFC 4253, 6.6; RFC 8709):
 *
 *     "ssh-rsa" e n            numbers with a zero byte ahead where the first bit is set
 *     "ssh-ed25519" key        32 bytes
 */
#include "api/ec2/ssh_key.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"

#define RSA_BITS 2048
#define ED25519_LEN 32
#define RSA_NAME "ssh-rsa"
#define ED25519_NAME "ssh-ed25519"

static void pkey_free(EVP_PKEY **p) {
    EVP_PKEY_free(*p);
}
#define _pkey_ _cleanup_(pkey_free)

static void openssl_free(uint8_t **p) {
    OPENSSL_free(*p);
}
#define _openssl_ _cleanup_(openssl_free)

void ssh_key_clear(struct ssh_key *k) {
    free(k->public_key);
    free(k->fingerprint);
    if (k->private_key.data)
        OPENSSL_cleanse(k->private_key.data, k->private_key.len);
    buf_free(&k->private_key);
    *k = (struct ssh_key){0};
}

/* The wire */

static void put_u32(struct buf *b, size_t v) {
    const uint8_t bytes[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
                              (uint8_t)v};

    buf_add(b, bytes, sizeof(bytes));
}

static void put_string(struct buf *b, const void *data, size_t len) {
    put_u32(b, len);
    buf_add(b, data, len);
}

static void put_number(struct buf *b, const BIGNUM *n) {
    uint8_t bytes[1024];
    int len = BN_num_bytes(n);

    if (len + 1 > (int)sizeof(bytes)) {
        b->failed = true;
        return;
    }
    bytes[0] = 0;
    BN_bn2bin(n, bytes + 1);
    if (len && bytes[1] & 0x80)
        put_string(b, bytes, (size_t)len + 1);
    else
        put_string(b, bytes + 1, (size_t)len);
}

static bool get_string(struct reader *r, const uint8_t **ret, size_t *ret_len) {
    const uint8_t *l = read_bytes(r, 4);

    if (!l)
        return false;
    *ret_len = (size_t)l[0] << 24 | (size_t)l[1] << 16 | (size_t)l[2] << 8 | l[3];
    *ret = read_bytes(r, *ret_len);
    return *ret;
}

static void put_public(struct buf *b, EVP_PKEY *key) {
    uint8_t raw[ED25519_LEN];
    size_t len = sizeof(raw);
    BIGNUM *n = NULL, *e = NULL;

    if (EVP_PKEY_is_a(key, "ED25519")) {
        put_string(b, ED25519_NAME, strlen(ED25519_NAME));
        if (EVP_PKEY_get_raw_public_key(key, raw, &len) != 1)
            b->failed = true;
        put_string(b, raw, len);
        return;
    }
    put_string(b, RSA_NAME, strlen(RSA_NAME));
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) &&
        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e)) {
        put_number(b, e);
        put_number(b, n);
    } else {
        b->failed = true;
    }
    BN_free(n);
    BN_free(e);
}

/* Fingerprints */

/* "1f:51:...", as `openssl sha1 -c` writes it. */
static char *colons(const EVP_MD *md, const void *data, size_t len) {
    _buf_ struct buf text = BUF_INIT;
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (EVP_Digest(data, len, digest, &n, md, NULL) != 1)
        return NULL;
    for (unsigned i = 0; i < n; i++)
        buf_addf(&text, "%s%02x", i ? ":" : "", digest[i]);
    return buf_take(&text);
}

static char *fingerprint_of_public(EVP_PKEY *key, const struct buf *wire) {
    uint8_t digest[EVP_MAX_MD_SIZE];
    _openssl_ uint8_t *der = NULL;
    unsigned n = 0;
    int len;

    if (EVP_PKEY_is_a(key, "ED25519"))
        return EVP_Digest(wire->data, wire->len, digest, &n, EVP_sha256(), NULL) == 1
                   ? base64_encode(digest, n)
                   : NULL;
    len = i2d_PUBKEY(key, &der);
    return len > 0 ? colons(EVP_md5(), der, (size_t)len) : NULL;
}

static char *fingerprint_of_private(EVP_PKEY *key) {
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    uint8_t *der = NULL;
    int len = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;
    char *text = len > 0 ? colons(EVP_sha1(), der, (size_t)len) : NULL;

    if (len > 0)
        OPENSSL_clear_free(der, (size_t)len);
    PKCS8_PRIV_KEY_INFO_free(info);
    return text;
}

static int finish(EVP_PKEY *key, struct ssh_key *k) {
    bool ed25519 = EVP_PKEY_is_a(key, "ED25519");
    _buf_ struct buf wire = BUF_INIT, line = BUF_INIT;
    _free_ char *base64 = NULL;

    k->type = ed25519 ? "ed25519" : "rsa";
    put_public(&wire, key);
    if (wire.failed || !(base64 = base64_encode(wire.data, wire.len)))
        return -ENOMEM;
    buf_addf(&line, "%s %s", ed25519 ? ED25519_NAME : RSA_NAME, base64);
    k->public_key = buf_take(&line);
    if (!k->fingerprint)
        k->fingerprint = fingerprint_of_public(key, &wire);
    return k->public_key && k->fingerprint ? 0 : -ENOMEM;
}

/* New keys */

static bool write_pem(EVP_PKEY *key, struct buf *out) {
    BIO *bio = BIO_new(BIO_s_secmem());
    char *data = NULL;
    long len = 0;
    bool ok = bio && PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL);

    if (ok)
        len = BIO_get_mem_data(bio, &data);
    while (ok && len && data[len - 1] == '\n')
        len--;
    if (ok)
        buf_add(out, data, (size_t)len);
    BIO_free(bio);
    return ok && !out->failed;
}

/* OpenSSH's own format (openssh-portable, PROTOCOL.key): without a passphrase. */
static bool write_openssh(EVP_PKEY *key, struct buf *out) {
    static const char magic[] = "openssh-key-v1"; /* its NUL belongs to it */
    _buf_ struct buf public = BUF_INIT, secret = BUF_INIT, all = BUF_INIT;
    uint8_t pair[2 * ED25519_LEN];
    size_t len = ED25519_LEN;
    _free_ char *base64 = NULL;
    uint32_t check;

    if (EVP_PKEY_get_raw_private_key(key, pair, &len) != 1 ||
        EVP_PKEY_get_raw_public_key(key, pair + ED25519_LEN, &len) != 1)
        return false;
    put_public(&public, key);
    random_bytes(&check, sizeof(check));
    buf_add(&secret, &check, sizeof(check));
    buf_add(&secret, &check, sizeof(check));
    buf_add(&secret, public.data, public.len);
    put_string(&secret, pair, sizeof(pair));
    put_string(&secret, "", 0); /* comment */
    for (char pad = 1; secret.len % 8; pad++)
        buf_addc(&secret, pad);
    buf_add(&all, magic, sizeof(magic));
    put_string(&all, "none", 4); /* cipher, derivation, its options */
    put_string(&all, "none", 4);
    put_string(&all, "", 0);
    put_u32(&all, 1);
    put_string(&all, public.data, public.len);
    put_string(&all, secret.data, secret.len);
    OPENSSL_cleanse(pair, sizeof(pair));
    base64 = all.failed || secret.failed ? NULL : base64_encode(all.data, all.len);
    if (!base64)
        return false;
    buf_adds(out, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
    for (size_t at = 0, n = strlen(base64); at < n; at += 70)
        buf_addf(out, "%.70s\n", base64 + at);
    buf_adds(out, "-----END OPENSSH PRIVATE KEY-----");
    return !out->failed;
}

int ssh_key_make(const char *type, struct ssh_key *ret) {
    bool rsa = strcmp(type, "rsa") == 0;
    _pkey_ EVP_PKEY *key = rsa ? EVP_RSA_gen(RSA_BITS) : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

    *ret = (struct ssh_key){0};
    if (!key || (rsa && !(ret->fingerprint = fingerprint_of_private(key))) ||
        !(rsa ? write_pem(key, &ret->private_key) : write_openssh(key, &ret->private_key)) ||
        finish(key, ret) < 0) {
        ssh_key_clear(ret);
        return -ENOMEM;
    }
    return 0;
}

/* Keys of others */

static EVP_PKEY *rsa_of(const uint8_t *e, size_t e_len, const uint8_t *n, size_t n_len) {
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *bn_e = BN_bin2bn(e, (int)e_len, NULL), *bn_n = BN_bin2bn(n, (int)n_len, NULL);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key = NULL;

    if (ctx && build && bn_e && bn_n &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, bn_n) &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, bn_e) &&
        (params = OSSL_PARAM_BLD_to_param(build)) && EVP_PKEY_fromdata_init(ctx) == 1)
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params);
    OSSL_PARAM_free(params);
    BN_free(bn_n);
    BN_free(bn_e);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static EVP_PKEY *key_of_wire(const uint8_t *data, size_t len) {
    struct reader r = reader_of(data, len);
    const uint8_t *name, *a, *b;
    size_t name_len, a_len, b_len;

    if (!get_string(&r, &name, &name_len))
        return NULL;
    if (name_len == strlen(ED25519_NAME) && memcmp(name, ED25519_NAME, name_len) == 0)
        return get_string(&r, &a, &a_len) && a_len == ED25519_LEN && r.p == r.end
                   ? EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, a, a_len)
                   : NULL;
    if (name_len == strlen(RSA_NAME) && memcmp(name, RSA_NAME, name_len) == 0)
        return get_string(&r, &a, &a_len) && get_string(&r, &b, &b_len) && r.p == r.end
                   ? rsa_of(a, a_len, b, b_len)
                   : NULL;
    return NULL;
}

static EVP_PKEY *key_of_base64(const char *text, bool wire) {
    _free_ uint8_t *data = NULL;
    const uint8_t *at;
    size_t len;

    if (base64_decode(text, &data, &len) < 0)
        return NULL;
    at = data;
    return wire ? key_of_wire(data, len) : d2i_PUBKEY(NULL, &at, (long)len);
}

/* RFC 4716: lines between two marks; headers hold a colon, and go on behind a backslash. */
static EVP_PKEY *key_of_rfc4716(char *text) {
    _buf_ struct buf base64 = BUF_INIT;
    bool header = false;
    char *save = NULL;

    for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
        bool goes_on = *line && line[strlen(line) - 1] == '\\';

        if (strncmp(line, "---- ", 5) != 0 && !header && !strchr(line, ':'))
            buf_adds(&base64, line);
        header = (header || strchr(line, ':')) && goes_on;
    }
    return base64.failed ? NULL : key_of_base64(buf_str(&base64), true);
}

static EVP_PKEY *parse(char *text) {
    char *save = NULL, *type;
    EVP_PKEY *key;

    if (strncmp(text, "---- BEGIN SSH2 PUBLIC KEY ----", 31) == 0)
        return key_of_rfc4716(text);
    if (strncmp(text, "ssh-", 4) != 0)
        return key_of_base64(text, false);
    type = strtok_r(text, " \t\r\n", &save);
    text = type ? strtok_r(NULL, " \t\r\n", &save) : NULL;
    key = text ? key_of_base64(text, true) : NULL;
    if (key && strcmp(type, EVP_PKEY_is_a(key, "ED25519") ? ED25519_NAME : RSA_NAME) != 0) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

int ssh_key_read(const char *text, size_t len, struct ssh_key *ret) {
    _free_ char *copy = strndup(text, len);
    _pkey_ EVP_PKEY *key = NULL;
    int bits;

    *ret = (struct ssh_key){0};
    if (!copy)
        return -ENOMEM;
    if (strlen(copy) != len || !(key = parse(copy)))
        return -EINVAL;
    bits = EVP_PKEY_get_bits(key);
    if (!EVP_PKEY_is_a(key, "ED25519") &&
        !(EVP_PKEY_is_a(key, "RSA") && (bits == 1024 || bits == 2048 || bits == 4096)))
        return -EINVAL;
    if (finish(key, ret) < 0) {
        ssh_key_clear(ret);
        return -ENOMEM;
    }
    return 0;
}
