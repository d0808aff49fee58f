#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make bench: the figures of the README. As root, on a machine that does nothing else.
exec python3 "$(dirname "$0")/bench.py" "$@"
