# SPDX-License-Identifier: Apache-2.0
"""Frames by hand: builders, a parser, and checksums computed independently of the kernel and of the product.

A builder takes text addresses and returns bytes; what is inside comes last, so they nest:

    ether(dst, src, ipv4("10.0.1.4", "10.0.1.5", udp(1000, 2000, b"hello")))

ipv4() and ipv6() fill in the checksum of the UDP, TCP or ICMP that they carry. Every field that a header lies
about in some test is a keyword.
"""
import ipaddress
import socket
import struct

BROADCAST = "ff:ff:ff:ff:ff:ff"
ROUTER6 = "fe80::1"
ARP, IPV4, IPV6, VLAN = 0x0806, 0x0800, 0x86dd, 0x8100
ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def mac_text(raw):
    return ":".join(f"{b:02x}" for b in raw)


def packed(address):
    return ipaddress.ip_address(address).packed


def checksum(data):
    """RFC 1071, written for reading."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def pseudo(src, dst, protocol, length):
    """The pseudo header of either family; packed addresses."""
    if len(src) == 4:
        return src + dst + struct.pack("!BBH", 0, protocol, length)
    return src + dst + struct.pack("!IHBB", length, 0, 0, protocol)


# Builders

def ether(dst, src, inside, kind=None):
    if kind is None:
        kind = {4: IPV4, 6: IPV6}[inside[0] >> 4]
    return mac_bytes(dst) + mac_bytes(src) + struct.pack("!H", kind) + inside


def vlan(number, kind, inside):
    """What follows an Ethernet header of kind VLAN."""
    return struct.pack("!HH", number, kind) + inside


class Transport(bytes):
    """A transport header and payload that still wants its checksum: `protocol`, and where the sum goes."""
    protocol, at = None, None

    @classmethod
    def of(cls, protocol, at, data):
        made = cls(data)
        made.protocol, made.at = protocol, at
        return made

    def summed(self, src, dst):
        pre = b"" if self.protocol == ICMP else pseudo(src, dst, self.protocol, len(self))
        total = checksum(pre + self) or 0xffff
        return bytes(self[:self.at]) + struct.pack("!H", total) + bytes(self[self.at + 2:])


def udp(sport, dport, data=b"", length=None):
    return Transport.of(UDP, 6, struct.pack("!HHHH", sport, dport, 8 + len(data) if length is None else length, 0) + data)


def tcp(sport, dport, flags=SYN, seq=1, ack=0, data=b"", doff=5):
    return Transport.of(TCP, 16, struct.pack("!HHIIBBHHH", sport, dport, seq, ack, doff << 4, flags, 64000, 0, 0) + data)


def icmp(kind, code=0, number=1, seq=1, data=b"", family=4):
    return Transport.of(ICMP if family == 4 else ICMP6, 2, struct.pack("!BBHHH", kind, code, 0, number, seq) + data)


def ns(target, mac=None):
    option = struct.pack("!BB", 1, 1) + mac_bytes(mac) if mac else b""
    return Transport.of(ICMP6, 2, struct.pack("!BBHI", 135, 0, 0, 0) + packed(target) + option)


def na(target, mac, flags=0xa0000000):
    return Transport.of(ICMP6, 2, struct.pack("!BBHI", 136, 0, 0, flags) + packed(target) +
                        struct.pack("!BB", 2, 1) + mac_bytes(mac))


def ra(mac):
    return Transport.of(ICMP6, 2, struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) +
                        struct.pack("!BB", 1, 1) + mac_bytes(mac))


def _inside(src, dst, inside, protocol):
    if isinstance(inside, Transport):
        return inside.summed(src, dst), inside.protocol if protocol is None else protocol
    return bytes(inside), protocol


def ipv4(src, dst, inside=b"", protocol=None, ttl=64, fragment=0, identification=7, version=4, ihl=None, total=None,
         options=b""):
    """fragment: flags and offset, as the header has them (0x2000: more follow)."""
    src, dst = packed(src), packed(dst)
    inside, protocol = _inside(src, dst, inside, protocol)
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH4s4s", version << 4 | (words if ihl is None else ihl), 0,
                       words * 4 + len(inside) if total is None else total, identification, fragment, ttl, protocol, 0,
                       src, dst) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + inside


def ipv6(src, dst, inside=b"", protocol=None, hops=64, version=6, length=None, extensions=()):
    """extensions: (number, bytes) in order; each one's first byte is filled in with the next number."""
    src, dst = packed(src), packed(dst)
    inside, protocol = _inside(src, dst, inside, protocol)
    numbers = [n for n, _ in extensions] + [protocol]
    body = b"".join(bytes([numbers[i + 1]]) + e[1:] for i, (_, e) in enumerate(extensions)) + inside
    return struct.pack("!IHBB", version << 28, len(body) if length is None else length, numbers[0], hops) + src + dst + body


