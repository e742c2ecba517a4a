"""Which tests of a run are checks to be made, in which order, and which of them have told: a part of the pytest plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conformance.applicable import variants
from conformance.catalogue import UnknownRule
from conformance.deploying import Deploying
from conformance.markers import LEFT_OUT, rules_by_test
from conformance.run import Run

__all__ = ["Choosing", "rules_of"]


def rules_of(item: pytest.Item) -> list[str]:
    """Give the rules that a test observes."""
    return [str(rule) for marker in item.iter_markers("rule") for rule in marker.args]


class Choosing:
    """Keeps the tests of the rules asked for; `expected` are those that have told nothing yet, by node id."""

    def __init__(self, config: pytest.Config, run: Run, deploying: Deploying, *, judges: bool) -> None:
        """Take the run, and whether this process judges it."""
        self.config, self.run, self.deploying, self.judges = config, run, deploying, judges
        self.expected: set[str] = set()

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep the tests whose rules were asked for, long ones first; a test that names an unknown rule is a mistake."""
        wanted = {rule.id for rule in self.run.asked}
        kept: list[pytest.Item] = []
        left: list[pytest.Item] = []
        for item in items:
            rules = rules_of(item)
            try:
                for rule in rules:
                    self.run.catalogue.rule(rule)
            except UnknownRule as error:
                raise pytest.UsageError(f"{item.nodeid}: {error}") from None
            (kept if not rules or any(rule in wanted for rule in rules) else left).append(item)
        elsewhere = self._elsewhere(kept)
        kept, left = [item for item in kept if item not in elsewhere], [*left, *elsewhere]
        if left:
            config.hook.pytest_deselected(items=left)
        # After pytest-randomly's shuffle, which hooks in first: the order within both parts stays the seed's.
        items[:] = sorted(kept, key=lambda item: item.get_closest_marker("long") is None)

    def _elsewhere(self, items: list[pytest.Item]) -> list[pytest.Item]:
        """Give the variants for homeservers, of guests and of addresses, that the deployment named has not."""
        homeservers, guests = self.deploying.homeservers(), self.deploying.brings_guests()
        parameters = [(item, f"{item.path}::{_name(item)}", getattr(item, "callspec", None)) for item in items]
        known = [(item, name, spec.params) for item, name, spec in parameters if spec is not None]
        left = variants(known, homeservers, guests=guests) if homeservers else []
        away = {"guests": not guests, "addresses": not self.deploying.knows_addresses()}
        of_these = {item for item in items if any(away[mark] and item.get_closest_marker(mark) for mark in LEFT_OUT)}
        told = {rule for item in items if item not in of_these for rule in rules_of(item)}
        left += [item for item in of_these if told.issuperset(rules_of(item))]
        return [item for item in items if item in left]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what was chosen by name; where workers collect, the controller learns it from them."""
        if self.judges and session.items:
            self._choose([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """Note what a worker of pytest-xdist collected."""
        del node
        self._choose(ids)

    def _choose(self, nodes: list[str]) -> None:
        """Judge only the rules of the chosen tests, where there was a choice by `-k`, file or test."""
        rules = rules_by_test()
        names = {node: (Path(node.split("::")[0]).name, node.split("::")[-1].split("[")[0].split("@")[0]) for node in nodes}
        self.expected = {node for node, name in names.items() if name in rules}
        here = Path(__file__).parent
        whole = all(Path(argument).resolve() in (here, here.parent) for argument in self.config.args)
        if whole and not self.config.getoption("keyword"):
            return
        self.run.selected = frozenset(rule for name in names.values() for rule in rules.get(name, ()))
        self.run.selection = " ".join([self.config.getoption("keyword") or "", *self.config.args]).strip()


def _name(item: pytest.Item) -> str:
    return item.name.split("[")[0]
