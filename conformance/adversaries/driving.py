"""Hypothesis drives, acts are asynchronous: an adversary runs its examples one after another, in an event loop of its own.

What it tries follows from the run's seed and the check's name alone. What it finds is told in one line, as small as
Hypothesis could make it; whoever puts it right adds it to the examples that are `known`, which every run tries first.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from hypothesis.strategies import SearchStrategy

from conformance.cast import Cast
from conformance.outcome import status_of
from reports.verdict import Status

__all__ = ["Adversary", "Found", "Judge", "Size", "one_line", "seed_of"]

T = TypeVar("T")
_TELL_EVERY = 10.0


class Size(StrEnum):
    """How long adversaries look: `quick` in every run, `long` for a night, `brief` in a proof: what is known, and the least."""

    BRIEF = "brief"
    QUICK = "quick"
    NORMAL = "normal"
    LONG = "long"

    @property
    def times(self) -> int:
        """How many times the budget of a quick run; the shortest makes one attempt, too."""
        return {Size.BRIEF: 0, Size.QUICK: 1, Size.NORMAL: 10, Size.LONG: 1_000}[self]

    @property
    def in_passing(self) -> bool:
        """Whether adversaries look as part of something that is to be over soon."""
        return self in (Size.BRIEF, Size.QUICK)

    @property
    def shrinking(self) -> float:
        """Seconds spent at most on making smaller what was found."""
        return {Size.BRIEF: 0.0, Size.QUICK: 45.0, Size.NORMAL: 180.0, Size.LONG: 900.0}[self]


class Found(AssertionError):
    """What an adversary found: the smallest example, and what it did."""


class _Ended(BaseException):
    """Ends a hunt past Hypothesis, which takes every `Exception` for something to make smaller."""


def seed_of(run: int, check: str) -> int:
    """Give the seed of one check's adversary in a run."""
    return int.from_bytes(hashlib.sha256(f"{run}/{check}".encode()).digest()[:8], "big")


def one_line(text: str) -> str:
    """Write what a line cannot show by its escape."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


@dataclass
class Judge(Generic[T]):
    """Holds attempts to the rule: keeps the smallest that broke it, and ends when it has looked long enough."""

    adversary: Adversary
    told: Callable[[T], str]
    found: tuple[T, Exception] | None = None
    broken: Exception | None = None
    unsteady: bool = False
    ended: bool = False
    tried: int = 0
    _first: float = 0.0
    _told_at: float = field(default_factory=time.monotonic)

    def attempt(self, example: T, act: Callable[[], Any]) -> None:
        """Make one attempt."""
        self.begin()
        self.hold(example, act)

    def begin(self) -> None:
        """Count an attempt, unless there was time enough."""
        if self.found is not None and time.monotonic() - self._first > self.adversary.size.shrinking:
            self.ended = True
            raise _Ended
        self.tried += 1
        self._tell()

    def hold(self, example: T, act: Callable[[], Any]) -> None:
        """Hold an act to the rule; `example` is all of the attempt so far."""
        try:
            act()
        except Exception as error:
            if status_of(error) is not Status.FAIL:
                self.broken, self.ended = error, True
                raise _Ended from error
            self._first = self._first or time.monotonic()
            self.found = example, error
            raise

    def _tell(self) -> None:
        if self.adversary.progress is None or time.monotonic() - self._told_at < _TELL_EVERY:
            return
        self._told_at = time.monotonic()
        now = "makes smaller what it found" if self.found else "nothing found"
        with self.adversary.progress.open("a") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {self.adversary.name}: {self.tried} tried, {now}\n")


@dataclass
class Adversary:
    """One check's adversary, with the people it may use."""

    cast: Cast
    size: Size
    seed: int
    runner: asyncio.Runner
    name: str = ""
    progress: Path | None = None

    def run(self, act: Coroutine[Any, Any, T]) -> T:
        """Run an act to its end."""
        return self.runner.run(act)

    def settings(self, examples: int, **more: Any) -> settings:
        """Give Hypothesis's settings; `examples` is the budget of a quick run."""
        return settings(
            max_examples=max(1, examples * self.size.times),
            database=None,
            deadline=None,
            derandomize=False,
            print_blob=False,
            report_multiple_bugs=False,
            verbosity=Verbosity.quiet,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            **more,
        )

    def hunt(
        self,
        strategy: SearchStrategy[T],
        attempt: Callable[[T], Coroutine[Any, Any, None]],
        *,
        examples: int,
        known: Iterable[T] = (),
        told: Callable[[T], str] = str,
    ) -> None:
        """Try the known examples, then as many generated ones as the budget has; an attempt raises when a rule is broken.

        Raises `Found` with the smallest example, and what is no finding (a server that died, say) as it is.
        """
        with self.judging(told) as judge:

            def one(example: T) -> None:
                judge.attempt(example, lambda: self._alone(attempt(example)))

            for example in known:
                one(example)
            seeded(self.seed)(self.settings(examples)(given(strategy)(one)))()

    def play(
        self,
        machine: Callable[[Judge[T]], RuleBasedStateMachine],
        perform: Callable[[T], Coroutine[Any, Any, None]],
        *,
        examples: int,
        steps: int,
        known: Iterable[T] = (),
        told: Callable[[T], str] = str,
    ) -> None:
        """Perform the known scripts, then run a state machine as often as the budget has it, of so many steps each.

        The machine has its judge hold every act, with the script of all acts so far as what was tried.
        """
        with self.judging(told) as judge:

            def begin() -> RuleBasedStateMachine:
                judge.begin()
                self._forget()
                return machine(judge)

            for script in known:
                judge.attempt(script, lambda script=script: self._alone(perform(script)))  # type: ignore[misc]
            run_state_machine_as_test(
                seeded(self.seed)(begin),  # type: ignore[arg-type]
                settings=self.settings(examples, stateful_step_count=steps),
            )

    def _alone(self, act: Coroutine[Any, Any, None]) -> None:
        """Run an attempt so that of all attempts the evidence keeps the last: the smallest that broke the rule."""
        self._forget()
        self.run(act)

    def _forget(self) -> None:
        recorder = self.cast.recorder
        for kept in (recorder.exchanges, recorder.mails, recorder.people):
            del kept[self._before.get(id(kept), 0) :]

    _before: dict[int, int] = field(default_factory=dict)

    @contextmanager
    def judging(self, told: Callable[[T], str] = str) -> Iterator[Judge[T]]:
        """Give a judge of attempts, and tell what they found in one line."""
        recorder = self.cast.recorder
        self._before = {id(kept): len(kept) for kept in (recorder.exchanges, recorder.mails, recorder.people)}
        judge = Judge[T](self, told)
        try:
            yield judge
        except _Ended:
            pass
        except Flaky:
            # A machine that is ended between two acts looks unsteady to Hypothesis.
            if judge.found is None and not judge.ended:
                raise
            judge.unsteady = not judge.ended
        except Exception:
            if judge.found is None:
                raise
        if judge.broken is not None:
            raise judge.broken
        if judge.found is not None:
            example, error = judge.found
            again = "; it did not happen at every try" if judge.unsteady else ""
            what = str(error).split("\n", maxsplit=1)[0] or type(error).__name__
            raise Found(one_line(f"{told(example)}: {what}{again}")) from error
