/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/tell.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

/* A touch makes a new version of what stays the same. */
static bool same_content(const struct obj *old, const struct buf *doc) {
    _buf_ struct buf before = BUF_INIT;

    obj_encode(old, &before);
    return !before.failed && before.len == doc->len &&
           memcmp(buf_str(&before), buf_str(doc), doc->len) == 0;
}

bool tell_object(struct stream_server *server, const struct obj *old, const struct obj *new) {
    const struct obj *o = new ? new : old;
    _buf_ struct buf doc = BUF_INIT;
    char key[OBJ_KEY_MAX];

    obj_key(o, key);
    if (!new) {
        stream_server_delete(server, key, old->version);
        return true;
    }
    obj_encode(new, &doc);
    if (old && !doc.failed && same_content(old, &doc))
        return false;
    if (doc.failed || stream_server_object(server, key, new->version, buf_str(&doc), doc.len) < 0)
        log_error("those who follow could not be told of %s", key);
    return true;
}

int tell_all(struct stream_agent *agent, const struct index *ix,
             bool (*wanted)(const struct kind_info *kind)) {
    struct cursor c;
    int r;

    for (enum kind k = 1; k < KIND_COUNT; k++) {
        if (!wanted(kind_info(k)))
            continue;
        index_each_all(ix, c, k) {
            const struct obj *o = c.obj;
            _buf_ struct buf doc = BUF_INIT;
            char key[OBJ_KEY_MAX];

            obj_encode(o, &doc);
            if (doc.failed) {
                stream_agent_close(agent, "memory is short");
                return -ENOMEM;
            }
            r = stream_agent_object(agent, obj_key(o, key), o->version, buf_str(&doc), doc.len);
            if (r < 0)
                return r;
        }
    }
    return 0;
}
