"""Profiles: a known difference is accepted for its reason, another failure is not, and a stale deviation fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.catalogue import load
from conformance.markers import checks_by_rule
from conformance.profiles import Deviation, Profile, ProfileError, names, read
from reports.verdict import Check, Status

KNOWN = Profile("other", deviation=(Deviation("REG-6", "no classes", ("weak-at-*", "odd[a [b]-*")),))


def checks(**statuses: str) -> list[Check]:
    return [Check(id=f"REG-6/{name.replace('_', '-')}", status=Status(status)) for name, status in statuses.items()]


def test_every_profile_speaks_of_rules_and_checks_that_there_are() -> None:
    listed = checks_by_rule()
    assert "guide" in names() and "tchap-2026" in names()
    for name in names():
        for deviation in read(name, load()).deviation:
            for pattern in deviation.checks:
                shown = Deviation(deviation.rule, "x", (pattern.split("[")[0],))
                ids = [Check(id=each, status=Status.FAIL) for each in listed[deviation.rule]]
                assert any(shown.covers(check) for check in ids), f"{name}: {deviation.rule}: no check {pattern}"


def test_guide_accepts_nothing() -> None:
    assert read("guide", load()).deviation == ()
    assert read("guide", load()).judge("REG-6", checks(weak_at_change="fail")) == (Status.FAIL, "")


def test_known_deviation_is_accepted_with_its_reason() -> None:
    assert KNOWN.judge("REG-6", checks(weak_at_change="fail", strong="pass")) == (Status.ACCEPTED, "no classes")
    assert KNOWN.judge("REG-6", checks(weak_at_change="fail", weak_at_start="pass")) == (Status.ACCEPTED, "no classes")


def test_another_failure_of_the_rule_is_none() -> None:
    assert KNOWN.judge("REG-6", checks(weak_at_change="fail", strong="fail"))[0] is Status.FAIL
    assert KNOWN.judge("REG-4", checks(weak_at_change="fail"))[0] is Status.FAIL


def test_stale_deviation_fails() -> None:
    status, reason = KNOWN.judge("REG-6", checks(weak_at_change="pass", strong="pass"))
    assert status is Status.FAIL and "no longer occurs" in reason


@pytest.mark.parametrize("other", ["untestable", "error"])
def test_what_nobody_could_tell_is_never_accepted(other: str) -> None:
    assert KNOWN.judge("REG-6", checks(weak_at_change=other))[0] is Status(other)
    assert KNOWN.judge("REG-6", checks(weak_at_change="fail", strong=other))[0] is Status.FAIL
    assert KNOWN.judge("REG-6", [])[0] is Status.NOT_RUN


def test_a_check_named_without_brackets_is_all_its_variants() -> None:
    """A check that gets variants would else be excused no more, and a deviation that no longer occurs pass for none."""
    known = Deviation("REG-4", "a code", ("needs-the-link",))
    assert known.covers(Check(id="REG-4/needs-the-link", status=Status.FAIL))
    assert known.covers(Check(id="REG-4/needs-the-link[-1]", status=Status.FAIL))
    assert not known.covers(Check(id="REG-4/needs-the-link-twice[0]", status=Status.FAIL))
    assert not Deviation("REG-4", "a code", ("needs-the-link[0]",)).covers(
        Check(id="REG-4/needs-the-link[-1]", status=Status.FAIL)
    )


def test_brackets_in_a_pattern_are_a_tests_parameters() -> None:
    assert KNOWN.deviation[0].covers(Check(id="REG-6/odd[a [b]-1]", status=Status.FAIL))
    assert not KNOWN.deviation[0].covers(Check(id="REG-6/odda", status=Status.FAIL))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('name = "x"\n[[deviation]]\nrule = "REG-6"\n', "reason"),
        ('name = "x"\n[[deviation]]\nrule = "REG-6"\nreason = " "\n', "reason"),
        ('name = "x"\n[[deviation]]\nrule = "REG-66"\nreason = "y"\n', "unknown rule"),
        ('name = "x"\nregistration = "code"\n', "registration"),
        ('name = "x"\ncolour = "red"\n', "colour"),
        ('name = "y"\n', "name is 'y'"),
        ("name =\n", "x.toml"),
    ],
)
def test_wrong_profile_is_told_in_a_line(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "x.toml").write_text(content)
    with pytest.raises(ProfileError) as raised:
        read("x", load(), tmp_path)
    assert said in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["nothing", "../guide", ""])
def test_unknown_profile_is_told(name: str) -> None:
    with pytest.raises(ProfileError, match="there are guide, tchap-2026"):
        read(name, load())
