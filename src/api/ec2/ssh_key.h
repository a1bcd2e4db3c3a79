/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of SSH: made, read, and named by their fingerprints as EC2 does it. */
#ifndef VPCD_API_SSH_KEY_H
#define VPCD_API_SSH_KEY_H

#include "base/buf.h"

struct ssh_key {
    const char *type;       /* "rsa" or "ed25519" */
    char *public_key;       /* TYPE BASE64, without a comment */
    char *fingerprint;      /* see below */
    struct buf private_key; /* of a new key: the file for ssh */
};
void ssh_key_clear(struct ssh_key *k);

/*
 * A new key: "rsa" (2048 bits, PKCS#1 in PEM; fingerprint: SHA-1 of the private key as PKCS#8 in
 * DER) or "ed25519" (OpenSSH's own format; fingerprint: SHA-256 of the public key, base64).
 * EC2 user guide, "Verify the fingerprint of your key pair". 0 or -ENOMEM.
 */
int ssh_key_make(const char *type, struct ssh_key *ret);

/*
 * A public key of somebody's: a line of OpenSSH's, an RFC 4716 file, or a base64 SubjectPublicKey
 * in DER; RSA of 1024, 2048 or 4096 bits (fingerprint: MD5 of the public key in DER), or ED25519.
 * 0, -EINVAL (no such key), -ENOMEM.
 */
int ssh_key_read(const char *text, size_t len, struct ssh_key *ret);

#endif
