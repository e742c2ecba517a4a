"""The load process: ``python -m load.run``. `vigie load` starts it; gevent's patching and Locust stay in here.

Exit codes are the command's: 0 holds, 1 does not hold, 3 cannot tell, 4 could not be set up or wrong use.
"""

from __future__ import annotations

# ruff: noqa: E402 -- what loads everything else is to be interrupted at once, and to have no socket or lock of its own before
import os
import signal
import sys

_CALLED = "vigie populate" if "--populate-only" in sys.argv else "vigie load"
# Under nohup a hang-up is nobody's business.
_ENDING = [
    each
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    if each != signal.SIGHUP or signal.getsignal(each) is not signal.SIG_IGN
]


def _too_early(_number: int, _frame: object) -> None:
    """End at once: what follows takes seconds to load, and nothing has begun."""
    sys.stderr.write(f"{_CALLED}: interrupted before anything began\n")
    os._exit(4)


if __name__ == "__main__":
    for _number in _ENDING:
        signal.signal(_number, _too_early)

from gevent import monkey

monkey.patch_all()

import argparse
import ctypes
import dataclasses
import gc
import logging
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gevent
from gevent.event import Event

from fixtures.deployment import Deployment
from fixtures.errors import DeploymentError, FixtureError
from fixtures.loopback import is_loopback
from fixtures.preflight import ensure_answers
from load import aftermath
from load.arrivals import peak_rate
from load.capacity import Search, Trial, answer, find, long_enough
from load.measuring.measures import Measures
from load.measuring.pace import change
from load.measuring.server_metrics import Sampler, beside
from load.options import parser, told_options
from load.performing import Performance
from load.population.howfar import teller
from load.population.making import ensure
from load.population.plan import Plan
from load.population.staying import Visit
from load.population.store import Store
from load.probes import ensure_known
from load.profile import Profile
from load.report import conclude, tell, tell_capacity
from load.rest import rest
from load.sharing.master import Conductor, ensure_shareable
from load.sharing.worker import work
from reports.files import ReportError
from reports.load import LoadReport
from reports.make import forget_load

__all__ = ["main"]

CANNOT_TELL = 3
NOT_SET_UP = 4
_SET_PARENT_DEATH_SIGNAL = 1


def say(line: str) -> None:
    """Tell a person, at once."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody listens any more, as in `| head -1`: the run goes on, and is told in its folder.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and give the exit code."""
    # What nio has to say of keys that have not come is counted, not told.
    logging.getLogger("nio").setLevel(logging.CRITICAL)
    # Whoever started this and was killed takes it along.
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    stop = Event()
    for number in _ENDING:
        gevent.signal_handler(number, stop.set)
    try:
        options = parser().parse_args(arguments)
        if options.started_by not in (0, os.getppid()):
            # It was killed before the kernel could be asked.
            return NOT_SET_UP
        # Locust's web page would take our options for its own.
        del sys.argv[1:]
        if options.worker:
            quiet = (lambda _line: None) if options.quiet else say
            return work(options.master_host, options.master_port, stop, ensure_allowed, quiet)
        return _run(options, stop)
    except (FixtureError, ReportError) as error:
        sys.stderr.write(f"{_CALLED}: {error}\n")
        return NOT_SET_UP
    except OSError as error:
        # A folder that is none, a port that is taken, a disk that is full.
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"{_CALLED}: {where}{error.strerror or error}\n")
        return NOT_SET_UP
    except Exception:
        # A mistake of ours says nothing of the server: Python's own exit code would say that it does not hold.
        traceback.print_exc()
        return CANNOT_TELL


def _run(options: argparse.Namespace, stop: Event) -> int:
    deployment = Deployment.read(options.deployment)
    profile = Profile.read(options.profile).with_changes(
        rate=options.rate, people=options.people, measured=options.measured, seed=options.seed
    )
    ensure_known(profile)
    ensure_shareable(profile, options.expect_workers or options.processes)
    ensure_allowed(deployment, profile, say)
    ensure_answers(deployment)
    if options.out is not None and not options.populate_only:
        # Before anybody is made for it.
        forget_load(aftermath.folder(options.out))
    plan, store = ensure(deployment, profile, teller(say), stopped=stop.is_set)
    # From here on people write, who cannot help it.
    store.on_trouble = stop.set
    try:
        if options.populate_only:
            say(f"population: {len(plan.people)} people, {len(plan.rooms)} rooms in {store.path}")
            return 0
        return _visit(options, Run(deployment, profile, plan, store, stop, Visit.begin(deployment)))
    finally:
        store.close()


