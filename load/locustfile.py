"""For who knows Locust: ``locust -f load/locustfile.py --headless`` (or with its web page) runs the crowd of a profile.

`VIGIE_DEPLOYMENT` names the deployment's TOML, `VIGIE_PROFILE` the profile (`smoke`), `VIGIE_OUT` the report's folder. How many
people there are, and what they do when, is the profile's: Locust's own number of users and spawn rate are not heeded. The
exit code is Vigie's.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gevent
from locust import events

from fixtures.deployment import Deployment
from fixtures.errors import DeploymentError
from fixtures.preflight import ensure_answers
from load import aftermath
from load.making import ensure
from load.performing import Performance
from load.probes import ensure_known
from load.profile import Profile
from load.report import conclude, tell
from load.run import CANNOT_TELL, ensure_allowed, say
from load.staying import Visit
from load.user import Agent

__all__ = ["Agent"]


@events.test_start.add_listener  # type: ignore[untyped-decorator,unused-ignore]
def _on_start(environment: Any, **_more: Any) -> None:
    """Begin beside Locust's own start, which waits for nobody."""
    environment.crowd = None
    performance, visit = _performance()
    around = performance.stand(environment)
    gevent.spawn(_run, performance, around, visit)


def _performance() -> tuple[Performance, Visit | None]:
    path = os.environ.get("VIGIE_DEPLOYMENT", "")
    if not path:
        raise DeploymentError("VIGIE_DEPLOYMENT: name the deployment's TOML")
    deployment, profile = Deployment.read(Path(path)), Profile.read(os.environ.get("VIGIE_PROFILE", "smoke"))
    ensure_known(profile)
    ensure_allowed(deployment, profile)
    ensure_answers(deployment)
    plan, store = ensure(deployment, profile, lambda what, done, of: say(f"{what}: {done} of {of}") if done == of else None)
    visit = Visit.begin(deployment)
    return Performance(deployment, profile, plan, store, tell=say, ledger=visit.ledger if visit else None), visit


def _run(performance: Performance, around: Any, visit: Visit | None) -> None:
    """Run, judge, tell, and end Locust."""
    started, began = datetime.now(UTC), time.monotonic()
    environment = performance.environment
    try:
        performance.gather(environment.runner)
        measures = performance.measured(around)
        report = conclude(
            performance.profile,
            measures,
            deployment=performance.deployment,
            started=started,
            seconds=time.monotonic() - began,
            command="locust -f load/locustfile.py",
            workers=performance.workers(),
        )
        out = aftermath.folder(Path(os.environ["VIGIE_OUT"]) if os.environ.get("VIGIE_OUT") else None)
        environment.process_exit_code = tell(report, out, aftermath.redactor(performance.deployment, performance.store))
        aftermath.summarise(report, performance.noticed(), say)
        say(f"page: {out / 'index.html'}")
    finally:
        environment.runner.quit()
        if visit is not None and (stays := visit.end(say)):
            say(stays)
            environment.process_exit_code = environment.process_exit_code or CANNOT_TELL
        performance.store.close()
