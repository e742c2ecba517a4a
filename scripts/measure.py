"""How long a deployment takes to start, and how much memory it holds: ``.venv/bin/python scripts/measure.py [--runs 3]``.

Memory is the proportional set size of each component's processes (shared pages counted once), after the start and before
anybody comes. The figures are this machine's.
"""

from __future__ import annotations

import argparse
import statistics
import time

import psutil

from fixtures.embedded import Embedded
from fixtures.journal import Journal
from fixtures.stack import Plan


def memory_of(pid: int) -> int:
    """Give the proportional set size of a process and its children, in bytes."""
    process = psutil.Process(pid)
    return sum(int(each.memory_full_info().pss) for each in (process, *process.children(recursive=True)))


def main() -> None:
    """Start a deployment several times and tell the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    options = parser.parse_args()
    starts, totals, parts = [], [], {}
    for _ in range(options.runs):
        began = time.monotonic()
        with Embedded.start(Plan(database=options.database)) as embedded:
            starts.append(time.monotonic() - began)
            lasting = [each for each in Journal(embedded.launcher.folder).started() if each.lasting]
            parts = {each.name: memory_of(each.pid) for each in lasting}
            totals.append(sum(parts.values()))
    print(f"start: median {statistics.median(starts):.1f} s of {', '.join(f'{each:.1f}' for each in starts)}")
    print(f"memory: median {statistics.median(totals) / 2**20:.0f} MiB")
    for name, size in sorted(parts.items(), key=lambda item: -item[1]):
        print(f"  {name:<20} {size / 2**20:6.0f} MiB")


if __name__ == "__main__":
    main()
