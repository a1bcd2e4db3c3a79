/* SPDX-License-Identifier: Apache-2.0 */
/* What RunInstances takes only in the one form that there is: everything else of it is refused. */
#ifndef VPCD_API_LAUNCH_LIMITS_H
#define VPCD_API_LAUNCH_LIMITS_H

#include "api/call.h"

struct launch_refusals {
    char *template_id, *template_name, *template_version;
    char *market_type;
    struct optint cores, threads;
    char *sev_snp;
    char *reservation, *reservation_id, *reservation_group;
    uint8_t hibernate, enclave;
    char *recovery;
    char *placement_group, *placement_host, *affinity;
    struct optint partition;
    char *kernel, *ramdisk;
};
#define LAUNCH_REFUSALS(s_, m_)                                                                    \
    FIELD(0, FT_STR, s_, m_ template_id, "LaunchTemplate.LaunchTemplateId"),                       \
        FIELD(0, FT_STR, s_, m_ template_name, "LaunchTemplate.LaunchTemplateName"),               \
        FIELD(0, FT_STR, s_, m_ template_version, "LaunchTemplate.Version"),                       \
        FIELD(0, FT_STR, s_, m_ market_type, "InstanceMarketOptions.MarketType"),                  \
        FIELD(0, FT_OPTINT, s_, m_ cores, "CpuOptions.CoreCount"),                                 \
        FIELD(0, FT_OPTINT, s_, m_ threads, "CpuOptions.ThreadsPerCore"),                          \
        FIELD(0, FT_STR, s_, m_ sev_snp, "CpuOptions.AmdSevSnp"),                                  \
        FIELD(0, FT_STR, s_, m_ reservation,                                                       \
              "CapacityReservationSpecification.CapacityReservationPreference"),                   \
        FIELD(0, FT_STR, s_, m_ reservation_id,                                                    \
              "CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId"), \
        FIELD(0, FT_STR, s_, m_ reservation_group,                                                 \
              "CapacityReservationSpecification.CapacityReservationTarget."                        \
              "CapacityReservationResourceGroupArn"),                                              \
        FIELD(0, FT_TRI, s_, m_ hibernate, "HibernationOptions.Configured"),                       \
        FIELD(0, FT_TRI, s_, m_ enclave, "EnclaveOptions.Enabled"),                                \
        FIELD(0, FT_STR, s_, m_ recovery, "MaintenanceOptions.AutoRecovery"),                      \
        FIELD(0, FT_STR, s_, m_ placement_group, "Placement.GroupName"),                           \
        FIELD(0, FT_STR, s_, m_ placement_host, "Placement.HostId"),                               \
        FIELD(0, FT_STR, s_, m_ affinity, "Placement.Affinity"),                                   \
        FIELD(0, FT_OPTINT, s_, m_ partition, "Placement.PartitionNumber"),                        \
        FIELD(0, FT_STR, s_, m_ kernel, "KernelId"), FIELD(0, FT_STR, s_, m_ ramdisk, "RamdiskId")
int launch_check_refusals(struct call *c, const struct launch_refusals *p);

extern const struct desc block_device_param_desc;
/* An instance has the disk that its image shows (images.c), and no other. */
int launch_check_devices(struct call *c, const struct list *devices);

#endif
