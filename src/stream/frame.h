/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames of the state stream, as bytes. Numbers are little-endian.
 *
 *     u32 length (of what follows, 1 to STREAM_FRAME_MAX), u8 type, body:
 *
 *     HELLO       "vpcd", u16 oldest, u16 newest protocol, u8 role, u8 n, host[n], u8 m, state[m]
 *     SNAP_BEGIN
 *     OBJECT      u64 version, u16 n, key[n], bytes to the end
 *     DELETE      u64 version, u16 n, key[n]
 *     SNAP_END    u64 revision
 *     REVISION    u64 revision
 *     REPORT      u16 kind, u16 n, id[n], bytes to the end
 *
 * Keys, ids and names are text without control characters. A frame has exactly one form: what
 * decodes encodes to the same bytes again.
 *
 * The daemon sends HELLO, SNAP_BEGIN, OBJECT..., SNAP_END, then {OBJECT|DELETE... REVISION}...
 * The agent sends HELLO, then REPORT...
 */
#ifndef VPCD_STREAM_FRAME_H
#define VPCD_STREAM_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define STREAM_FRAME_MAX (2 * 1024 * 1024)
#define STREAM_HEADER 4
#define STREAM_KEY_MAX 512
#define STREAM_NAME_MAX 255
#define STREAM_DATA_MAX (STREAM_FRAME_MAX - 16 - STREAM_KEY_MAX) /* with a key of any length */

/* The protocols that this program speaks. */
#define STREAM_PROTOCOL_OLDEST 1
#define STREAM_PROTOCOL_NEWEST 1

enum stream_type {
    STREAM_HELLO = 1,
    STREAM_SNAP_BEGIN = 2,
    STREAM_OBJECT = 3,
    STREAM_DELETE = 4,
    STREAM_SNAP_END = 5,
    STREAM_REVISION = 6,
    STREAM_REPORT = 7,
};

enum stream_role {
    STREAM_ROLE_DAEMON = 1,
    STREAM_ROLE_AGENT = 2,
};

struct stream_hello {
    uint16_t oldest, newest;
    uint8_t role;
    const char *host;  /* the machine's name */
    const char *state; /* hash of the state directory, or of the cluster */
};

struct stream_frame {
    enum stream_type type;
    struct stream_hello hello; /* HELLO; of a decoded frame the names point into `text` */
    uint64_t number;           /* OBJECT, DELETE: version; SNAP_END, REVISION: revision */
    uint16_t kind;             /* REPORT */
    const char *key;           /* OBJECT, DELETE: key; REPORT: id; likewise in `text` */
    const void *data;          /* OBJECT, REPORT: of a decoded frame, in the bytes given */
    size_t len;
    char text[2 * (STREAM_NAME_MAX + 1) + 1]; /* the decoder's; filled by it alone */
};
_Static_assert(sizeof(((struct stream_frame *)0)->text) > STREAM_KEY_MAX, "a key has no room");

/*
 * How many bytes the frame at `data` has in all, header included; 0: the header is not whole yet;
 * -EMSGSIZE: its length is none.
 */
int64_t frame_length(const void *data, size_t len);

/* Decodes one whole frame of frame_length bytes into *frame. 0, or -EPROTO and why. */
int frame_decode(const void *data, size_t len, struct stream_frame *frame, const char **ret_why);

/* Appends the frame. 0, -EMSGSIZE, -EINVAL (text), -ENOMEM; then nothing was appended. */
int frame_encode(struct buf *out, const struct stream_frame *frame);

#endif
