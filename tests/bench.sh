#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make bench: the figures of the README, beside other tools. As root, on a machine that does nothing else; --help tells more.
# What it mounts is gone with its namespace, however it ends.
[ "$(id -u)" = 0 ] || { echo "bench: needs root" >&2; exit 1; }
export PYTHONPATH=${BASH_SOURCE[0]%/*}
exec unshare --mount python3 -B -m bench "$@"
