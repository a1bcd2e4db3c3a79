/* SPDX-License-Identifier: Apache-2.0 */
/* vpcd: the supervisor when it is started as root, the worker otherwise. */
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "vpcd/options.h"
#include "vpcd/worker.h"

int main(int argc, char **argv) {
    static struct options o;
    int r = options_parse(argc, argv, &o);

    if (r != 0)
        return r < 0 ? 2 : 0;
    log_setup("vpcd", LOG_INFO);
    return worker_run(&o);
}
