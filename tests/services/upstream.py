# SPDX-License-Identifier: Apache-2.0
"""A DNS server for tests: UDP and TCP on a loopback address, a port of its own, everything it was asked kept.

    with Upstream() as up:
        up.zone["www.example.com", "A"] = ["192.0.2.1"]
        ... up.address == "127.0.0.1:40123" ...
        assert up.asked("www.example.com", "A") == 1
"""
import select
import socket
import struct
import threading

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

SOA = "ns.example.com. mail.example.com. 1 7200 900 1209600 60"


class Upstream:
    def __init__(self, host="127.0.0.1", port=0):
        self.zone = {}  # (name, type) -> list of data, in zone file form, with the TTL 300; [] is NODATA
        self.questions = []  # (name, type, "udp" or "tcp"), as they came
        self.silent = False  # takes questions and says nothing
        self.host, self.port = host, port

    def __enter__(self):
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        while True:
            self.tcp = socket.socket(family, socket.SOCK_STREAM)
            self.tcp.bind((self.host, self.port))
            self.udp = socket.socket(family, socket.SOCK_DGRAM)
            self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            self.port = self.tcp.getsockname()[1]
            try:
                self.udp.bind((self.host, self.port))
                break
            except OSError:
                self.close()
                self.port = 0
        self.tcp.listen()
        self.address = f"[{self.host}]:{self.port}" if family == socket.AF_INET6 else f"{self.host}:{self.port}"
        self.stop, self.stopped = socket.socketpair()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.stop.close()
        self.thread.join()
        self.stopped.close()
        self.close()

    def close(self):
        self.tcp.close()
        self.udp.close()

    def asked(self, name, kind):
        return sum(1 for n, k, _ in self.questions if (n, k) == (name.lower(), kind))

    def answer(self, query, transport):
        message = dns.message.from_wire(query)
        question = message.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.questions.append((name, kind, transport))
        if self.silent:
            return None
        reply = dns.message.make_response(message)
        reply.flags |= dns.flags.RA
        found = self.zone.get((name, kind))
        if found and found[0].startswith("CNAME "):
            reply.answer.append(dns.rrset.from_text(question.name, 300, "IN", "CNAME", found[0][6:]))
            question = dns.rrset.RRset(dns.name.from_text(found[0][6:]), question.rdclass, question.rdtype)
            found = self.zone.get((found[0][6:].rstrip("."), kind))
        if found:
            reply.answer.append(dns.rrset.from_text(question.name, 300, "IN", kind, *found))
        else:
            if not any(n == name for n, _ in self.zone):
                reply.set_rcode(dns.rcode.NXDOMAIN)
            reply.authority.append(dns.rrset.from_text("example.com.", 60, "IN", "SOA", SOA))
        wire = reply.to_wire(max_size=65535)
        if transport == "udp" and len(wire) > 1232:
            reply.answer, reply.authority = [], []
            reply.flags |= dns.flags.TC
            wire = reply.to_wire()
        return wire

    def run(self):
        conns = {}
        while True:
            for s in select.select([self.stopped, self.udp, self.tcp, *conns], [], [])[0]:
                if s is self.stopped:
                    for c in conns:
                        c.close()
                    return
                if s is self.udp:
                    query, who = s.recvfrom(65535)
                    wire = self.answer(query, "udp")
                    if wire:
                        s.sendto(wire, who)
                elif s is self.tcp:
                    conns[s.accept()[0]] = b""
                else:
                    data = s.recv(65535)
                    if not data:
                        del conns[s]
                        s.close()
                        continue
                    conns[s] += data
                    while len(conns[s]) >= 2 and len(conns[s]) >= 2 + struct.unpack("!H", conns[s][:2])[0]:
                        n = struct.unpack("!H", conns[s][:2])[0]
                        wire = self.answer(conns[s][2:2 + n], "tcp")
                        conns[s] = conns[s][2 + n:]
                        if wire:
                            s.sendall(struct.pack("!H", len(wire)) + wire)
