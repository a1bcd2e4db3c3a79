/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Why a packet was dropped: one row a reason, the only place where a reason is described.
 *
 *     X(number, symbol, name, sentence)
 *
 * The number is the index in the `drops` map and never changes its meaning; a reason that is no
 * longer used keeps its row. The name is what `vpcctl drops` prints, the sentence what it explains.
 */
#ifndef VPCD_ABI_DROP_H
#define VPCD_ABI_DROP_H

/* clang-format off */
#define DROP_REASONS(X) \
    X(0, NONE, "none", "Not dropped.") \
    X(1, INTERNAL, "internal-error", "The data plane could not do its work (memory, a helper of the kernel); please report it.") \
    X(2, NOT_READY, "not-ready", "The interface is not known to the data plane (yet, or no longer).") \
    X(3, TRUNCATED, "truncated", "The packet ends inside its own headers.") \
    X(4, MALFORMED, "malformed", "A header contradicts itself (version, lengths, extension headers).") \
    X(5, VLAN, "vlan-tagged", "VLAN-tagged frames do not exist inside a VPC.") \
    X(6, ETHERTYPE, "ethertype", "Neither IPv4, IPv6 nor ARP.") \
    X(7, MAPPED, "ipv4-mapped", "An IPv6 packet with an IPv4-mapped address.") \
    X(8, BAD_SOURCE, "bad-source", "The source is multicast, broadcast, loopback or unspecified.") \
    X(9, MULTICAST, "multicast", "Multicast and broadcast go nowhere inside a VPC.") \
    X(10, FRAGMENT, "fragment", "A fragment that overlaps another or comes after a later one, is too small or ends too far, or is of a protocol that may not be fragmented here.") \
    X(11, EXTENSIONS, "ipv6-extensions", "Too many IPv6 extension headers, or a source route (of either family).") \
    X(12, SPOOFED_MAC, "spoofed-mac", "The frame's source MAC is not the interface's own.") \
    X(13, SPOOFED_ADDRESS, "spoofed-address", "The source is no private address of the interface (SourceDestCheck).") \
    X(14, SPOOFED_ARP, "spoofed-arp", "ARP or neighbour discovery that speaks for somebody else.") \
    X(15, ARP_UNKNOWN, "arp-unknown", "ARP or neighbour discovery for an address that nobody has here (or a probe, which must stay unanswered).") \
    X(16, ND_INVALID, "nd-invalid", "Neighbour discovery that RFC 4861 tells a receiver to discard.") \
    X(17, ROUTER_SOLICITATION, "router-solicitation", "A router solicitation to nobody who answers it.") \
    X(18, MLD, "multicast-listener", "Multicast listener reports: there is no multicast inside a VPC.") \
    X(19, DHCP, "dhcp", "DHCP that is no client's question to the subnet's server: an instance is none.") \
    X(20, LINK_LOCAL, "link-local", "Link-local destinations are not forwarded, and this service is not there.") \
    X(21, TO_ROUTER, "to-router", "The router's own address answers nothing.") \
    X(22, GROUP_EGRESS, "security-group-egress", "No rule of the sender's security groups allows it out.") \
    X(23, GROUP_INGRESS, "security-group-ingress", "No rule of the receiver's security groups allows it in.") \
    X(24, ACL_EGRESS, "network-acl-egress", "Refused by the network ACL of the sender's subnet.") \
    X(25, ACL_INGRESS, "network-acl-ingress", "Refused by the network ACL of the receiver's subnet.") \
    X(26, NO_ROUTE, "no-route", "The subnet's route table has no route for the destination.") \
    X(27, BLACKHOLE, "blackhole", "The route's target is gone.") \
    X(28, ROUTE_KIND, "route-target", "The route's target is of a kind that this version cannot forward to.") \
    X(29, NO_ADDRESS, "no-such-address", "No interface of the VPC, or of the peered VPC that the route leads to, has the destination's address.") \
    X(30, NO_LINK, "no-link", "The receiving interface is not on this host or not running.") \
    X(31, NOT_DESTINATION, "not-destination", "The receiving interface checks its destinations and does not have this address.") \
    X(32, NO_PUBLIC, "no-public-address", "Sent to an internet gateway from an address that has no public address.") \
    X(33, NO_UPLINK, "no-uplink", "There is no uplink on this host.") \
    X(34, UPLINK_DESTINATION, "uplink-destination", "The uplink does not carry packets to this destination (an unused address of the pool, or a network of the host).") \
    X(35, UPLINK_PORT, "uplink-port", "A service of the host that --uplink-allow does not name.") \
    X(36, UPLINK_UNKNOWN, "uplink-unknown", "From the uplink to an address that belongs to no interface.") \
    X(37, TOO_BIG, "too-big", "Larger than the next hop's MTU.") \
    X(38, ALLOWANCE, "conntrack-allowance", "The interface has as many tracked flows as it may have (conntrack_allowance_exceeded).") \
    X(39, FLOW_TABLE, "flow-table-full", "The host's flow table is full.") \
    X(40, HOST_TO_ENI, "host-to-interface", "The host itself sent into an interface; only the data plane may.") \
    X(41, NAT_PROTOCOL, "nat-protocol", "A NAT gateway translates TCP, UDP and ICMP echo requests, and IPv4 only.") \
    X(42, NAT_PORTS, "nat-port-allocation", "The NAT gateway has 55,000 flows to this destination for each of its addresses (ErrorPortAllocation).") \
    X(43, NAT_RESET, "nat-idle", "TCP through a NAT gateway of no connection that it knows, or that was idle for 350 s: reset.") \
    X(44, NAT_UNSOLICITED, "nat-unsolicited", "To a NAT gateway's address, and of no flow that began behind it.") \
    X(45, EGRESS_ONLY, "egress-only", "From outside to an interface behind an egress-only internet gateway, and of no flow that it began.") \
    X(46, FRAGMENT_LATE, "fragment-without-first", "A later fragment of a packet whose first one did not pass here before it, or too long ago.") \
    X(47, NOT_OPEN, "tap-not-open", "Nobody has the tap of the receiving interface open: its virtual machine does not run.") \
    X(48, FLOW_BUSY, "flow-busy", "The flow's entry was being rewritten all the time; the next packet finds it.") \
    X(49, DNS_OFF, "dns-off", "The resolver is asked in a VPC without enableDnsSupport.") \
    X(50, SERVICE_ALLOWANCE, "linklocal-allowance", "More than 1,024 packets in a second to the services of the link (linklocal_allowance_exceeded).") \
    X(51, SERVICE_ANSWER, "no-answer-of-a-service", "From the services' namespace, and no answer of a service to an address of the interface.") \
    X(52, NO_VPN, "no-vpn", "The route leads to a virtual private gateway, which has no VPN connection that would carry the packet.")
/* clang-format on */

enum drop_reason {
#define DROP_ENUM(number, symbol, name, sentence) DROP_##symbol = number,
    DROP_REASONS(DROP_ENUM)
#undef DROP_ENUM
        DROP_COUNT
};

#define DROP_SLOTS 64 /* entries of the `drops` map: room for later reasons */
_Static_assert(DROP_COUNT <= DROP_SLOTS, "the drops map is too small");

#endif
