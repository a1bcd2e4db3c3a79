#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom: compares the #include lines of src/ with the table below (docs/READING.md).

Fails with each line that points the wrong way. A directory's own headers are always allowed.
"""
import os
import re
import sys

# What a directory may include besides itself.
ALLOWED = {
    "base": set(),
    "abi": set(),  # shared with BPF: fixed-width structs only
    "bpf": {"abi"},
    "model": {"base"},
    "store": {"base", "model"},
    "flowlog": {"base", "abi", "model"},
    "logs": {"base"},
    "stream": {"base"},
    "http": {"base"},
    "rules": {"base", "abi", "model"},  # pure: no I/O
    "api": {"base", "model", "store", "http", "logs"},  # never sees the data plane
    "dataplane": {"base", "abi"},  # never sees the model
    "link": {"base"},
    "follow": {"base", "model", "stream"},  # a client of the stream, as objects in an index
    "agent": {"base", "abi", "model", "flowlog", "stream", "follow", "rules", "dataplane", "link"},
    "services": {"base", "abi", "model", "stream", "follow", "http"},  # parses bytes from instances
    "vpcd": {"base", "model", "store", "stream", "follow", "http", "logs", "api"},
    "deliver": {"base", "flowlog", "logs"},  # takes batches from the spool to their destination
    "vpcctl": {"base", "abi", "dataplane", "link"},  # looks at pinned maps, also with no agent there
}
# Files of a directory with a narrower rule than the directory itself.
NARROW = {
    # The engines of the store hold bytes; only the state on top of them (txn.*, state.c) knows the model.
    ("store", "model"): {"state.c", "txn.c", "txn.h", "txn_internal.h"},
}
# Skeletons that the build makes.
GENERATED = re.compile(r".*\.skel\.h$|.*\.inc$")


def main(top):
    src, wrong, seen = os.path.join(top, "src"), [], 0
    for directory in sorted(os.listdir(src)):
        if directory not in ALLOWED:
            wrong.append(f"src/{directory}: not in the table of this script")
            continue
        for name in sorted(os.listdir(os.path.join(src, directory))):
            if not name.endswith((".c", ".h")):
                continue
            test = name.startswith(("test_", "bench_"))
            path = os.path.join(src, directory, name)
            for number, line in enumerate(open(path, errors="replace"), 1):
                match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
                if not match or GENERATED.match(match.group(1)):
                    continue
                seen += 1
                target = match.group(1).split("/")[0] if "/" in match.group(1) else directory
                if target == directory or target in ALLOWED[directory]:
                    narrow = NARROW.get((directory, target))
                    if narrow is None or target == directory or name in narrow or test:
                        continue
                wrong.append(f"src/{directory}/{name}:{number}: {directory} must not include {match.group(1)}")
    for line in wrong:
        print(line)
    print(f"{seen} includes looked at, {len(wrong)} the wrong way")
    return 1 if wrong or not seen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
