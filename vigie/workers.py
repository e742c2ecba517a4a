"""The options of ``vigie load`` that share a run between processes: on this machine, or on several."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace

from fixtures.errors import DeploymentError

__all__ = ["add_options", "arguments", "from_one", "port"]

_BIND = "127.0.0.1:5557"
# What a run is: its master says so, and hands every worker what it needs of it.
_OF_THE_RUN = ("out", "web", "rate", "measured", "prometheus", "precision", "people", "seed")


def add_options(load: ArgumentParser) -> None:
    """Add Locust's own: processes, master, workers."""
    group = load.add_argument_group("several processes", "a master and workers, over Locust's own connection: docs/scale.md")
    group.add_argument("--processes", type=from_one, metavar="N", help="share the load between N processes of this machine")
    group.add_argument("--master", action="store_true", help="lead workers that others start, here or on other machines")
    group.add_argument("--expect-workers", type=from_one, metavar="N", help="with --master: how many workers share the load")
    group.add_argument(
        "--bind", type=_address, metavar="HOST:PORT", help=f"with --master: where workers come (default {_BIND})"
    )
    group.add_argument("--worker", action="store_true", help="be a worker of a master, which says everything else")
    group.add_argument(
        "--master-host", type=_host, metavar="HOST", help="with --worker: where the master is (default 127.0.0.1)"
    )
    group.add_argument("--master-port", type=port, metavar="PORT", help="with --worker: its port (default 5557)")


def arguments(options: Namespace) -> list[str]:
    """Give what the load process is told of it; raises `DeploymentError` where it does not fit together."""
    if options.worker:
        return _worker(options)
    for name in ("master_host", "master_port"):
        if getattr(options, name) is not None:
            raise DeploymentError(f"{_spelt(name)} goes with --worker")
    if not options.master:
        for name in ("expect_workers", "bind"):
            if getattr(options, name) is not None:
                raise DeploymentError(f"{_spelt(name)} goes with --master")
        return ["--processes", str(options.processes)] if options.processes else []
    if options.processes:
        raise DeploymentError("--processes starts workers here, --master awaits those that others start: one of them")
    if not options.expect_workers:
        raise DeploymentError("--master needs --expect-workers: how many share the load")
    if options.find_capacity:
        raise DeploymentError("--find-capacity is a run for each rate, and a worker has one: use it with --processes")
    return ["--expect-workers", str(options.expect_workers), "--bind", options.bind or _BIND]


def _worker(options: Namespace) -> list[str]:
    given = [name for name in _OF_THE_RUN if getattr(options, name) is not None]
    given += [name for name in ("processes", "expect_workers", "bind") if getattr(options, name)]
    given += [name for name in ("master", "find_capacity") if getattr(options, name)]
    given += [name for name, default in (("deployment", "embedded"), ("profile", "smoke")) if getattr(options, name) != default]
    if given:
        raise DeploymentError(f"{_spelt(given[0])} does not go with --worker: the master says what the run is")
    host, number = options.master_host or "127.0.0.1", options.master_port or 5557
    return ["--worker", "--master-host", host, "--master-port", str(number)]


def _spelt(name: str) -> str:
    return "--" + name.replace("_", "-")


def from_one(text: str) -> int:
    """Read a whole number above 0 from the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def port(text: str) -> int:
    """Read a port from the command line."""
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port")
    return int(text)


def _host(text: str) -> str:
    if not text or set(text) & set(":/ \t"):
        raise argparse.ArgumentTypeError(f"{text!r} is no host's name or IPv4 address; its port goes by itself")
    return text


def _address(text: str) -> str:
    host, colon, number = text.rpartition(":")
    if not host or not colon:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT")
    port(number)
    return text
