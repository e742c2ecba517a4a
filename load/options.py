"""The options of the load process, which `vigie load` gives it."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["parser", "told_options"]


def parser() -> argparse.ArgumentParser:
    """Give the parser; what a person may write is checked by the command, before."""
    parser = argparse.ArgumentParser(prog="load.run", description=__doc__)
    parser.add_argument("--deployment", type=Path)
    parser.add_argument("--profile", default="smoke")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--people", type=int)
    parser.add_argument("--measured", type=float)
    parser.add_argument("--web", type=int, default=0)
    parser.add_argument("--prometheus", type=int, default=0)
    parser.add_argument("--find-capacity", action="store_true")
    parser.add_argument("--precision", type=float, default=0.5)
    parser.add_argument("--populate-only", action="store_true")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--expect-workers", type=int, default=0)
    parser.add_argument("--bind", default="127.0.0.1:5557")
    parser.add_argument("--worker", action="store_true")
    parser.add_argument("--master-host", default="127.0.0.1")
    parser.add_argument("--master-port", type=int, default=5557)
    parser.add_argument("--started-by", type=int, default=0)
    parser.add_argument("--quiet", action="store_true")
    return parser


def told_options(options: argparse.Namespace) -> list[str]:
    """Give the options again, without the paths of this machine."""
    told = ["--profile", Path(options.profile).name]
    for name in ("rate", "measured"):
        if getattr(options, name) is not None:
            told += [f"--{name}", f"{getattr(options, name):.12g}"]
    # To the last digit: another seed is another run.
    for name in ("people", "seed"):
        if getattr(options, name) is not None:
            told += [f"--{name}", str(getattr(options, name))]
    if options.find_capacity:
        told += ["--find-capacity", "--precision", f"{options.precision:.12g}"]
    if options.expect_workers:
        told += ["--master", "--expect-workers", str(options.expect_workers)]
    elif options.processes > 1:
        told += ["--processes", str(options.processes)]
    return told
