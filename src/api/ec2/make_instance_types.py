#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Turns data/instance-types.tsv into the C table of src/api/ec2/instance_types.c, ordered by name."""
import sys

source, target = sys.argv[1:]
rows = []
with open(source) as lines:
    for line in lines:
        if line.startswith('#'):
            continue
        rows.append(line.rstrip('\n').split('\t'))
columns = rows.pop(0)
if columns != ['instance_type', 'max_enis', 'ipv4_per_eni', 'hypervisor', 'bare_metal', 'network_cards']:
    sys.exit('%s: other columns than this program knows: %s' % (source, columns))
with open(target, 'w') as out:
    for name, enis, ips, hypervisor, bare_metal, cards in sorted(rows, key=lambda r: r[0].encode()):
        # AWS names no hypervisor for bare metal, and its list not for every other type.
        known = '"%s"' % hypervisor if hypervisor != 'unknown' and bare_metal == 'false' else 'NULL'
        out.write('{"%s", %d, %d, %s, %s, %d},\n'
                  % (name, int(enis), int(ips), known, bare_metal, int(cards)))
