"""The server's own figures beside a run: Synapse's Prometheus endpoint, processor and memory of every component.

They are taken in a process of their own, so that taking them is no part of the generator's work; both clocks are the
machine's monotonic one, so that they stand on one axis. What cannot be had is said, and is no figure.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from fixtures.deployment import Deployment
from fixtures.errors import StartError
from fixtures.journal import Journal, Started
from load.folder import PROJECT
from load.measuring.exposition import Look, figures, look
from load.measuring.pace import fixed_work_ms
from reports.load import FIXED_WORK

__all__ = ["Sampler", "beside", "main"]

_TIMEOUT = 2.0
_FIRST_LOOK = 60.0


class Sampler:
    """Takes figures of a deployment: each look gives those of the time since the one before."""

    def __init__(self, deployment: Deployment, processes: Path | None = None) -> None:
        """Look at a deployment; `processes` is the folder of its journal where its components are this machine's."""
        self.homeservers = {each.name: each.metrics_url for each in deployment.homeservers if each.metrics_url}
        self.journal = Journal(processes) if processes and (processes / Journal.NAME).exists() else None
        self.problems: dict[str, str] = {}
        verified = ssl.create_default_context(cafile=str(deployment.ca) if deployment.ca else None)
        self._http = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=verified))
        self._looks: dict[str, Look] = {}
        self._used: dict[str, tuple[float, float]] = {}

    def sample(self) -> tuple[float, dict[str, float]]:
        """Give the moment and the figures by name, with this machine's speed; `problems` says who gave none, and why."""
        found: dict[str, float] = {}
        self.problems.clear()
        for name, url in self.homeservers.items():
            found.update({f"synapse:{name}:{key}": value for key, value in self._of_homeserver(name, url).items()})
        for name, value in self._of_components().items():
            found[name] = value
        found[FIXED_WORK] = fixed_work_ms()
        return time.monotonic(), found

    def _of_homeserver(self, name: str, url: str) -> dict[str, float]:
        try:
            with self._http.open(url, timeout=_TIMEOUT) as answer:
                now = look(answer.read().decode("utf-8"), time.monotonic())
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.problems[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            return {}
        before = self._looks.get(name)
        self._looks[name] = now
        return figures(before, now) if before else {}

    def _of_components(self) -> dict[str, float]:
        """Give processor (cores), memory (MiB) and descriptors of each component, its children included, and of all."""
        found: dict[str, float] = {}
        totals = {"processor": 0.0, "memory-mib": 0.0, "descriptors": 0.0}
        started_here = self.journal.started() if self.journal else ()
        # The machine's processes are gone through once: for each component anew, a look took twice the processor time.
        children = _children() if started_here else {}
        for started in started_here:
            part = self._of_component(started, children)
            for key, value in part.items():
                found[f"component:{started.name}:{key}"] = value
                totals[key] += value
        if found:
            found.update({f"components:{key}": value for key, value in totals.items()})
        return found

    def _of_component(self, started: Started, children: Mapping[int, Sequence[psutil.Process]]) -> dict[str, float]:
        if not started.lasting:
            return {}
        used = memory = descriptors = 0.0
        try:
            leader = psutil.Process(started.pid)
            if abs(leader.create_time() - started.born) > 1.0:
                return {}
            for process in _family(leader, children):
                with suppress(psutil.Error), process.oneshot():
                    times = process.cpu_times()
                    used += times.user + times.system
                    memory += process.memory_info().rss
                    descriptors += process.num_fds()
        except psutil.Error:
            return {}
        now = time.monotonic()
        before, at = self._used.get(started.name, (used, now))
        self._used[started.name] = (used, now)
        found = {"memory-mib": memory / 2**20, "descriptors": descriptors}
        if now > at:
            # Children that ended took their time with them.
            found["processor"] = max(0.0, (used - before) / (now - at))
        return found


def _children() -> dict[int, list[psutil.Process]]:
    """Give the machine's processes by the one that started them."""
    found: dict[int, list[psutil.Process]] = {}
    for process in psutil.process_iter(["ppid"]):
        found.setdefault(process.info["ppid"], []).append(process)
    return found


def _family(process: psutil.Process, children: Mapping[int, Sequence[psutil.Process]]) -> Iterator[psutil.Process]:
    yield process
    for child in children.get(process.pid, ()):
        yield from _family(child, children)


class _Beside:
    """A sampler at work in its own process; its figures lie in a file, line by line."""

    def __init__(self, process: subprocess.Popen[bytes], path: Path) -> None:
        self.process, self.path = process, path

    def _lines(self) -> Iterator[dict[str, Any]]:
        with suppress(FileNotFoundError), self.path.open(encoding="utf-8") as file:
            for line in file:
                # The last line of a process that was ended may be half a line.
                with suppress(ValueError):
                    yield json.loads(line)

    def series(self, start: float) -> dict[str, list[tuple[float, float]]]:
        """Give every figure over time, in seconds since `start` of the monotonic clock."""
        found: dict[str, list[tuple[float, float]]] = {}
        for entry in self._lines():
            for name, value in entry["figures"].items():
                found.setdefault(name, []).append((entry["at"] - start, value))
        return found

    def problems(self) -> dict[str, str]:
        """Give what could not be looked at, by homeserver: in how many of the looks, and why the last time."""
        looks, missed, last = 0, Counter[str](), dict[str, str]()
        for entry in self._lines():
            looks += 1
            missed.update(entry["problems"].keys())
            last.update(entry["problems"])
        return {name: f"{missed[name]} of {looks} looks, {why}" for name, why in last.items()}

    def wait(self) -> None:
        """Wait for the first look. Raises `StartError` when there is none in time, or the process ended before it."""
        until = time.monotonic() + _FIRST_LOOK
        while not (self.path.exists() and self.path.stat().st_size):
            if self.process.poll() is not None:
                raise StartError(
                    f"the server's figures: what takes them ended with {self.process.returncode} before a first look"
                )
            if time.monotonic() > until:
                raise StartError(f"the server's figures: no first look within {_FIRST_LOOK:g} s")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the process."""
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()


@contextmanager
def beside(deployment: Path, folder: Path, every: float = 1.0) -> Iterator[_Beside]:
    """Take figures of the deployment that a TOML describes, in a process of its own, into a file in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "server-metrics.jsonl"
    path.unlink(missing_ok=True)
    command = [sys.executable, "-m", "load.measuring.server_metrics", str(deployment), str(path), str(every)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    sampling = _Beside(subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL), path)
    try:
        sampling.wait()
        yield sampling
    finally:
        sampling.stop()


def main(arguments: list[str] | None = None) -> None:
    """Take figures until told to end, or until whoever started this is gone."""
    parser = argparse.ArgumentParser(prog="load.measuring.server_metrics")
    parser.add_argument("deployment", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("every", type=float)
    options = parser.parse_args(arguments)
    ended, parent = threading.Event(), os.getppid()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    # Ctrl-C and a hang-up reach every process of the terminal; the run's own report still wants the last figures.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    deployment = Deployment.read(options.deployment)
    processes = deployment.storage.processes if deployment.storage else None
    sampler = Sampler(deployment, processes or options.deployment.parent)
    due = time.monotonic()
    try:
        with options.out.open("w", encoding="utf-8", buffering=1) as file:
            while not ended.is_set() and os.getppid() == parent:
                at, found = sampler.sample()
                rounded = {name: float(f"{value:.5g}") for name, value in found.items()}
                file.write(json.dumps({"at": at, "figures": rounded, "problems": sampler.problems}) + "\n")
                due = max(due + options.every, time.monotonic())
                ended.wait(due - time.monotonic())
    except OSError as error:
        # A disk that is full: the run goes on, and says itself that its figures end here.
        sys.exit(f"vigie load: {options.out}: {error.strerror or error}; no more of the servers' own figures")


if __name__ == "__main__":
    main()
