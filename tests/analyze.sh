#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Clang's analyzer, gcc's and cppcheck over all C sources; any finding fails.
set -u
cd "$(dirname "$0")/.." || exit 1
export BUILD=${BUILD:-build}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# gcc's loses track of the elements of arrays, so what it says of leaks and uninitialised values
# is left to clang's.
analyze() {
	local flags=(-include tests/analyze.h -D_GNU_SOURCE= '-DFREC_VERSION="x"' "-I$BUILD/lib" -std=gnu11)

	{
		clang --analyze -Xclang -analyzer-output=text "${flags[@]}" "$1" -o /dev/null
		gcc -fanalyzer -Wno-analyzer-malloc-leak -Wno-analyzer-use-of-uninitialized-value \
			-O1 -c "${flags[@]}" "$1" -o /dev/null
	} 2>&1 | cat
}
export -f analyze
printf '%s\n' daemon/*.c lib/*.c cli/*.c | xargs -P "$(nproc)" -I '{}' bash -c 'analyze {}' >"$log"

# Suppressed:
#	ctunullpointer	that one of process and thread is NULL, and which, is told by the other
#	ctuuninitvar	the reply is filled in by recvmsg(), through an iovec
#	nullPointerRedundantCheck	one of user and kernel is there; c has just been allocated
cppcheck -q -j "$(nproc)" --std=c11 --enable=warning,portability --inline-suppr \
	--suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches \
	--suppress=ctunullpointer:lib/trace_write.c \
	--suppress=ctuuninitvar:daemon/opener_client.c \
	--suppress=nullPointerRedundantCheck:daemon/worker_stacks.c \
	--suppress=nullPointerRedundantCheck:lib/trace_read.c \
	-D_GNU_SOURCE= '-DFREC_VERSION="x"' -DPROTOBUF_C_VERSION_NUMBER=999999999 -DPROTOBUF_C_MIN_COMPILER_VERSION=0 \
	'-DLIBBPF_OPTS(type,name,...)=struct type name = { __VA_ARGS__ }' \
	"-I$BUILD/lib" daemon lib cli >>"$log" 2>&1
if grep -E 'warning:|error:' "$log"; then
	echo "analyze: $(grep -cE 'warning:|error:' "$log") findings"
	exit 1
fi
echo "analyze: no findings"
