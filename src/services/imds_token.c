/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 40 bytes of a token, and what HMAC-SHA256 is made over:
 *
 *     1 version | 5 end, seconds, big endian | 6 random || 28 the first bytes of the HMAC
 *     version, end, random, the instance's key in the store
 *
 * In base64 with '-' and '_' (RFC 4648 section 5), 56 characters. Two tokens that are asked for at
 * once differ by the random bytes.
 */
#include "services/imds_token.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"

#define VERSION 1
#define HEAD 12
#define MAC 28
#define BYTES (HEAD + MAC)

int imds_token_key(const uint8_t secret[SERVICES_SECRET], uint8_t ret_key[SERVICES_SECRET]) {
    _close_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    unsigned len = SERVICES_SECRET;
    char id[64];
    ssize_t n;

    if (fd < 0)
        return -errno;
    n = read(fd, id, sizeof(id));
    if (n <= 0)
        return n < 0 ? -errno : -EIO;
    if (!HMAC(EVP_sha256(), secret, SERVICES_SECRET, (const uint8_t *)id, (size_t)n, ret_key, &len))
        return -ENOMEM;
    return 0;
}

static int sign(const uint8_t *key, const struct instance *i, const uint8_t head[HEAD],
                uint8_t ret_mac[EVP_MAX_MD_SIZE]) {
    uint8_t text[HEAD + OBJ_KEY_MAX];
    char name[OBJ_KEY_MAX];
    size_t n = strlen(obj_key(&i->o, name));
    unsigned len;

    memcpy(text, head, HEAD);
    memcpy(text + HEAD, name, n);
    return HMAC(EVP_sha256(), key, SERVICES_SECRET, text, HEAD + n, ret_mac, &len) ? 0 : -ENOMEM;
}

int imds_token_make(const uint8_t key[SERVICES_SECRET], const struct instance *i, int64_t now,
                    int64_t ttl, char ret_token[IMDS_TOKEN_TEXT]) {
    uint64_t end = (uint64_t)(now + ttl);
    uint8_t bytes[BYTES] = {VERSION}, mac[EVP_MAX_MD_SIZE];
    int r;

    for (int b = 0; b < 5; b++)
        bytes[1 + b] = (uint8_t)(end >> (32 - 8 * b));
    if (getrandom(bytes + 6, 6, 0) != 6)
        return -EIO;
    r = sign(key, i, bytes, mac);
    if (r < 0)
        return r;
    memcpy(bytes + HEAD, mac, MAC);
    EVP_EncodeBlock((uint8_t *)ret_token, bytes, BYTES);
    for (char *c = ret_token; *c; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    return 0;
}

/* 40 bytes are 13 groups of three and one byte: 54 characters that say something and two '='. */
static bool decode(const char *token, uint8_t ret_bytes[BYTES]) {
    uint8_t text[IMDS_TOKEN_TEXT], bytes[42];
    size_t n = strlen(token);

    if (n != IMDS_TOKEN_TEXT - 1 || strcmp(token + n - 2, "==") != 0)
        return false;
    for (size_t i = 0; i < n - 2; i++) {
        char c = token[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_'))
            return false;
        text[i] = (uint8_t)(c == '-' ? '+' : c == '_' ? '/' : c);
    }
    memcpy(text + n - 2, "==", 3);
    if (EVP_DecodeBlock(bytes, text, (int)n) != (int)sizeof(bytes))
        return false;
    memcpy(ret_bytes, bytes, BYTES);
    return true;
}

int64_t imds_token_left(const uint8_t key[SERVICES_SECRET], const struct instance *i, int64_t now,
                        const char *token) {
    uint8_t bytes[BYTES], mac[EVP_MAX_MD_SIZE];
    int64_t end = 0;

    if (!decode(token, bytes) || bytes[0] != VERSION || sign(key, i, bytes, mac) < 0 ||
        CRYPTO_memcmp(bytes + HEAD, mac, MAC) != 0)
        return 0;
    for (int b = 0; b < 5; b++)
        end = end << 8 | bytes[1 + b];
    /* Signed by us, so `end` is ours; a longer life than any token gets would be a clock gone back.
     */
    return end <= now || end - now > IMDS_TTL_MAX ? 0 : end - now;
}
