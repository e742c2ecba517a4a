"""What pytest is told of the suite: its options, and the markers by which a check says what it is."""

from __future__ import annotations

import pytest

from conformance import profiles
from conformance.adversaries.driving import Size

__all__ = ["MARKERS", "pytest_addoption"]

MARKERS = (
    "rule(*ids): the rules of the charter that a check observes",
    "needs(*abilities): what a deployment must allow: load, hostile, faults",
    "long: takes long, or waits long, so that it is begun first: at the end everybody would wait for it alone",
    "guests: tells for guests what other checks of its rules tell for agents: left out where nobody can make a guest",
    "addresses: tells of e-mail addresses what others tell of accounts: left out where there is no identity server",
    "breaking: breaks parts, so that one worker runs all of them (conformance.scheduling)",
    "unpaced: looks at the server's own limits, so the harness keeps no rate (hostile)",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    group = parser.getgroup("vigie", "Tchap conformance")
    group.addoption("--deployment", default="embedded", help="embedded, containers, or a deployment's TOML file")
    group.addoption("--rule", action="append", default=[], help="a rule's id, a chapter or a pattern; may be repeated")
    group.addoption("--level", default="", help="levels to judge, by commas: must,should,derived")
    group.addoption("--out", default="", help="folder for verdict and evidence; reports/runs/<time> by default")
    group.addoption("--database", default="postgresql", choices=("postgresql", "sqlite"), help="of the embedded deployment")
    group.addoption(
        "--overlay", action="append", default=[], metavar="HOMESERVER=FILE", help="YAML laid over its configuration"
    )
    group.addoption("--images", default="", metavar="FILE", help="TOML of images to use for --deployment containers")
    group.addoption(
        "--breakable", default="", choices=("", "own", "same"), help="checks that break parts: in a deployment of their own?"
    )
    group.addoption("--profile", default=profiles.DEFAULT, help=f"{', '.join(profiles.names())}: which deviations are accepted")
    group.addoption("--proof", default="", metavar="FILE", help="what proved each rule; the latest proof.json by default")
    group.addoption("--run-seed", default="", help="seed of the people and of the adversaries; told in the verdict")
    group.addoption("--people", default=None, help="keeps the people of one seed apart; told in the verdict, none where fresh")
    group.addoption("--adversary", default="quick", choices=tuple(Size), help="how long the adversaries look")
