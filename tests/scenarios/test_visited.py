"""Whose deployment it is: what a launcher of this machine keeps is one's own, everything else is visited."""

from pathlib import Path
from typing import Literal

import pytest

from fixtures.deployment import Deployment, Homeserver, Storage
from fixtures.journal import Journal
from fixtures.loopback import is_loopback
from scenarios.visit.made import is_visited


def told(kind: Literal["embedded", "remote"], url: str, processes: Path | None) -> Deployment:
    home = Homeserver(name="one", server_name="one.example", url=url, people="agents")
    return Deployment(name="told", kind=kind, homeservers=(home,), storage=Storage(processes=processes))


def test_a_copied_file_that_names_other_servers_is_a_visit_whatever_kind_it_says(tmp_path: Path) -> None:
    """Somebody copied what `vigie up` wrote, put in their own address, and left the kind: they are visitors there."""
    (tmp_path / Journal.NAME).touch()
    assert not is_visited(told("embedded", "https://127.0.0.1:8448", tmp_path))
    assert is_visited(told("embedded", "https://matrix.recette.example", tmp_path))
    assert is_visited(told("embedded", "https://127.0.0.1.recette.example", tmp_path))


def test_without_a_launcher_s_journal_it_is_nobody_s_own(tmp_path: Path) -> None:
    assert is_visited(told("embedded", "https://127.0.0.1:8448", tmp_path))
    assert is_visited(told("embedded", "https://127.0.0.1:8448", None))
    (tmp_path / Journal.NAME).touch()
    assert is_visited(told("remote", "https://127.0.0.1:8448", tmp_path))


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("127.8.9.10", True), ("::1", True), ("127.example.org", False), ("10.0.0.1", False), ("", False)],
)
def test_only_addresses_of_the_machine_itself_are_here(host: str, here: bool) -> None:
    assert is_loopback(host) is here
