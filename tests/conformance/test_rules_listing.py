"""The listing of the rules: every rule with its checks, to read and as data."""

from __future__ import annotations

import json

import pytest

from conformance.catalogue import UnknownRule, load
from conformance.markers import checks_by_rule
from conformance.rules_listing import render_rules

CHECKS = {"INV-1": ["INV-1/known-address", "INV-1/unknown-address"], "REG-1": ["REG-1/by-mail"]}


def test_the_text_tells_each_rule_and_what_observes_it() -> None:
    text = render_rules(load(), CHECKS, as_json=False)
    words = " ".join(text.split())
    for rule in load():
        assert f"{rule.id} {rule.level} {' '.join(rule.en.split())} {' '.join(rule.fr.split())}" in words
        assert not rule.excluded or f"excluded: {rule.excluded}" in words
    for chapter in load().chapters:
        assert f"{chapter.id}: {chapter.en} / {chapter.fr}\n  {chapter.intro_en}\n  {chapter.intro_fr}\n" in text
    assert "checks: INV-1/known-address, INV-1/unknown-address" in text
    excluded = len([rule for rule in load() if rule.excluded])
    assert words.count("no check yet") == len(list(load())) - excluded - len(CHECKS)
    assert max(len(line) for line in text.splitlines()) <= 120


def test_the_text_can_be_of_a_few() -> None:
    text = render_rules(load(), CHECKS, as_json=False, only=load().select(["INV-1", "XCL-5"]))
    assert [line.split()[0] for line in text.splitlines() if line.startswith("  ") and "-" in line[:8]] == ["INV-1", "XCL-5"]
    assert "REG" not in text.split()


def test_none_chosen_is_none_listed() -> None:
    assert render_rules(load(), CHECKS, as_json=False, only=[]).strip() == ""
    assert json.loads(render_rules(load(), CHECKS, as_json=True, only=[]))["rules"] == []


def test_the_json_holds_every_field() -> None:
    document = json.loads(render_rules(load(), CHECKS, as_json=True))
    assert document["schema"] == "vigie.rules/1"
    assert [entry["id"] for entry in document["rules"]] == [rule.id for rule in load()]
    for entry, rule in zip(document["rules"], load(), strict=True):
        assert entry == {
            "id": rule.id,
            "chapter": rule.chapter,
            "level": rule.level.value,
            "statement": {"en": rule.en, "fr": rule.fr},
            "source": rule.source,
            "observed": rule.observed,
            "excluded": rule.excluded,
            "advisory": rule.advisory,
            "checks": CHECKS.get(rule.id, []),
        }


def test_a_check_of_no_rule_is_told() -> None:
    with pytest.raises(UnknownRule, match="REG-99"):
        render_rules(load(), {"REG-99": ["REG-99/ghost"]}, as_json=True)


def test_the_suites_checks_are_of_rules_that_can_be_checked() -> None:
    checks = checks_by_rule()
    assert checks
    for identifier in checks:
        assert not load().rule(identifier).excluded, f"{identifier} is excluded and yet has a check"
