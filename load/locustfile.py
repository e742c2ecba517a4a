"""For who knows Locust: ``locust -f load/locustfile.py --headless`` (or with its web page) runs the crowd of a profile.

`VIGIE_DEPLOYMENT` names the deployment's TOML, `VIGIE_PROFILE` the profile (`smoke`), `VIGIE_OUT` the report's folder. How many
people there are, and what they do when, is the profile's: Locust's own number of users and spawn rate are not heeded. The
exit code is Vigie's. With `--processes`, or `--master` and `--worker`, Locust's workers have whole circles of the people;
what a worker needs of a run its master hands it, and the variables are the master's.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust import events
from locust.runners import MasterRunner, WorkerRunner

from fixtures.deployment import Deployment
from fixtures.errors import DeploymentError, FixtureError
from fixtures.preflight import ensure_answers
from load import aftermath
from load.agents.user import Agent
from load.measuring.measures import Measures
from load.performing import Performance
from load.population.making import ensure
from load.population.staying import Visit
from load.population.store import Store
from load.probes import ensure_known
from load.profile import Profile
from load.report import conclude, tell
from load.run import CANNOT_TELL, ensure_allowed, say
from load.sharing.dispatch import open_roster
from load.sharing.master import Conductor, ensure_shareable
from load.sharing.steady import keep_locust_steady
from load.sharing.worker import Part
from reports.files import ReportError
from reports.make import forget_load

__all__ = ["Agent"]

NOT_SET_UP = 4
# Before Locust makes its runners.
keep_locust_steady()


@events.init.add_listener  # type: ignore[untyped-decorator,unused-ignore]
def _on_init(environment: Any, **_more: Any) -> None:
    """Listen to the others of a run, where there are any, before the first of them can say something."""
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        environment.roster = open_roster(environment)
    elif isinstance(runner, WorkerRunner):
        gevent.spawn(_work, Part(environment, Event(), ensure_allowed, say), environment)


def _work(part: Part, environment: Any) -> None:
    try:
        environment.process_exit_code = part.take()
    except FixtureError as error:
        _complain(environment, error)


@events.test_start.add_listener  # type: ignore[untyped-decorator,unused-ignore]
def _on_start(environment: Any, **_more: Any) -> None:
    """Begin beside Locust's own start, which waits for nobody."""
    runner = environment.runner
    if isinstance(runner, WorkerRunner):
        return
    environment.process_exit_code = CANNOT_TELL
    try:
        if isinstance(runner, MasterRunner):
            workers = runner.worker_count
            conductor, *kept = _made(Conductor, workers)
            gevent.spawn(_run, conductor, *kept, lambda: conductor.conduct(environment, environment.roster, workers))
        else:
            performance, *kept = _made(Performance)
            around = performance.stand(environment)
            gevent.spawn(_run, performance, *kept, lambda: _alone(performance, around))
    except (FixtureError, ReportError, OSError) as error:
        _complain(environment, error)


def _alone(performance: Performance, around: Any) -> Measures:
    performance.gather(performance.environment.runner)
    return performance.measured(around)


def _made(kind: Any, workers: int = 1) -> tuple[Any, Store, Visit | None]:
    """Make what runs it, over a population that stands."""
    path = os.environ.get("VIGIE_DEPLOYMENT", "")
    if not path:
        raise DeploymentError("VIGIE_DEPLOYMENT: name the deployment's TOML")
    deployment, profile = Deployment.read(Path(path)), Profile.read(os.environ.get("VIGIE_PROFILE", "smoke"))
    ensure_known(profile)
    if out := os.environ.get("VIGIE_OUT"):
        # A run that is killed must not pass for the one before it.
        forget_load(aftermath.folder(Path(out)))
    ensure_shareable(profile, workers)
    ensure_allowed(deployment, profile, say)
    ensure_answers(deployment)
    plan, store = ensure(deployment, profile, lambda what, done, of: say(f"{what}: {done} of {of}") if done == of else None)
    visit = Visit.begin(deployment)
    return kind(deployment, profile, plan, store, tell=say, ledger=visit.ledger if visit else None), store, visit


def _run(performance: Performance | Conductor, store: Store, visit: Visit | None, perform: Callable[[], Measures]) -> None:
    """Run, judge, tell, and end Locust."""
    started, began = datetime.now(UTC), time.monotonic()
    try:
        measures = perform()
        report = conclude(
            performance.profile,
            measures,
            deployment=performance.deployment,
            started=started,
            seconds=time.monotonic() - began,
            command="locust -f load/locustfile.py",
            workers=performance.workers(),
            cut_short=performance.cut_short,
        )
        out = aftermath.folder(Path(os.environ["VIGIE_OUT"]) if os.environ.get("VIGIE_OUT") else None)
        performance.environment.process_exit_code = tell(report, out, aftermath.redactor(performance.deployment, store))
        aftermath.summarise(report, performance.noticed(), say)
        say(f"page: {out / 'index.html'}")
    except (FixtureError, ReportError, OSError) as error:
        _complain(performance.environment, error)
    finally:
        if visit is not None and (stays := visit.end(say)):
            say(stays)
            performance.environment.process_exit_code = performance.environment.process_exit_code or CANNOT_TELL
        _end(performance.environment)
        store.close()


def _complain(environment: Any, error: FixtureError | ReportError | OSError) -> None:
    """Say in a line what keeps the run from being made, and end Locust."""
    said = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
    sys.stderr.write(f"vigie load: {said}\n")
    environment.process_exit_code = NOT_SET_UP
    gevent.spawn(_end, environment)


def _end(environment: Any) -> None:
    """End Locust, and its web page where nobody is meant to press a button."""
    environment.runner.quit()
    asked = environment.parsed_options
    if environment.web_ui is not None and asked.autostart and asked.autoquit != -1:
        gevent.sleep(asked.autoquit)
        environment.web_ui.stop()