def _visit(options: argparse.Namespace, run: Run) -> int:
    """Do what was asked for; what it made on somebody else's deployment is taken away, whatever became of it."""
    if run.visit:
        say(f"run {run.visit.ledger.made.tag}: what it makes on {run.deployment.name} is taken away at its end")
    try:
        code = _find_capacity(options, run) if options.find_capacity else _once(options, run)
    finally:
        stays = run.leave()
    return code or (CANNOT_TELL if stays else 0)


@dataclass
class Run:
    """What a run is made of; each is a run of its own over the same people."""

    deployment: Deployment
    profile: Profile
    plan: Plan
    store: Store
    stop: Event
    visit: Visit | None = None

    def why(self) -> str:
        """Say why it was stopped."""
        return self.store.trouble or "interrupted"

    def leave(self) -> str:
        """Take away what was made on somebody else's deployment, once; gives in a line what could not be."""
        return self.visit.end(say) if self.visit else ""

    def perform(self, options: argparse.Namespace, out: Path) -> tuple[LoadReport, Performance | Conductor]:
        """Run, with the server watched beside it, and judge."""
        performance = self._performance(options)
        return self._told(options, out, performance, performance.perform), performance

    @contextmanager
    def staying(self, options: argparse.Namespace, out: Path) -> Iterator[Callable[[Profile], LoadReport]]:
        """Have the people stay for the length of a block, which may have them play one profile after the other.

        Where they are several processes', those end with each profile, and the people come anew.
        """
        performance = self._performance(options)
        if isinstance(performance, Conductor):
            yield lambda profile: dataclasses.replace(self, profile=profile).perform(options, out)[0]
            return
        try:
            with performance.gathered():
                yield lambda profile: dataclasses.replace(self, profile=profile)._told(
                    options, out, performance, lambda: performance.again(profile)
                )
        finally:
            for what, number in sorted(performance.noticed().items()):
                say(f"noticed: {what} ({number})")

    def _told(
        self, options: argparse.Namespace, out: Path, performance: Performance | Conductor, play: Callable[[], Measures]
    ) -> LoadReport:
        # What stands by now stands until the end: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        started, began = datetime.now(UTC), time.monotonic()
        with beside(options.deployment, out) as sampler:
            measures = play()
            series = sampler.series(performance.start)
        for name, why in sampler.problems().items():
            say(f"no figures of {name} in {why}")
        return conclude(
            self.profile,
            measures,
            deployment=self.deployment,
            started=started,
            seconds=time.monotonic() - began,
            command=" ".join(["vigie", "load", *told_options(options)]),
            server=series,
            workers=performance.workers(),
            cut_short=performance.cut_short,
        )

    def _performance(self, options: argparse.Namespace) -> Performance | Conductor:
        """Make what runs it: this process, or workers that it leads."""
        kind: type[Performance | Conductor] = Performance
        more: dict[str, Any] = {}
        if options.expect_workers:
            host, _, port = options.bind.rpartition(":")
            kind, more = Conductor, {"expected": options.expect_workers, "bind": (host, int(port))}
        elif options.processes > 1:
            kind, more = Conductor, {"processes": options.processes}
        return kind(
            self.deployment,
            self.profile,
            self.plan,
            self.store,
            tell=say,
            stop=self.stop,
            web_port=options.web,
            prometheus_port=options.prometheus,
            ledger=self.visit.ledger if self.visit else None,
            **more,
        )


def _once(options: argparse.Namespace, run: Run) -> int:
    """Run, and tell."""
    out = aftermath.folder(options.out)
    report, performance = run.perform(options, out)
    try:
        code = tell(report, out, aftermath.redactor(run.deployment, run.store))
        aftermath.write_locusts(performance.environment, out)
    except (ReportError, OSError):
        # A disk that is full must not take with it what hours of load came to.
        aftermath.summarise(report, performance.noticed(), say)
        raise
    if stays := run.leave():
        # The report had to be there before, whatever happens meanwhile.
        report = aftermath.with_left_behind(report, stays)
        code = tell(report, out, aftermath.redactor(run.deployment, run.store))
    if options.out is None:
        aftermath.link_latest(out)
    aftermath.summarise(report, performance.noticed(), say)
    say(f"page: {out / 'index.html'}")
    return code


