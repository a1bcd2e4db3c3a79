/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/resolv.h"

#include <string.h>

#include "base/text.h"
#include "model/vpc.h"

#define SERVERS_MAX 3 /* resolv.conf(5): MAXNS */

static void add_server(const struct vpc *vpc, const char *text, struct buf *out) {
    char address[IP_TEXT];
    struct ip ip;

    if (strcmp(text, "AmazonProvidedDNS") == 0)
        ip = ip_add(&vpc->cidr.ip, 2);
    else if (ip_parse(text, &ip) < 0)
        return;
    buf_addf(out, "nameserver %s\n", ip_format(&ip, address));
}

void resolv_conf(const struct index *ix, const struct network_interface *eni, struct buf *out) {
    const struct vpc *vpc = index_get(ix, KIND_VPC, eni->o.scope, eni->vpc_id);
    const struct list *servers = vpc ? dhcp_option_values(ix, vpc, "domain-name-servers") : NULL;
    const struct list *domain = vpc ? dhcp_option_values(ix, vpc, "domain-name") : NULL;

    buf_adds(out, "# The DHCP options of the VPC, as the instance started.\n");
    for (uint32_t i = 0; servers && i < servers->n && i < SERVERS_MAX; i++)
        add_server(vpc, list_str(*servers, i), out);
    if (!servers || !servers->n)
        buf_adds(out, "nameserver 169.254.169.253\n");
    if (domain && domain->n)
        buf_addf(out, "search %s\n", list_str(*domain, 0));
}
