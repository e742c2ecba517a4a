"""A crowd's people are accounts: they come to be only where accounts are allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.deployment import Deployment, Homeserver
from fixtures.errors import DeploymentError
from load import making
from load.profile import Profile
from load.store import Store


class WentThere(Exception):
    """What would begin the population's journal, before anything is asked of the deployment."""


def goes_there(*_what: object) -> None:
    raise WentThere


def test_nobody_is_made_where_accounts_are_not_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave to load a deployment is none to make accounts on it: refused in a line, with nothing asked or written.

    The same call goes on to the deployment as soon as accounts are allowed too.
    """
    monkeypatch.setattr(making, "settle", goes_there)
    home = Homeserver(name="a", server_name="a.example", url="https://127.0.0.1:1", domains=("a.example",))
    abroad = Homeserver(name="b", server_name="b.example", url="https://127.0.0.1:2", people="externals")
    narrow = Deployment(name="recette", allow=("load",), homeservers=(home, abroad))
    profile = Profile.read("smoke")

    with pytest.raises(DeploymentError, match=r'on recette needs allow = \["accounts"\]'):
        making.ensure(narrow, profile, lambda *_far: None, tmp_path)
    assert list(tmp_path.iterdir()) == []

    wide = narrow.model_copy(update={"allow": ("load", "accounts")})
    with pytest.raises(WentThere):
        making.ensure(wide, profile, lambda *_far: None, tmp_path)


def test_two_populations_share_nobody(tmp_path: Path) -> None:
    """Populations of one seed that differ in their rooms have people of their own, the same ones each time."""
    deployment = Deployment(
        name="recette",
        homeservers=(
            Homeserver(name="a", server_name="a.example", url="https://127.0.0.1:1", domains=("a.example",)),
            Homeserver(name="b", server_name="b.example", url="https://127.0.0.1:2", people="externals"),
        ),
    )

    def people(profile: Profile) -> set[tuple[str, str]]:
        plan = making.plan_of(deployment, profile, Store(tmp_path / str(len(list(tmp_path.iterdir())))))
        return {(each.identity.address, each.identity.password) for each in plan.people}

    smoke, files = Profile.read("smoke"), Profile.read("files")
    assert smoke.seed == files.seed and people(smoke) == people(smoke)
    assert not {address for address, _ in people(smoke)} & {address for address, _ in people(files)}
