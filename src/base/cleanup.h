/* SPDX-License-Identifier: Apache-2.0 */
/* Cleanup by scope: `_free_ char *s = ...` is released at every return; `TAKE_PTR(s)` gives it
 * away. */
#ifndef VPCD_BASE_CLEANUP_H
#define VPCD_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p) {
    free(*(void **)p);
}

static inline void cleanup_close(int *fd) {
    if (*fd >= 0)
        close(*fd);
}

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _free_ _cleanup_(cleanup_free)
#define _close_ _cleanup_(cleanup_close)

#define TAKE_PTR(p)                                                                                \
    ({                                                                                             \
        __typeof__(p) *_pp = &(p), _taken = *_pp;                                                  \
        *_pp = NULL;                                                                               \
        _taken;                                                                                    \
    })
#define TAKE_FD(fd)                                                                                \
    ({                                                                                             \
        int *_pfd = &(fd), _taken_fd = *_pfd;                                                      \
        *_pfd = -1;                                                                                \
        _taken_fd;                                                                                 \
    })

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
