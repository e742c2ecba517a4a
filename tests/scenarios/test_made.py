"""The journal of what was made, on a disk that becomes full, and after a machine that stopped in the middle of a line."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures.deployment import Deployment, Homeserver
from fixtures.errors import FixtureError
from scenarios.visit.made import Made

HOME = Homeserver(name="a", server_name="a.example", url="https://a.example")
RECETTE = Deployment(name="recette", kind="remote", homeservers=(HOME,))


@pytest.fixture
def made(tmp_path: Path) -> Made:
    begun = Made(tmp_path / "abcd.jsonl")
    begun.begin(RECETTE)
    return begun


def note(made: Made, name: str) -> None:
    made.note("room", room_id=name, server="a.example", user_id="@alice:a.example")


@contextmanager
def room_for(bytes_: int, made: Made) -> Iterator[None]:
    """Let files become this much longer than the journal is: the system writes what fits, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = made.path.stat().st_size if made.path.exists() else 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + bytes_, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_entry_that_does_not_fit_on_the_disk_is_an_error_and_hurts_no_other(made: Made) -> None:
    """Nothing may be made that is only half written down; once there is room again, the next is read like those before."""
    note(made, "!first")
    with room_for(20, made), pytest.raises(FixtureError, match=r"abcd\.jsonl") as told:
        note(made, "!does-not-fit")
    assert "\n" not in str(told.value)
    note(made, "!next")
    assert list(made.things().rooms) == ["!first", "!next"]


def test_journal_that_cannot_be_begun_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    """A disk that is full already, or a file where the folder should be: nothing may be made there, and one line says why."""
    full = Made(tmp_path / "journals" / "abcd.jsonl")
    with (
        room_for(20, full),
        pytest.raises(FixtureError, match=r"abcd\.jsonl: what is made could not be written down: File too l"),
    ):
        full.begin(RECETTE)
    assert list(full.path.parent.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(FixtureError, match=r"file/abcd\.jsonl: what is made could not be written down: "):
        Made(tmp_path / "file" / "abcd.jsonl").begin(RECETTE)


def test_entry_after_half_a_line_begins_on_its_own(made: Made) -> None:
    """The machine stopped while the last line was written; who sweeps writes on in the same journal."""
    with made.path.open("a") as file:
        file.write('{"what": "room", "room_')
    note(made, "!next")
    assert list(made.things().rooms) == ["!next"]
