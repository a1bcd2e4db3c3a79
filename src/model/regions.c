/* SPDX-License-Identifier: Apache-2.0 */
#include "model/regions.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

static const struct {
    const char *name, *zone_prefix;
    bool opt_in;
} regions[] = {
    {"-", ""},
    {"af-south-1", "afs1", true},
    {"ap-east-1", "ape1", true},
    {"ap-northeast-1", "apne1"},
    {"ap-northeast-2", "apne2"},
    {"ap-northeast-3", "apne3"},
    {"ap-south-1", "aps1"},
    {"ap-south-2", "aps2", true},
    {"ap-southeast-1", "apse1"},
    {"ap-southeast-2", "apse2"},
    {"ap-southeast-3", "apse3", true},
    {"ap-southeast-4", "apse4", true},
    {"ap-southeast-5", "apse5", true},
    {"ap-southeast-7", "apse7", true},
    {"ca-central-1", "cac1"},
    {"ca-west-1", "caw1", true},
    {"eu-central-1", "euc1"},
    {"eu-central-2", "euc2", true},
    {"eu-north-1", "eun1"},
    {"eu-south-1", "eus1", true},
    {"eu-south-2", "eus2", true},
    {"eu-west-1", "euw1"},
    {"eu-west-2", "euw2"},
    {"eu-west-3", "euw3"},
    {"il-central-1", "ilc1", true},
    {"me-central-1", "mec1", true},
    {"me-south-1", "mes1", true},
    {"mx-central-1", "mxc1", true},
    {"sa-east-1", "sae1"},
    {"us-east-1", "use1"},
    {"us-east-2", "use2"},
    {"us-west-1", "usw1"},
    {"us-west-2", "usw2"},
};

uint16_t region_count(void) {
    return ARRAY_SIZE(regions) - 1;
}

const char *region_name(uint16_t region) {
    return region < ARRAY_SIZE(regions) ? regions[region].name : "-";
}

uint16_t region_by_name(const char *name) {
    for (uint16_t i = 1; i < ARRAY_SIZE(regions); i++)
        if (strcmp(regions[i].name, name) == 0)
            return i;
    return 0;
}

bool region_opt_in(uint16_t region) {
    return regions[region].opt_in;
}

char *zone_name(uint16_t region, unsigned i, char *out) {
    snprintf(out, 32, "%s%c", region_name(region), 'a' + (int)i);
    return out;
}

char *zone_id(uint16_t region, unsigned i, char *out) {
    snprintf(out, 32, "%s-az%u", regions[region].zone_prefix, i + 1);
    return out;
}

int zone_by_name(uint16_t region, const char *zone) {
    char text[32];

    for (unsigned i = 0; i < REGION_ZONES; i++)
        if (strcmp(zone_name(region, i, text), zone) == 0 ||
            strcmp(zone_id(region, i, text), zone) == 0)
            return (int)i;
    return -1;
}