class _Interrupted(Exception):
    """Somebody stopped the search."""


def _find_capacity(options: argparse.Namespace, run: Run) -> int:
    """Search for the rate that still holds; an interrupted search tells what it knows by then."""
    out = aftermath.folder(options.out)
    reports: dict[float, LoadReport] = {}
    search = Search(start=options.rate or peak_rate(run.profile), precision=options.precision)

    storage = run.deployment.storage
    sampler = Sampler(run.deployment, storage.processes if storage else None)

    def hold(play: Callable[[Profile], LoadReport], rate: float, seconds: float) -> LoadReport:
        rest(lambda: sampler.sample()[1], run.stop.wait, say)
        if run.stop.is_set():
            raise _Interrupted
        report = play(run.profile.with_changes(rate=rate, measured=seconds))
        if run.stop.is_set():
            raise _Interrupted
        return report

    def attempt(play: Callable[[Profile], LoadReport], rate: float) -> Trial:
        reports[rate] = hold(play, rate, options.measured or long_enough(rate, run.profile.windows.measured))
        if not search.trials:
            # Not before there is something in their place.
            aftermath.forget_trials(out)
        # Why a rate gave way is in its own report, which the answer's is not: that one shows the highest that held.
        folder = aftermath.trial_folder(out, len(search.trials) + 1, rate)
        tell(reports[rate], folder, aftermath.redactor(run.deployment, run.store))
        return Trial.of(rate, reports[rate])

    def progress(trial: Trial) -> None:
        became = "holds" if trial.held else f"gives way: {', '.join(trial.gave_way)}"
        told = f"{became} (so near its bounds that chance decides)" if trial.near else became
        say(f"at {trial.rate:.4g} a second: {trial.invalid or told}")

    cut_short = ""
    try:
        with run.staying(options, out) as play:
            # Who writes to somebody for the first time since these servers started has keys fetched and caches filled for it.
            say(f"once at {search.start:.4g} a second that nobody judges: what is done for the first time takes longer")
            hold(play, search.start, run.profile.windows.measured)
            found = find(partial(attempt, play), search, progress)
    except (_Interrupted, FixtureError) as error:
        stopped = run.stop.is_set()
        if not reports:
            if not stopped:
                raise
            raise FixtureError(f"{run.why()} before the first rate was told; nothing is known of the limit") from None
        # What was found by then took its time, and stands.
        found, cut_short = answer(search), run.why() if stopped else str(error)
    told = partial(tell_capacity, reports, found, out, cut_short)
    code = told(aftermath.redactor(run.deployment, run.store))
    if stays := run.leave():
        # The answer had to be there before, whatever happens meanwhile.
        code = told(aftermath.redactor(run.deployment, run.store), stays)
        say(stays)
    if options.out is None:
        aftermath.link_latest(out)
    low, high = ("?" if end is None else f"{end:.4g}" for end in (found.low, found.high))
    say(f"capacity: {low} to {high} {found.unit}, {'both ends confirmed' if found.confirmed else 'not confirmed'}")
    if found.gave_way:
        say(f"what gave way: {', '.join(found.gave_way)}")
    if changed := change(trial.fixed_work_ms for trial in search.trials):
        say(f"this machine: between rates its speed changed by a factor of {changed:.2f} (a fixed piece of work)")
    say(f"page: {out / 'index.html'}")
    return code


def ensure_allowed(deployment: Deployment, profile: Profile, say: Callable[[str], None] = lambda _line: None) -> None:
    """Say where the load goes and how much; raise `DeploymentError` when nobody allowed it there."""
    rate = peak_rate(profile)
    hosts = sorted({urlsplit(each.url).hostname or "" for each in deployment.homeservers})
    people = profile.population.people + profile.population.guests
    keys = "; before, all of their devices give the keys of their rooms" if profile.population.keys_given else ""
    say(f"load on {', '.join(hosts)}: {people} people, at most {rate:g} acts a second, profile {profile.name}{keys}")
    elsewhere = [host for host in hosts if not is_loopback(host)]
    if elsewhere and "load" not in deployment.allow:
        raise DeploymentError(
            f'{deployment.name} does not allow load on {", ".join(elsewhere)}: its TOML needs allow = ["load"], by its owner'
        )


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # gevent's hub and Locust's threads have nothing left to say.
    os._exit(code)
