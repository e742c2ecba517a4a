"""From a deployment and a profile to a population that stands: found where it was made before, made where it was not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from fixtures.allowance import require
from fixtures.deployment import Deployment
from fixtures.errors import DeploymentError
from load.arrivals import schedule
from load.folder import PROJECT
from load.population.plan import Plan, draw, ensure_possible
from load.population.provision import Progress, Provision
from load.population.staying import VisitorTransport, pace_of, settle
from load.population.store import Store, population_file
from load.profile import Profile
from load.transport import trusting
from scenarios.visit.made import is_visited

__all__ = ["ensure", "ensure_within_limits", "home", "plan_of", "shape_of"]


# Another number where people of a seed get other names than before: what was kept is none of theirs.
_NAMING = 2


def home() -> Path:
    """Folder of all populations of this checkout."""
    return PROJECT / ".vigie" / "populations"


def shape_of(profile: Profile) -> str:
    """Give what two profiles must have in common to share a population."""
    population = profile.population.model_dump(mode="json")
    # Who of them is a canary, and who decrypts, is a run's affair.
    kept = {key: value for key, value in population.items() if key not in ("canaries", "decrypting")}
    return json.dumps([_NAMING, profile.seed, kept], sort_keys=True)


def ensure(
    deployment: Deployment,
    profile: Profile,
    progress: Progress,
    root: Path | None = None,
    *,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[Plan, Store]:
    """Give the population that a profile asks for, making what is missing.

    Raises `FixtureError`, one line, when the deployment does not let it, or when it was `stopped`.
    """
    require(deployment, "accounts", "making a population")
    ensure_possible(profile.population, deployment)
    ensure_within_limits(deployment, profile)
    path = population_file(root or home(), deployment, shape_of(profile))
    store = Store(path)
    try:
        provision = _provision(deployment, profile, store, progress, stopped)
        if not provision.is_valid():
            # The deployment was made anew under the same names: nothing of before is there.
            store.forget()
            provision = _provision(deployment, profile, store, progress, stopped)
        provision.make()
    except BaseException:
        store.close()
        raise
    return provision.plan, store


def plan_of(deployment: Deployment, profile: Profile, store: Store) -> Plan:
    """Give who is there and in which rooms, as a store's population has it."""
    tag = store.get("tag", "")
    mark = f"vigie{tag}" if tag else ""
    # People of their own for each shape: an account that two populations made would be logged out by the other one.
    story = f"crowd {hashlib.sha256(shape_of(profile).encode()).hexdigest()[:8]}"
    return draw(profile.population, deployment, profile.seed, store.get("secret", "") or "", mark, story)


def _provision(
    deployment: Deployment, profile: Profile, store: Store, progress: Progress, stopped: Callable[[], bool]
) -> Provision:
    ledger = settle(deployment, store)
    transport = VisitorTransport(trusting(deployment.ca), ledger=ledger, pace=pace_of(deployment))
    return Provision(deployment, plan_of(deployment, profile, store), store, transport, progress, stopped)


def ensure_within_limits(deployment: Deployment, profile: Profile) -> None:
    """Raise `DeploymentError` where a profile needs more accounts than somebody else's deployment is to be given."""
    if not is_visited(deployment):
        return
    most = deployment.limits.people
    population = profile.population.people + profile.population.guests
    registered = sum(each.act == "register" for each in schedule(profile)) if "register" in profile.mix else 0
    for what, wanted in (("its population has", population), ("who register are", registered)):
        if wanted > most:
            raise DeploymentError(
                f"profile {profile.name} wants more people than {deployment.name} is to be given: {what} {wanted}, "
                f"limits.people is {most}; --people, --rate and --measured make it smaller"
            )
