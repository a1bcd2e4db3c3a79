#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# clang-format settles the form of all C: fails with the files that it would change.
cd "$1" || exit 1
files=$(git ls-files '*.c' '*.h' | xargs -P 2 -n 16 clang-format --dry-run --Werror 2>&1 |
    sed -n 's/^\([^:]*\):[0-9]*:[0-9]*: error: code should be clang-formatted.*/\1/p' | sort -u)
[ -z "$files" ] || echo "$files"
echo "$(echo "$files" | grep -c .) files are not in the tree's form (clang-format -i FILE mends one)"
[ -z "$files" ]
