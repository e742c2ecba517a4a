"""`vigie sweep` after the operator's TOML gained or lost a homeserver; no deployment is needed for it."""

from __future__ import annotations

import io
from argparse import Namespace
from pathlib import Path

import pytest
from rich.console import Console

from fixtures.deployment import Deployment, Homeserver
from scenarios.visit import made as journal
from scenarios.visit.made import Made
from vigie import sweep

A, B = (Homeserver(name=each, server_name=f"{each}.example", url=f"https://{each}.example") for each in "ab")


@pytest.fixture(autouse=True)
def _nobody_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The journals are in a folder of the test's own, and no homeserver is asked whether it is there."""
    monkeypatch.setattr(journal, "PROJECT", tmp_path)
    monkeypatch.setattr(sweep, "ensure_answers", lambda _deployment: None)


def described(*homeservers: Homeserver) -> Deployment:
    return Deployment(name="recette", kind="remote", homeservers=homeservers)


def left(kind: journal.Kind, *homeservers: Homeserver) -> Made:
    """Give the journal of a run that is over, or of a population, on these homeservers."""
    made = Made(journal.home() / "abcd.jsonl")
    made.begin(described(*homeservers), kind)
    made.path.write_text(made.path.read_text().replace('"born": ', '"born": 1'))
    return made


def swept(folder: Path, deployment: Deployment, *, populations: bool = False) -> tuple[int, str]:
    """Sweep by this TOML; gives the exit code, and what was said."""
    deployment.write(folder / "recette.toml")
    said = io.StringIO()
    code = sweep.sweep(Namespace(file=folder / "recette.toml", populations=populations), Console(file=said, width=400))
    return code, said.getvalue()


@pytest.mark.parametrize("what", ["account", "room", "opening", "device"])
def test_what_was_made_on_a_homeserver_that_the_toml_lost_is_told_as_staying(tmp_path: Path, what: str) -> None:
    """A run made something on b, was killed, and b left the TOML: it is there, and only its operator can say where."""
    made = left("run", A, B)
    by = {"server": B.server_name, "user_id": f"@alice:{B.server_name}"}
    names = {"account": "key", "room": "room_id", "opening": "opening", "device": "device_id"}
    made.note(what, **by, **{names[what]: by["user_id"] if what == "account" else "its own name"})
    before = made.things()
    code, said = swept(tmp_path, described(A))
    assert code == sweep.STAYS and "no homeserver b.example" in said, said
    assert made.things() == before, "what is there is forgotten"


def test_journal_is_found_after_the_toml_gained_a_homeserver(tmp_path: Path) -> None:
    """A run on a alone was killed before it made anything; its journal goes also by a TOML that has b beside a."""
    made = left("run", A)
    code, said = swept(tmp_path, described(A, B))
    assert code == 0 and "nothing is left" not in said, said
    assert not made.path.exists()


def test_population_of_which_the_toml_lost_a_homeserver_is_told_and_stays(tmp_path: Path) -> None:
    """It is kept on purpose; who wants it gone hears who cannot be reached, and it stays written down."""
    made = left("population", A, B)
    user_id = f"@alice:{B.server_name}"
    made.note("account", key=user_id, server=B.server_name, user_id=user_id, password="p", sure=True)
    code, said = swept(tmp_path, described(A))
    assert code == 0 and "population abcd is kept" in said, said
    code, said = swept(tmp_path, described(A), populations=True)
    assert code == sweep.STAYS and "no homeserver b.example" in said, said
    assert list(made.things().accounts) == [user_id]


def test_what_is_on_other_homeservers_is_not_this_deployments(tmp_path: Path) -> None:
    made = left("run", B)
    made.note("room", room_id="!r:b", server=B.server_name, user_id="")
    code, said = swept(tmp_path, described(A))
    assert code == 0 and "nothing is left" in said, said
    assert made.things().rooms
