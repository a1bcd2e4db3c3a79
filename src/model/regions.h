/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS's regions, as DescribeRegions of an account lists them (AWS: "AWS Regions", EC2 user guide).
 * The number of a region is its place in the table and is part of no document: keys carry the name.
 */
#ifndef VPCD_MODEL_REGIONS_H
#define VPCD_MODEL_REGIONS_H

#include <stdbool.h>
#include <stdint.h>

#define REGION_ZONES 3 /* a, b and c */

uint16_t region_count(void);               /* numbers run from 1 to this, inclusive */
const char *region_name(uint16_t region);  /* "-" for 0 */
uint16_t region_by_name(const char *name); /* 0: AWS has no such region */
bool region_opt_in(uint16_t region);       /* not enabled by default on AWS */

/* Zone i (0 to 2): "us-east-1a", and its id "use1-az1"; `out` holds 32 bytes. */
char *zone_name(uint16_t region, unsigned i, char *out);
char *zone_id(uint16_t region, unsigned i, char *out);
/* By name or by id: 0 to 2, or -1. */
int zone_by_name(uint16_t region, const char *zone);

#endif
