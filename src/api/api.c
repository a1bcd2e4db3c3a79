/* SPDX-License-Identifier: Apache-2.0 */
/* The API's front: which protocol a request speaks, and what all of them share. */
#include "api/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/auth.h"
#include "api/private.h"
#include "api/sweep.h"
#include "api/throttle.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"

void request_id_make(char out[REQUEST_ID]) {
    uint8_t r[16];
    char hex[33];

    random_bytes(r, sizeof(r));
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    hex_format(r, sizeof(r), hex);
    snprintf(out, REQUEST_ID, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
}

/* AWS's JSON protocol, of CloudWatch Logs. */
static void handle_json(struct api *api, struct http_request *req) {
    struct logs_caller caller;
    struct identity who;
    struct auth_error ae;
    uint16_t region;
    char id[REQUEST_ID];

    request_id_make(id);
    if (auth_check(state_index(api->config.state), req, time_ms() / 1000, &who, &ae) < 0) {
        logs_wire_refuse(req, id, ae.code, ae.message);
        return;
    }
    region = region_by_name(who.region);
    if (strcmp(who.service, LOGS_SERVICE) != 0 || !region || !api->region_served[region])
        logs_wire_refuse(req, id, "SignatureDoesNotMatch",
                         "The credential's scope must name the service 'logs' and a region that is "
                         "served here.");
    else if (!throttle_take(api->throttle, who.account, mono_ns()))
        logs_wire_refuse(req, id, "ThrottlingException", "Rate exceeded");
    else if (!api->logs)
        logs_wire_refuse(req, id, "ServiceUnavailableException",
                         *api->logs_error ? api->logs_error : "There are no log groups here.");
    else {
        caller = (struct logs_caller){.account = who.account, .region = region_name(region)};
        logs_wire_call(api->logs, req, &caller, id);
    }
}

void api_forget_logs(struct api *api, uint64_t account) {
    if (api->logs)
        logs_wire_forget(api->logs, account);
}

static bool claims_all(const struct http_request *req) {
    return true;
}

/* What a request is, by its head alone: the first one that claims it. */
static const struct {
    bool (*claims)(const struct http_request *req);
    void (*handle)(struct api *api, struct http_request *req);
} wires[] = {
    {logs_wire_claims, handle_json},
    {claims_all, query_handle},
};

void api_handle(void *ctx, struct http_request *req) {
    size_t i = 0;

    while (!wires[i].claims(req))
        i++;
    wires[i].handle(ctx, req);
}

static void logs_busy(struct api *api, uint64_t account, uint64_t ns) {
    throttle_charge(api->throttle, account, ns);
}

/* Without log groups everything else goes on: their error says why. */
static void start_logs(struct api *api) {
    const struct logs_wire_config config = {
        .base = api->config.base,
        .directory = api->config.logs_dir,
        .limits.account_bytes = api->config.account_log_bytes,
        .api = api,
        .busy = logs_busy,
        .delivery = api_delivery_report,
    };
    char error[LOGS_ERROR];

    if (api->config.logs_dir && logs_wire_new(&config, &api->logs, error) < 0) {
        snprintf(api->logs_error, sizeof(api->logs_error),
                 "The log groups cannot be opened: %.200s", error);
        log_error("the log groups in %s cannot be opened: %s", api->config.logs_dir, error);
    }
}

struct sweep *api_sweeper(const struct api *api) {
    return api->sweep;
}

void api_sweep(struct api *api, void (*on_step)(void *arg, bool more), void *arg) {
    sweep_step(api->sweep, on_step, arg);
}

const struct api_config *api_config(const struct api *api) {
    return &api->config;
}

int api_new(const struct api_config *config, struct api **ret_api, char *error) {
    struct api *api = calloc(1, sizeof(*api));

    if (!api)
        return -ENOMEM;
    api->config = *config;
    for (uint16_t i = 1; i <= region_count(); i++)
        api->region_served[i] = !config->regions;
    for (const char *at = config->regions; at && *at;) {
        char name[32];
        size_t n = strcspn(at, ",");
        uint16_t region = 0;

        if (n < sizeof(name)) {
            memcpy(name, at, n);
            name[n] = 0;
            region = region_by_name(name);
        }
        if (!region) {
            snprintf(error, 256, "AWS has no region '%.*s'", (int)(n < 64 ? n : 64), at);
            free(api);
            return -EINVAL;
        }
        api->region_served[region] = true;
        at += n + (at[n] == ',');
    }
    api->throttle = throttle_new(config->calls_per_second, config->calls_burst);
    api->sweep = sweep_new(config->state);
    if (!api->throttle || !api->sweep) {
        api_free(api);
        return -ENOMEM;
    }
    start_logs(api);
    *ret_api = api;
    return 0;
}

void api_free(struct api *api) {
    if (!api)
        return;
    logs_wire_free(api->logs);
    throttle_free(api->throttle);
    sweep_free(api->sweep);
    free(api);
}

bool api_serves(const struct api *api, uint16_t region) {
    return api->region_served[region];
}
