#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Clang's analyzer, gcc's and cppcheck over all C sources; any finding fails.
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
flags="-D_GNU_SOURCE -DFREC_VERSION=\"x\" -I$BUILD/lib -std=gnu11"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for f in daemon/*.c lib/*.c cli/*.c; do
	# shellcheck disable=SC2086
	clang --analyze -Xclang -analyzer-output=text $flags "$f" -o /dev/null
	# shellcheck disable=SC2086
	gcc -fanalyzer -O1 -c $flags "$f" -o /dev/null
done >"$log" 2>&1
# shellcheck disable=SC2086
cppcheck -q --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=0 \
	--suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches -D_GNU_SOURCE \
	-DFREC_VERSION='"x"' -I"$BUILD/lib" daemon lib cli >>"$log" 2>&1
if grep -E 'warning:|error:' "$log"; then
	echo "analyze: $(grep -cE 'warning:|error:' "$log") findings"
	exit 1
fi
echo "analyze: no findings"
