"""From a deployment and a profile to a population that stands: found where it was made before, made where it was not."""

from __future__ import annotations

import json
from pathlib import Path

from fixtures.allowance import require
from fixtures.deployment import Deployment
from load.plan import Plan, draw
from load.profile import Profile
from load.provision import Progress, Provision
from load.store import Store, population_file

__all__ = ["ensure", "home", "shape_of"]


def home() -> Path:
    """Folder of all populations of this checkout."""
    return Path(__file__).parent.parent / ".vigie" / "populations"


def shape_of(profile: Profile) -> str:
    """Give what two profiles must have in common to share a population."""
    population = profile.population.model_dump(mode="json")
    # Who of them is a canary, and who decrypts, is a run's affair.
    kept = {key: value for key, value in population.items() if key not in ("canaries", "decrypting")}
    return json.dumps([profile.seed, kept], sort_keys=True)


def ensure(deployment: Deployment, profile: Profile, progress: Progress, root: Path | None = None) -> tuple[Plan, Store]:
    """Give the population that a profile asks for, making what is missing.

    Raises `FixtureError`, one line, when the deployment does not let it.
    """
    require(deployment, "accounts", "making a population")
    plan = draw(profile.population, deployment, profile.seed)
    path = population_file(root or home(), deployment, shape_of(profile))
    store = Store(path)
    try:
        provision = Provision(deployment, plan, store, progress)
        if not provision.is_valid():
            # The deployment was made anew under the same names: nothing of before is there.
            store.forget()
            provision = Provision(deployment, plan, store, progress)
        provision.make()
    except BaseException:
        store.close()
        raise
    return plan, store
