"""The workers of a proof, as processes of their own: each with a deployment, each fed by a thread."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Crew", "CrewError", "Job"]

Job = dict[str, Any]
"""What a worker is to do: ``{"fault": id or nothing, "checks": [ids]}``."""

_PATIENCE = 30


class CrewError(Exception):
    """No worker could start, or all have ended; the message is one line."""


@dataclass
class _Member:
    number: int
    process: subprocess.Popen[str]
    log: Path
    components: list[dict[str, str]] = field(default_factory=list)

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            last = (self.log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
            raise CrewError(f"worker {self.number} ended: {last[:300]}")
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise CrewError(str(answer["failed"]))
        return answer

    def do(self, job: Job) -> dict[str, Any]:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            pass  # it ended, or was told to: what it said last tells
        return self.answer()


class Crew:
    """Starts workers and hands jobs out; a context manager that ends them."""

    def __init__(self, size: int, out: Path) -> None:
        """Take how many, and the folder for evidence and logs."""
        self._size, self._out = size, out
        self._members: list[_Member] = []
        self._lock = threading.Lock()
        self.problem = ""
        self._over = False

    @property
    def components(self) -> list[dict[str, str]]:
        """What the deployments are made of."""
        return self._members[0].components if self._members else []

    def __enter__(self) -> Crew:
        """Start them side by side; raises `CrewError` when none comes up."""
        for number in range(self._size):
            log = self._out / f"worker-{number}.log"
            command = [sys.executable, "-m", "conformance.proving.worker", str(self._out)]
            with log.open("w") as stream:
                process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream, text=True, encoding="utf-8"
                )
            self._members.append(_Member(number, process, log))
        try:
            for member in list(self._members):
                self._await(member)
        except BaseException:
            self.end()
            raise
        if not self._members:
            raise CrewError(self.problem)
        return self

    def _await(self, member: _Member) -> None:
        try:
            member.components = member.answer()["components"]
        except CrewError as error:
            self.problem = str(error)
            self._members.remove(member)
            member.process.wait()

    def run(self, batches: Sequence[Sequence[Job]], done: Callable[[Job, dict[str, Any]], None]) -> None:
        """Have all batches done, each by one worker in its order; `done` is told of every job, one at a time.

        A job whose worker ended is told with a `problem`. Raises `CrewError` when no worker is left.
        """
        waiting = [list(batch) for batch in batches]
        threads = [threading.Thread(target=self._feed, args=(member, waiting, done), daemon=True) for member in self._members]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                # Without a limit, Ctrl-C would not get through.
                thread.join(0.5)
        if waiting:
            raise CrewError(self.problem or "the workers ended")

    def _feed(self, member: _Member, waiting: list[list[Job]], done: Callable[[Job, dict[str, Any]], None]) -> None:
        while True:
            with self._lock:
                if not waiting:
                    return
                batch = waiting.pop(0)
            while batch:
                job = batch.pop(0)
                try:
                    told = member.do(job)
                except CrewError as error:
                    told = {"results": {}, "notes": [], "in_force": "", "problem": str(error), "seconds": 0.0}
                with self._lock:
                    if self._over:
                        return
                    done(job, told)
                    if member.process.poll() is not None:
                        self.problem = told["problem"]
                        self._members.remove(member)
                        if batch:
                            waiting.insert(0, batch)
                        return

    def end(self) -> None:
        """End the workers, and with them their deployments; what they still say is not heard."""
        self._over = True
        for member in self._members:
            assert member.process.stdin is not None
            member.process.stdin.close()
        for member in self._members:
            try:
                member.process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                # Its services are bound to it, and end with it.
                member.process.kill()
                member.process.wait()
        self._members = []

    def __exit__(self, *_: object) -> None:
        """End them."""
        self.end()
