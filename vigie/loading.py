"""``vigie load`` and ``vigie populate``: start what is asked for, and leave the load to a process of its own.

Locust changes Python's sockets and threads at its import; the commands keep theirs.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from fixtures.deployment import Deployment
from fixtures.embedded import Embedded
from fixtures.errors import DeploymentError
from fixtures.ports import ensure_free
from fixtures.stack import Plan
from load.arrivals import peak_rate
from load.probes import ensure_known
from load.profile import Profile, names
from scenarios.visit.made import is_visited
from vigie import workers
from vigie.progress import StartProgress

__all__ = ["add_parsers"]

_PATIENCE = 60.0
CANNOT_TELL = 3


def add_parsers(commands: Any) -> None:
    """Add the two commands."""
    load = commands.add_parser("load", help="load a deployment with a crowd, and judge what people would have felt")
    _add_common(load)
    load.add_argument("--out", type=Path, help="folder for the report")
    load.add_argument("--web", type=workers.port, metavar="PORT", help="Locust's web page at this port of 127.0.0.1")
    load.add_argument("--rate", type=_positive, help="peak rate of acts a second, instead of the profile's")
    load.add_argument(
        "--measured", type=_positive, metavar="SECONDS", help="length of what is measured, instead of the profile's"
    )
    load.add_argument("--prometheus", type=workers.port, metavar="PORT", help="for Prometheus, at this port of 127.0.0.1")
    load.add_argument("--precision", type=_positive, help="width of --find-capacity's answer, of its lower end (0.5)")
    load.add_argument("--find-capacity", action="store_true", help="look for the highest rate at which every objective holds")
    workers.add_options(load)
    load.set_defaults(run=_load)

    populate = commands.add_parser("populate", help="make the people and rooms of a profile, once, for later runs")
    _add_common(populate)
    populate.set_defaults(run=_populate)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--deployment", default="embedded", help="embedded (default), or a deployment's TOML file")
    parser.add_argument("--profile", default="smoke", help=f"{', '.join(names())}, or a TOML file (default smoke)")
    parser.add_argument("--people", type=_whole, help="how many people, instead of the profile's")
    parser.add_argument("--seed", type=int, help="seed of people, rooms and arrivals, instead of the profile's")


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return value


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 2 on")
    return int(text)


def _load(options: Namespace, console: Console) -> int:
    more = workers.arguments(options)
    if options.worker:
        return _wait(subprocess.Popen([*_command(), *more]), _PATIENCE)
    if options.precision is not None and not options.find_capacity:
        raise DeploymentError("--precision goes with --find-capacity")
    _ensure_ports(options)
    for name in ("rate", "measured", "web", "prometheus", "precision"):
        if getattr(options, name) is not None:
            more += [f"--{name}", str(getattr(options, name))]
    if options.find_capacity:
        more.append("--find-capacity")
    if options.out:
        try:
            options.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DeploymentError(
                f"--out {options.out}: cannot be made: {error.strerror or error}; name another folder"
            ) from None
        more += ["--out", str(options.out.resolve())]
    return _start(options, console, more)


def _ensure_ports(options: Namespace) -> None:
    """Raise `FixtureError` where a page could not be served: minutes later, with everybody there, is no time to tell."""
    if options.web is not None and options.web == options.prometheus:
        raise DeploymentError(f"--web and --prometheus cannot both listen at port {options.web}")
    for name in ("web", "prometheus"):
        if (port := getattr(options, name)) is not None:
            ensure_free("127.0.0.1", port, f"--{name} {port}")


def _populate(options: Namespace, console: Console) -> int:
    if options.deployment == "embedded":
        raise DeploymentError("populate needs a deployment that stays: `vigie up`, and then --deployment FILE")
    return _start(options, console, ["--populate-only"])


def _start(options: Namespace, console: Console, more: list[str]) -> int:
    # A mistake in it is told before anything starts.
    profile = Profile.read(options.profile).with_changes(
        rate=getattr(options, "rate", None), people=options.people, measured=getattr(options, "measured", None)
    )
    ensure_known(profile)
    # A recording is read to its end.
    peak_rate(profile)
    with ExitStack() as standing:
        if options.deployment == "embedded":
            with StartProgress(console) as shown:
                # Servers that take the processor from the generator make it late, and then nothing can be told.
                own = Embedded.start(Plan(), behind=True, progress=shown.progress, announce=shown.announce)
                # At once: whoever interrupts while it is told that all is ready ends it as well.
                toml = standing.enter_context(own).toml
        else:
            Deployment.read(Path(options.deployment))
            toml = Path(options.deployment).resolve()
        command = [*_command(), "--deployment", str(toml), "--profile", options.profile, *more]
        for name in ("people", "seed"):
            if getattr(options, name) is not None:
                command += [f"--{name}", str(getattr(options, name))]
        # Taking away what was made on somebody else's takes as long as its limits say.
        return _wait(subprocess.Popen(command), None if is_visited(Deployment.read(toml)) else _PATIENCE)


def _command() -> list[str]:
    return [sys.executable, "-m", "load.run", "--started-by", str(os.getpid())]


def _wait(process: subprocess.Popen[bytes], patience: float | None) -> int:
    """Wait for the load process; an interruption is handed to it once, and then it has the time to tell what it measured.

    A second interruption ends it.
    """
    try:
        return _code(process.wait())
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        try:
            return _code(process.wait(patience))
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
            raise KeyboardInterrupt from None


def _code(code: int) -> int:
    """Give the load process's exit code; one that was killed told nothing."""
    if code < 0:
        sys.stderr.write(f"vigie: the load process was ended by {signal.Signals(-code).name}: nothing can be told\n")
        return CANNOT_TELL
    return code
