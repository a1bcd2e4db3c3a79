/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the API's front share: api.c and one file a protocol. */
#ifndef VPCD_API_PRIVATE_H
#define VPCD_API_PRIVATE_H

#include "api/actions.h"
#include "api/api.h"
#include "api/logs/wire.h"

struct api {
    struct api_config config;
    bool region_served[64];
    struct throttle *throttle;
    struct sweep *sweep;
    struct logs_wire *logs; /* NULL: there are no log groups */
    char logs_error[LOGS_ERROR];
};

#define REQUEST_ID 37

/* A random UUID (RFC 4122, 4.4). */
void request_id_make(char out[REQUEST_ID]);

/* The Query protocol of EC2, STS and IAM (query.c). */
void query_handle(struct api *api, struct http_request *req);

#endif
