"""Variants of checks for homeservers that a deployment has not, and what each rule's checks need."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from conformance.applicable import variants
from conformance.catalogue import load
from conformance.deploying import Deploying
from conformance.markers import left_out_tests, rules_by_test
from conformance.needs import PARTS, needs_by_rule


@pytest.mark.parametrize(
    ("homeservers", "left_out"),
    [(1, ["a[1]", "c[1-x]", "c[0-1]"]), (2, []), (3, [])],
)
def test_variants_elsewhere_are_left_out_where_others_stay(homeservers: int, left_out: list[str]) -> None:
    checks: list[tuple[str, str, dict[str, object]]] = [
        ("a[0]", "a", {"home": 0}),
        ("a[1]", "a", {"home": 1}),
        ("b[1]", "b", {"home": 1}),  # the only one: it stays, and says what it needs
        ("c[0-x]", "c", {"searcher": 0, "like": "x"}),
        ("c[1-x]", "c", {"searcher": 1, "like": "x"}),
        ("c[0-1]", "c", {"searcher": 0, "found": 1}),
        ("d[7]", "d", {"size": 7}),
        ("e[-1]", "e", {"home": -1}),
    ]
    assert variants(checks, homeservers) == left_out


def test_guests_variants_are_left_out_where_nobody_can_make_one() -> None:
    checks: list[tuple[str, str, dict[str, object]]] = [
        ("a[0]", "a", {"home": 0}),
        ("a[-1]", "a", {"home": -1}),
        ("b[-1]", "b", {"home": -1}),  # the only one: it stays, and says what it needs
        ("c[-1]", "c", {"size": -1}),
    ]
    assert variants(checks, 2, guests=False) == ["a[-1]"]
    assert variants(checks, 2) == []


@pytest.mark.parametrize(
    ("described", "made"),
    [
        ("", False),  # no homeserver of theirs
        ("people", False),
        ("people identity", True),
        ("people administrator", True),
    ],
)
def test_who_can_make_guests(described: str, made: bool, tmp_path: Path) -> None:
    parts = described.split()
    external = '[[homeservers]]\nname = "ext"\nserver_name = "ext.example"\nurl = "https://ext.example"\npeople = "externals"\n'
    administrator = 'admin_url = "https://admin.example"\nadmin_token = "syt_x"\n'
    file = tmp_path / "recette.toml"
    file.write_text(
        'schema = "vigie.deployment/1"\nname = "recette"\n'
        '[[homeservers]]\nname = "un"\nserver_name = "un.example"\nurl = "https://un.example"\n'
        + (external if "people" in parts else "")
        + (administrator if "administrator" in parts else "")
        + ('[identity]\nurl = "https://id.example"\n' if "identity" in parts else "")
    )
    options = {"--deployment": str(file), "--database": "postgresql", "--overlay": [], "--images": "", "--breakable": ""}
    deploying = Deploying(SimpleNamespace(getoption=options.get), "")
    assert deploying.homeservers() == 1
    assert deploying.brings_guests() is made
    assert deploying.knows_addresses() is ("identity" in parts)


def test_every_rule_of_a_check_that_is_left_out_is_told_by_another() -> None:
    """What is left out where there are no guests, or no identity server, leaves no rule without a check."""
    rules, left = rules_by_test(), left_out_tests()
    told = {rule for test, each in rules.items() if test not in left for rule in each}
    assert left and all(told.issuperset(rules[test]) for test in left)


def test_needs_are_told_for_every_rule_with_a_check_and_by_known_names() -> None:
    needs = needs_by_rule()
    assert set(needs) == {rule for rules in rules_by_test().values() for rule in rules}
    assert all(each <= set(PARTS) for each in needs.values())
    assert {rule.id for rule in load()} >= set(needs)
    unmarked = [rule for rule, parts in needs.items() if "infected" in parts and "hostile" not in parts]
    assert not unmarked, f'checks that send infected files bear @pytest.mark.needs("hostile"): {unmarked}'


@pytest.mark.parametrize(
    ("rule", "part", "needed"),
    [
        ("REG-1", "mail", True),
        ("REG-7", "mail", False),
        ("REG-7", "externals", False),
        # What a journey brings about for guests alone is no need of the rest.
        ("REG-4", "externals", False),
        ("REG-6", "identity", False),
        ("REG-9", "identity", False),
        ("E2E-8", "scanner", False),
        ("DEV-3", "externals", False),
        ("GST-2", "externals", True),
        ("CNV-3", "externals", False),
        ("INV-2", "identity", True),
        ("AV-2", "hostile", True),
        ("AV-2", "infected", True),
        ("AV-1", "hostile", False),
        ("E2E-1", "identity", False),
        ("DIR-5", "identity", False),
        ("E2E-4", "storage", True),
        ("CNV-1", "second agents", True),
        ("REG-4", "second agents", False),
        ("RES-1", "faults", True),
        ("REG-8", "hostile", True),
    ],
)
def test_what_a_rule_needs_is_read_from_its_checks(rule: str, part: str, needed: bool) -> None:
    assert (part in needs_by_rule()[rule]) is needed
    assert "accounts" in needs_by_rule()[rule]
