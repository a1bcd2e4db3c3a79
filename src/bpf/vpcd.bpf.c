/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The whole packet path as one object, so that one skeleton holds it: the hooks are included. */
#include "bpf/arp.h"
#include "bpf/commit.h"
#include "bpf/deliver.h"
#include "bpf/flow.h"
#include "bpf/nd.h"
#include "bpf/packet.h"
#include "bpf/parse.h"
#include "bpf/service_back.h"
#include "bpf/slow.h"

#include "bpf/eni.bpf.c"
#include "bpf/guard.bpf.c"
#include "bpf/log.bpf.c"
#include "bpf/services.bpf.c"
#include "bpf/stub.bpf.c"
#include "bpf/sweep.bpf.c"
#include "bpf/uplink.bpf.c"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
