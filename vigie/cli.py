"""``vigie``: rules, up, down, check, doctor, sweep, prove, load, populate, compare, gate, report.

Exit codes: 0 holds, 1 does not hold, 2 worse than the baseline, 3 cannot tell, 4 not set up or misused.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from conformance import profiles
from conformance.catalogue import CatalogueError
from fixtures.errors import FixtureError
from reports.files import ReportError
from reports.verdict import Level
from vigie import commands, comparing, doctor, loading, sweep, workers
from vigie.proving import add_prove

__all__ = ["NOT_SET_UP", "main", "parser"]

CANNOT_TELL = 3
NOT_SET_UP = 4


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line and exits with 4; 2 is "worse than the baseline"."""

    def error(self, message: str) -> None:  # type: ignore[override]
        sys.stderr.write(f"{self.prog}: {message}; see {self.prog} --help\n")
        raise SystemExit(NOT_SET_UP)


def _levels(text: str) -> str:
    names = [each.strip() for each in text.split(",") if each.strip()]
    for name in names:
        if name not in tuple(Level):
            raise argparse.ArgumentTypeError(f"no level {name!r}; levels are {', '.join(Level)}")
    return ",".join(names)


def _name(text: str) -> str:
    # It becomes the name of a folder that is emptied first.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name: letters, digits, '-', '_' and '.', a letter or digit first")
    return text


def parser() -> argparse.ArgumentParser:
    """Give the parser of the whole command line."""
    whole = _Parser(prog="vigie", description="Does a Tchap deployment keep the promises of its user guide?")
    commands_ = whole.add_subparsers(dest="command", required=True, parser_class=_Parser, metavar="COMMAND")

    rules = commands_.add_parser("rules", help="list the charter's rules with their checks")
    rules.add_argument("pattern", nargs="*", help="rules or chapters (REG-1, GST, E2E-*)")
    rules.add_argument("--json", action="store_true", help="as JSON")
    rules.set_defaults(run=commands.rules)

    up = commands_.add_parser("up", help="start a deployment and leave it running")
    up.add_argument("--name", type=_name, default="default", help="name of the deployment; several can run side by side")
    up.add_argument("--ports", type=workers.port, help="count ports from here, so that addresses stay the same")
    up.add_argument("--write", type=Path, metavar="FILE", help="write the deployment's TOML here too")
    up.add_argument("--foreground", action="store_true", help="stay, and end the deployment on Ctrl-C")
    up.add_argument("--containers", action="store_true", help="as containers")
    _add_plan(up)
    up.set_defaults(run=commands.up)

    down = commands_.add_parser("down", help="end deployments, and what killed runs left")
    down.add_argument("name", nargs="?", help="one deployment; all of this checkout by default")
    down.set_defaults(run=commands.down)

    check = commands_.add_parser("check", help="check every rule asked for, and judge")
    check.add_argument("--deployment", default="embedded", help="embedded (default), containers, or a TOML file")
    check.add_argument("--rule", action="append", default=[], help="a rule, a chapter or a pattern; may be repeated")
    check.add_argument(
        "--level", type=_levels, default="", help="levels to judge, by commas: must,should,derived; all by default"
    )
    check.add_argument("--out", type=Path, help="folder for verdict and evidence")
    check.add_argument("--profile", choices=profiles.names(), default=profiles.DEFAULT, help="which deviations are accepted")
    check.add_argument("--proof", type=Path, metavar="FILE", help="what proved each rule; the latest proof.json by default")
    check.add_argument("--seed", type=int, help="seed of the people, of the order and of the adversaries: replays a run")
    check.add_argument("--people", help="with --seed, replays a run against a deployment that stood before; its verdict tells")
    check.add_argument("--adversary", choices=("quick", "normal", "long"), default="quick", help="how long adversaries look")
    check.add_argument("--workers", type=workers.from_one, default=4, help="checks side by side (default 4)")
    check.add_argument("-k", dest="keyword", default="", help="only checks whose names match, as in pytest")
    _add_plan(check)
    check.set_defaults(run=commands.check)

    doctor.add_to(commands_)
    sweep.add_to(commands_)
    loading.add_parsers(commands_)
    comparing.add_to(commands_)

    report = commands_.add_parser("report", help="make page, JUnit XML and summary again from a run's verdict.json")
    latest = commands.PROJECT / "reports" / "latest"
    report.add_argument("folder", type=Path, nargs="?", default=latest, help="a run's folder; by default the latest run's")
    report.add_argument("--proof", type=Path, metavar="FILE", help="proof.json that tells what proved each rule")
    report.set_defaults(run=commands.report)
    add_prove(commands_)
    return whole


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql", help="behind the homeservers")
    parser.add_argument(
        "--overlay", action="append", default=[], metavar="HOMESERVER=FILE", help="YAML laid over a homeserver's configuration"
    )
    parser.add_argument("--images", type=Path, metavar="FILE", help="TOML of images to use in the place of ours, in containers")


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to :func:`main`: rich would exit with 1, which says that something does not hold."""
        raise BrokenPipeError


def _open_streams() -> None:
    """Give the streams that were closed a place to write to: the next file that is opened would be taken for them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 -- as long as the process
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give its exit code."""
    _open_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # The charter is in French: where a terminal or a file cannot hold an accent, that is no reason to end.
        sys.stdout.reconfigure(errors="replace")
    options = parser().parse_args(arguments)
    # A shell's hang-up and a supervisor's end are to be tidied up after, like Ctrl-C.
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Under nohup a hang-up is nobody's business.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    # Where nobody watches, nothing is cut to the width of a terminal that is not there.
    console = _Console() if sys.stdout.isatty() else _Console(width=200)
    try:
        code: int = options.run(options, console)
        # What stands in the buffer may meet a reader who went away as well, or a full disk.
        sys.stdout.flush()
    except (FixtureError, ReportError, CatalogueError, commands.WrongUse) as error:
        # A name of somebody else's that has an end of line in it is told in one line, too.
        sys.stderr.write(f"vigie {options.command}: {' '.join(str(error).splitlines())}\n")
        return NOT_SET_UP
    except KeyboardInterrupt:
        sys.stderr.write(f"vigie {options.command}: interrupted; what it started is ended\n")
        return NOT_SET_UP
    except BrokenPipeError:
        _say_no_more()
        return NOT_SET_UP
    except OSError as error:
        # A folder that is none, a disk that is full.
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"vigie {options.command}: {where}{error.strerror or error}\n")
        _say_no_more()
        return NOT_SET_UP
    except Exception:
        # A mistake of ours says nothing of the deployment: Python's own exit code would say that it does not hold.
        traceback.print_exc()
        return CANNOT_TELL
    return code


def _say_no_more() -> None:
    """Let Python close standard output without complaint: whoever read it went away, or there is no room for it."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