def ip(src, dst, inside, **more):
    return (ipv6 if ":" in src else ipv4)(src, dst, inside, **more)


def arp(op, sha, spa, tha, tpa):
    return struct.pack("!HHBBH", 1, IPV4, 6, 4, op) + mac_bytes(sha) + packed(spa) + mac_bytes(tha) + packed(tpa)


def solicited_node(target):
    return str(ipaddress.ip_address(packed("ff02::1:ff00:0")[:13] + packed(target)[13:]))


# The parser

class Frame:
    """A received frame. Fields that it does not have are None; `faults` says what a strict receiver would mind."""

    def __init__(self, raw):
        self.raw, self.faults = raw, []
        self.dst, self.src, self.kind = mac_text(raw[:6]), mac_text(raw[6:12]), struct.unpack("!H", raw[12:14])[0]
        self.source = self.destination = self.protocol = self.sport = self.dport = self.type = self.code = None
        self.payload, self.op, self.flags, self.transport = b"", None, None, b""
        self.identification = self.fragment = None  # IPv4's words, IPv6's fragment header's
        if self.kind == IPV4:
            self._ipv4(raw[14:])
        elif self.kind == IPV6:
            self._ipv6(raw[14:])
        elif self.kind == ARP:
            _, _, _, _, self.op, sha, spa, tha, tpa = struct.unpack("!HHBBH6s4s6s4s", raw[14:42])
            self.sha, self.spa, self.tha, self.tpa = (mac_text(sha), socket.inet_ntoa(spa), mac_text(tha),
                                                      socket.inet_ntoa(tpa))

    def _ipv4(self, d):
        header, total = (d[0] & 15) * 4, struct.unpack("!H", d[2:4])[0]
        self.protocol, self.ttl, self.length = d[9], d[8], total
        self.source, self.destination = socket.inet_ntoa(d[12:16]), socket.inet_ntoa(d[16:20])
        if checksum(d[:header]):
            self.faults.append("IPv4 header checksum")
        self.identification, self.fragment = struct.unpack("!HH", d[4:8])
        if self.fragment & 0x3fff: # a piece: its transport header is not whole, or not there
            self.transport = self.payload = d[header:total]
            return
        self._transport(d[12:16], d[16:20], d[header:total])

    def _ipv6(self, d):
        length = struct.unpack("!H", d[4:6])[0]
        self.protocol, self.ttl, self.length = d[6], d[7], length + 40
        self.source, self.destination = (str(ipaddress.ip_address(d[8:24])), str(ipaddress.ip_address(d[24:40])))
        if self.protocol == 44:
            self.protocol, _, self.fragment, self.identification = struct.unpack("!BBHI", d[40:48])
            self.transport = self.payload = d[48:40 + length]
            return
        self._transport(d[8:24], d[24:40], d[40:40 + length])

    def _transport(self, src, dst, t):
        self.transport = t
        if self.protocol in (TCP, UDP):
            self.sport, self.dport = struct.unpack("!HH", t[:4])
            self.payload = t[8:] if self.protocol == UDP else t[(t[12] >> 4) * 4:]
            self.flags = t[13] if self.protocol == TCP else None
            unsummed = self.protocol == UDP and len(src) == 4 and t[6:8] == b"\0\0"
            if not unsummed and checksum(pseudo(src, dst, self.protocol, len(t)) + t):
                self.faults.append("transport checksum")
        elif self.protocol in (ICMP, ICMP6):
            self.type, self.code, self.payload = t[0], t[1], t[8:]
            self.number = struct.unpack("!H", t[4:6])[0]
            pre = pseudo(src, dst, ICMP6, len(t)) if self.protocol == ICMP6 else b""
            if checksum(pre + t):
                self.faults.append("ICMP checksum")
        else:
            self.payload = t

    def __repr__(self):
        return (f"<{self.src}>{self.dst} {self.kind:04x} {self.source}>{self.destination} {self.protocol} "
                f"{self.sport}>{self.dport} {self.type}/{self.code} {self.payload[:40]!r} {self.faults}>")
