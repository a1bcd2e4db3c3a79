#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# clang-format settles the form of all C: fails with the files that it would change.
cd "$1" || exit 1
wrong=0
for file in $(git ls-files '*.c' '*.h'); do
    if ! clang-format --dry-run --Werror "$file" >/dev/null 2>&1; then
        echo "$file"
        wrong=$((wrong + 1))
    fi
done
echo "$wrong files are not in the tree's form (clang-format -i FILE mends one)"
[ "$wrong" = 0 ]
