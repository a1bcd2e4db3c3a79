#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up what ran: cmocka's and pytest's own counts where a test program prints them, else the
program as one test. Prints what failed and what was skipped and why, then "N passed, N failed, N skipped".

    summary.py testlog.json...      (meson's logs, a JSON object a line)
"""
import json
import re
import sys

CMOCKA = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}


def count(row):
    """passed, failed, skipped of one test program."""
    text = row.get("stdout", "") + "\n" + row.get("stderr", "")
    result = row["result"]
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for word in re.findall(r"^\[\s+(OK|FAILED|SKIPPED)\s+\] \S+$", text, re.M):
        counts[CMOCKA[word]] += 1
    for line in re.findall(r"^=* ?((?:\d+ \w+(?:, )?)+) in [\d.]+s.*$", text, re.M):
        for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", line):
            counts["failed" if word == "error" else word] += int(number)
    ok = result in ("OK", "EXPECTEDFAIL")
    if result == "SKIP" and not any(counts.values()):
        counts["skipped"] = 1
    elif ok and not any(counts.values()):
        counts["passed"] = 1
    elif not ok and result != "SKIP" and not counts["failed"]:
        counts["failed"] = 1
    return counts


def reasons(row):
    """Why tests of this program were skipped: pytest's -rs lines, or lines that begin with SKIP."""
    text = row.get("stdout", "") + "\n" + row.get("stderr", "")
    return re.findall(r"^SKIP(?:PED)?\b.*$", text, re.M)


def main(paths):
    total = {"passed": 0, "failed": 0, "skipped": 0}
    failed, skipped = [], []
    for path in paths:
        for line in open(path):
            row = json.loads(line)
            counts = count(row)
            for key in total:
                total[key] += counts[key]
            if counts["failed"]:
                failed.append(f"  {row['name']}: {counts['failed']} failed ({row['result']})")
            if counts["skipped"]:
                why = reasons(row) or ["no reason given"]
                skipped.append(f"  {row['name']}: {counts['skipped']} skipped: " + "; ".join(why[:5]))
    for title, rows in (("Skipped", skipped), ("Failed", failed)):
        if rows:
            print(f"\n{title}:")
            print("\n".join(rows))
    print(f"\n{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] or not total["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
