"""A deployment of another make, described by hand: what can be told is told, and the rest says what it needs.

One homeserver of agents beside the one of externals, other names and ports, an authority of its own, SQLite; and nothing
of the comforts: no administrator, no identity server, no access to what is stored.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.deployment import Deployment
from fixtures.embedded import Embedded
from fixtures.services.synapse import Homeserver
from fixtures.stack import Plan
from reports.verdict import read
from tests.vigie.visiting import active

Vigie = Callable[..., "subprocess.CompletedProcess[str]"]

PLAN = Plan(
    database="sqlite",
    homeservers=(Homeserver("ministere", ("territoires.gouv.fr",)), Homeserver("partenaires", external=True)),
    network="127.9.4",
)


@pytest.fixture(scope="module")
def other() -> Iterator[Deployment]:
    with Embedded.start(PLAN, name=f"other-make-{os.getpid()}") as embedded:
        yield embedded.deployment


@pytest.fixture(scope="module")
def described(other: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What somebody writes who knows the addresses, and has no more to give."""
    agents, external = other.homeservers
    assert other.mail is not None
    file = tmp_path_factory.mktemp("other") / "recette.toml"
    file.write_text(f"""
schema = "vigie.deployment/1"
name = "recette des territoires"
ca = "{other.ca}"
allow = ["accounts"]

[limits]
requests_per_second = 50
people = 100

[[homeservers]]
name = "territoires"
server_name = "{agents.server_name}"
url = "{agents.url}"
domains = ["territoires.gouv.fr"]

[[homeservers]]
name = "partenaires"
server_name = "{external.server_name}"
url = "{external.url}"
people = "externals"

[mail]
kind = "mailpit"
url = "{other.mail.url}"
""")
    return file


def test_doctor_names_what_is_missing_and_what_it_costs(vigie: Vigie, described: Path) -> None:
    done = vigie("doctor", str(described))
    assert done.returncode == 3, done.stdout + done.stderr
    lines = {line.split(":")[0]: line for line in done.stdout.splitlines()}
    assert "127.9.4.2" in lines["works    homeserver territoires"]
    assert "people register by mail instead" in lines["missing  administrator of territoires"]
    assert "GST-1" in lines["missing  administrator of partenaires"], "without an identity server nobody invites guests"
    two = lines["missing  two homeservers of agents"]
    assert "CNV-1" in two and "REG-1," not in two and "REG-4" not in two
    assert "INV-1,2" in lines["missing  identity server"]
    assert "E2E-4,5" in lines["missing  storage"]
    assert "AV-2,3" in lines["missing  infected file"]
    assert "mailpit" in lines["works    mail"]


def test_what_can_be_told_is_told(vigie: Vigie, other: Deployment, described: Path, tmp_path: Path) -> None:
    before = active(other)
    rules = [word for rule in ("REG-1", "REG-4", "REG-7", "GST-2", "INV-2", "CNV-1", "AV-2") for word in ("--rule", rule)]
    done = vigie("check", "--deployment", str(described), *rules, "--workers", "2", "--out", str(tmp_path))
    assert done.returncode == 3, done.stdout + done.stderr
    told = {rule.id: (str(rule.status), rule.reason) for rule in read(tmp_path / "verdict.json").rules}
    assert [told[rule][0] for rule in ("REG-1", "REG-4", "REG-7")] == ["pass", "pass", "pass"], told
    for rule, reason in {
        "GST-2": "[identity], to make guests",
        "INV-2": "an identity server",
        "CNV-1": "2 homeservers of agents",
        "AV-2": 'allow = ["hostile"]',
    }.items():
        assert told[rule][0] == "untestable" and reason in told[rule][1], f"{rule}: {told[rule]}"
    after = active(other)
    assert (after.accounts, after.inhabited) == (before.accounts, before.inhabited)


@pytest.mark.parametrize(
    ("old", "new", "part", "said"),
    [
        ('kind = "mailpit"\nurl = "http', 'kind = "mailpit"\nurl = "http://127.0.0.1:9/', "mail", "127.0.0.1:9"),
        ('server_name = "127.9.4.2', 'server_name = "autre.example', "homeserver territoires", "the file says"),
    ],
)
def test_doctor_finds_what_is_wrong(
    vigie: Vigie, described: Path, tmp_path: Path, old: str, new: str, part: str, said: str
) -> None:
    file = tmp_path / "wrong.toml"
    assert old in described.read_text()
    file.write_text(described.read_text().replace(old, new))
    done = vigie("doctor", str(file))
    line = next(line for line in done.stdout.splitlines() if line.startswith(f"missing  {part}:"))
    assert done.returncode == 3 and said in line and "untestable: " in line, done.stdout


def test_doctor_of_a_wrong_file_says_where(vigie: Vigie, described: Path, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(described.read_text().replace("people = 100", "poeple = 100"))
    done = vigie("doctor", str(file))
    assert done.returncode == 4 and "wrong.toml:9: key limits.poeple" in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
