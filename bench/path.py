#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The packet path beside others: the same traffic between two namespaces, in one run (bench/ways.py).

    sudo bench/path.py [--rounds N] [--raw FILE] [WAY...]

needs root, iperf3, nftables and, for its ways, openvswitch-switch, ovn-central and ovn-host. A WAY is wire, kernel:10, ovn:960, vpcd:10...
Each round measures the ways one after the other, in an order that turns. The table has medians over the rounds, and the
median of the ratios to the wire within a round with the quartiles' distance, because machines drift.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys

from ways import Cloud, Kernel, Ovn, Vpcd, Wire

DEFAULT = ["wire", "kernel:10", "kernel:960", "ovn:10", "ovn:960", "vpcd:10", "vpcd:960"]
NEEDS = {"wire": [], "kernel": ["nft"], "ovn": ["ovs-vswitchd", "ovn-northd", "ovn-controller", "ovsdb-server"], "vpcd": []}


def make(name, cloud):
    kind, _, rules = name.partition(":")
    if kind == "wire":
        return Wire()
    return Vpcd(cloud, int(rules)) if kind == "vpcd" else {"kernel": Kernel, "ovn": Ovn}[kind](int(rules))


def measure(names, rounds):
    """[{way: {what: value}}], a round each, and {way: (packets, ns)} of what shows its programs; ways that are not installed are left
    out, and named."""
    ways, cloud, results, programs = [], None, [], {}
    try:
        for name in names:
            missing = [p for p in NEEDS[name.partition(":")[0]] if not shutil.which(p)]
            if missing:
                print(f"without {name}: {', '.join(missing)} not installed", file=sys.stderr)
                continue
            if name.startswith("vpcd") and not cloud:
                cloud = Cloud().start()
            ways.append(make(name, cloud))
            ways[-1].stand()
            print(f"{name} stands", file=sys.stderr)
        for n in range(rounds):
            order = ways[n % len(ways):] + ways[:n % len(ways)]
            results.append({way.name: way.measure() for way in order})
            print(f"round {n + 1} of {rounds}", file=sys.stderr)
        programs = {way.name: way.program() for way in ways if hasattr(way, "program")}
    finally:
        for way in ways:
            way.close()
        if cloud:
            cloud.close()
    return results, programs


def table(results):
    names = [name for name in results[0] if name != "wire"]
    names.sort(key=lambda name: (name.split()[0], int(name.split()[1])))
    print(f"{'':28}{'wire':>12}" + "".join(f"{name:>12}" for name in names))
    for what in results[0]["wire"]:
        of = {name: [r[name][what] for r in results] for name in ["wire", *names]}
        digits = 0 if statistics.median(of["wire"]) > 1000 else 2
        print(f"{what:28}" + "".join(f"{statistics.median(of[name]):12.{digits}f}" for name in ["wire", *names]))
        ratios = {name: sorted(a / b for a, b in zip(of[name], of["wire"])) for name in names}
        print(f"{'    ratio to the wire':28}{'':12}" + "".join(f"{statistics.median(ratios[name]):12.2f}" for name in names))
        spread = {name: r[len(r) * 3 // 4] - r[len(r) // 4] for name, r in ratios.items()}
        print(f"{'    its spread':28}{'':12}" + "".join(f"{spread[name]:12.2f}" for name in names))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--raw", help="a file for the raw figures")
    parser.add_argument("ways", nargs="*", default=DEFAULT)
    arguments = parser.parse_args()
    missing = [p for p in ("iperf3", "nsenter", "ip") if not shutil.which(p)]
    if missing or os.geteuid() != 0:
        sys.exit("bench/path.py needs root and: " + ", ".join(missing or ["sudo"]))
    if "wire" not in arguments.ways:
        arguments.ways.insert(0, "wire")
    results, programs = measure(arguments.ways, arguments.rounds)
    table(results)
    for name, (packets, ns) in programs.items():
        print(f"{name}: {ns / (packets or 1):.0f} ns a packet in its program, {packets} small packets (kernel.bpf_stats_enabled)")
    if arguments.raw:
        with open(arguments.raw, "w") as f:
            json.dump({"rounds": results, "programs": programs}, f, indent=1)


if __name__ == "__main__":
    main()
