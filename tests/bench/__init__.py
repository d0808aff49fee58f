# SPDX-License-Identifier: GPL-2.0
"""The figures of the README; `python3 -m bench`, or tests/bench.sh."""
from .common import Recorder, median_interval

__all__ = ["Recorder", "median_interval"]
