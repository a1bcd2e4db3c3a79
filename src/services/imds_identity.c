/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EC2 signs `pkcs7` with DSA and SHA-1 and `rsa2048` with RSA and SHA-256. Nobody should trust the
 * former any more: both are made with the RSA key here, and `openssl smime -verify` takes either.
 *
 * A signature takes about a millisecond, so the last ones are kept: one place for each value of a
 * hash of the instance's id, with the digest of the document that was signed.
 */
#include "services/imds_identity.h"

#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "model/regions.h"

#define KEY_BITS 2048
#define KEY_FILE_MAX 65536
#define DAYS (100 * 365L)
#define PLACES 1024
#define DIGEST 32
#define LINE 76

struct signature {
    uint8_t digest[IDENTITY_FORMS][DIGEST]; /* of the document */
    char *text[IDENTITY_FORMS];             /* NULL: not made yet */
};

struct identity {
    EVP_PKEY *key;
    X509 *cert;
    struct signature places[PLACES];
};

static void free_bio(BIO **bio) {
    BIO_free(*bio);
}

static void free_pkcs7(PKCS7 **p) {
    PKCS7_free(*p);
}

/* ---- the key ---- */

static X509 *make_certificate(EVP_PKEY *key) {
    X509 *cert = X509_new();
    X509_NAME *name = cert ? X509_get_subject_name(cert) : NULL;
    uint8_t random[8];
    uint64_t serial;

    random_bytes(random, sizeof(random));
    memcpy(&serial, random, sizeof(serial));
    if (!cert || X509_set_version(cert, 2) != 1 ||
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1) != 1 ||
        !X509_gmtime_adj(X509_getm_notBefore(cert), -86400) ||
        !X509_time_adj_ex(X509_getm_notAfter(cert), DAYS, 0, NULL) ||
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                   (const uint8_t *)"vpcd instance identity", -1, -1, 0) != 1 ||
        X509_set_issuer_name(cert, name) != 1 || X509_set_pubkey(cert, key) != 1 ||
        X509_sign(cert, key, EVP_sha256()) == 0) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

static int store(BIO *bio, const char *path, mode_t mode) {
    char *data;
    long n = BIO_get_mem_data(bio, &data);

    return n > 0 ? write_file_atomic(path, data, (size_t)n, mode) : -ENOMEM;
}

/* The key's file last: with it there, both are whole. */
static int make(struct identity *id, const char *key_path, const char *cert_path) {
    _cleanup_(free_bio) BIO *key = BIO_new(BIO_s_mem()), *cert = BIO_new(BIO_s_mem());
    int r;

    id->key = EVP_RSA_gen(KEY_BITS);
    id->cert = id->key ? make_certificate(id->key) : NULL;
    if (!id->cert || !key || !cert || PEM_write_bio_X509(cert, id->cert) != 1 ||
        PEM_write_bio_PKCS8PrivateKey(key, id->key, NULL, NULL, 0, NULL, NULL) != 1)
        return -ENOMEM;
    r = store(cert, cert_path, 0644);
    return r < 0 ? r : store(key, key_path, 0600);
}

static int load(struct identity *id, const struct buf *key_text, const char *cert_path) {
    _cleanup_(free_bio) BIO *key = BIO_new_mem_buf(key_text->data, (int)key_text->len);
    _buf_ struct buf text = BUF_INIT;
    _cleanup_(free_bio) BIO *cert = NULL;
    int r = read_file(cert_path, KEY_FILE_MAX, &text);

    if (r < 0)
        return r;
    cert = BIO_new_mem_buf(buf_str(&text), (int)text.len);
    id->key = key ? PEM_read_bio_PrivateKey(key, NULL, NULL, (void *)(uintptr_t) "") : NULL;
    id->cert = cert ? PEM_read_bio_X509(cert, NULL, NULL, (void *)(uintptr_t) "") : NULL;
    if (!id->key || !id->cert || X509_check_private_key(id->cert, id->key) != 1)
        return -EBADMSG;
    return 0;
}

int identity_open(const char *dir, struct identity **ret_identity, const char **ret_why) {
    struct identity *id = calloc(1, sizeof(*id));
    char key_path[PATH_MAX], cert_path[PATH_MAX];
    _buf_ struct buf key = BUF_INIT;
    int r;

    *ret_why = "memory is short";
    if (!id)
        return -ENOMEM;
    snprintf(key_path, sizeof(key_path), "%.4000s/key.pem", dir);
    snprintf(cert_path, sizeof(cert_path), "%.4000s/certificate.pem", dir);
    r = read_file(key_path, KEY_FILE_MAX, &key);
    if (r == -ENOENT) {
        *ret_why = "cannot make the key of instance identity documents";
        r = make(id, key_path, cert_path);
    } else if (r == 0) {
        *ret_why = "the key of instance identity documents and its certificate do not fit";
        r = load(id, &key, cert_path);
    } else {
        *ret_why = "cannot read the key of instance identity documents";
    }
    if (r < 0) {
        identity_free(id);
        return r;
    }
    *ret_identity = id;
    return 0;
}

void identity_free(struct identity *id) {
    if (!id)
        return;
    for (size_t i = 0; i < PLACES; i++)
        for (int f = 0; f < IDENTITY_FORMS; f++)
            free(id->places[i].text[f]);
    EVP_PKEY_free(id->key);
    X509_free(id->cert);
    free(id);
}

/* ---- the document ---- */

/* `"name" : "value"`, with what JSON cannot hold escaped. The names are in EC2's order. */
static void member(struct buf *out, const char *name, const char *value) {
    buf_addf(out, "%s\n  \"%s\" : ", out->len > 1 ? "," : "", name);
    if (!value) {
        buf_adds(out, "null");
        return;
    }
    buf_addc(out, '"');
    for (const uint8_t *c = (const uint8_t *)value; *c; c++) {
        if (*c == '"' || *c == '\\')
            buf_addf(out, "\\%c", *c);
        else if (*c < 0x20 || *c == 0x7f)
            buf_addf(out, "\\u%04x", *c);
        else
            buf_addc(out, (char)*c);
    }
    buf_addc(out, '"');
}

bool identity_document(const struct imds_view *v, struct buf *out) {
    const struct instance *i = v->instance;
    const struct eni_address *a = v->primary ? eni_primary(v->primary) : NULL;
    char account[24], ip[IP_TEXT], pending[TIME_TEXT];

    if (!a)
        return false;
    snprintf(account, sizeof(account), "%012llu", (unsigned long long)i->o.scope.account);
    time_format(i->launch_time, pending);
    strcpy(strchr(pending, '.'), "Z"); /* without milliseconds */
    buf_addc(out, '{');
    member(out, "accountId", account);
    member(out, "architecture", instance_architecture());
    member(out, "availabilityZone", i->zone);
    member(out, "billingProducts", NULL);
    member(out, "devpayProductCodes", NULL);
    member(out, "marketplaceProductCodes", NULL);
    member(out, "imageId", i->image_id);
    member(out, "instanceId", i->o.id);
    member(out, "instanceType", i->type);
    member(out, "kernelId", NULL);
    member(out, "pendingTime", pending);
    member(out, "privateIp", ip_format(&a->ip, ip));
    member(out, "ramdiskId", NULL);
    member(out, "region", region_name(i->o.scope.region));
    member(out, "version", "2017-09-30");
    buf_adds(out, "\n}");
    return true;
}

/* ---- signatures ---- */

static char *lines(const void *data, size_t n) {
    _free_ char *text = base64_encode(data, n);
    _buf_ struct buf out = BUF_INIT;

    if (!text)
        return NULL;
    for (size_t at = 0, len = strlen(text); at < len; at += LINE) {
        if (at)
            buf_addc(&out, '\n');
        buf_add(&out, text + at, len - at < LINE ? len - at : LINE);
    }
    return buf_take(&out);
}

static void free_ctx(EVP_MD_CTX **ctx) {
    EVP_MD_CTX_free(*ctx);
}

static char *sign_plain(const struct identity *id, const struct buf *document) {
    _cleanup_(free_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t signature[KEY_BITS / 8 * 2];
    size_t len = sizeof(signature);

    if (!ctx || EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, id->key) != 1 ||
        EVP_DigestSign(ctx, signature, &len, (const uint8_t *)document->data, document->len) != 1)
        return NULL;
    return lines(signature, len);
}

static char *sign_pkcs7(const struct identity *id, const struct buf *document) {
    _cleanup_(free_bio) BIO *in = BIO_new_mem_buf(document->data, (int)document->len);
    _cleanup_(free_pkcs7) PKCS7 *p = NULL;
    uint8_t *der = NULL;
    char *text;
    int n;

    p = in ? PKCS7_sign(id->cert, id->key, NULL, in, PKCS7_BINARY | PKCS7_NOCERTS) : NULL;
    n = p ? i2d_PKCS7(p, &der) : -1;
    if (n <= 0)
        return NULL;
    text = lines(der, (size_t)n);
    OPENSSL_free(der);
    return text;
}

bool identity_sign(struct identity *id, const struct instance *i, const struct buf *document,
                   enum identity_form form, struct buf *out) {
    uint8_t digest[DIGEST];
    struct signature *s;
    uint32_t h = 5381;

    if (!id || document->failed ||
        EVP_Digest(document->data, document->len, digest, NULL, EVP_sha256(), NULL) != 1)
        return false;
    for (const char *c = i->o.id; *c; c++)
        h = h * 33 ^ (uint8_t)*c;
    s = &id->places[h % PLACES];
    if (!s->text[form] || memcmp(s->digest[form], digest, DIGEST) != 0) {
        free(s->text[form]);
        s->text[form] =
            form == IDENTITY_PKCS7 ? sign_pkcs7(id, document) : sign_plain(id, document);
        memcpy(s->digest[form], digest, DIGEST);
    }
    if (s->text[form])
        buf_adds(out, s->text[form]);
    return s->text[form];
}
