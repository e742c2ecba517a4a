"""What a run comes to, and that nothing else than a pass ever reads as one, in any telling."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reports.files import ReportError, write_atomically
from reports.junit import junit
from reports.make import make_all
from reports.markdown import markdown
from reports.verdict import NOT_ASKED, Asked, Check, Level, Outcome, Status, Verdict, exit_code, outcome, read, rule_status
from tests.reports.sample import every_status, rule, verdict, write_run

OF_CHECKS = [Status.PASS, Status.FAIL, Status.ERROR, Status.UNTESTABLE]


@pytest.mark.parametrize("statuses", [each for size in (1, 2, 3) for each in itertools.product(OF_CHECKS, repeat=size)])
def test_rule_passes_only_when_every_check_did(statuses: tuple[Status, ...]) -> None:
    checks = [Check(id=f"REG-1/{number}", status=status) for number, status in enumerate(statuses)]
    assert (rule_status(checks) is Status.PASS) == (set(statuses) == {Status.PASS})


def test_rule_without_check_is_not_run() -> None:
    assert rule_status([]) is Status.NOT_RUN


@pytest.mark.parametrize(
    ("statuses", "comes_to", "code"),
    [
        ((Status.PASS, Status.PASS), Outcome.HOLDS, 0),
        ((Status.PASS, Status.EXCLUDED, Status.ACCEPTED), Outcome.HOLDS, 0),
        ((Status.PASS, Status.FAIL, Status.ERROR), Outcome.DOES_NOT_HOLD, 1),
        ((Status.PASS, Status.UNTESTABLE), Outcome.CANNOT_TELL, 3),
        ((Status.PASS, Status.ERROR), Outcome.CANNOT_TELL, 3),
        ((Status.PASS, Status.NOT_RUN), Outcome.CANNOT_TELL, 3),
        ((Status.EXCLUDED,), Outcome.CANNOT_TELL, 3),
        ((), Outcome.CANNOT_TELL, 3),
    ],
)
def test_outcome_and_exit_code(statuses: tuple[Status, ...], comes_to: Outcome, code: int) -> None:
    rules = [rule(f"REG-{number}", status, reason="why") for number, status in enumerate(statuses, 1)]
    assert outcome(rules, Asked()) is comes_to
    assert exit_code(comes_to) == code


def test_rules_that_were_not_asked_for_decide_nothing() -> None:
    rules = [rule("REG-1", Status.PASS), rule("REG-2", Status.FAIL, Level.DERIVED, "broken")]
    assert outcome(rules, Asked(levels=(Level.MUST,))) is Outcome.HOLDS
    assert outcome(rules, Asked()) is Outcome.DOES_NOT_HOLD


def test_doubt_takes_a_green_away_and_never_hides_a_red() -> None:
    assert verdict(rule("REG-1", Status.PASS), doubt="interrupted").outcome is Outcome.CANNOT_TELL
    assert verdict(rule("REG-1", Status.FAIL, reason="no"), doubt="interrupted").outcome is Outcome.DOES_NOT_HOLD


def test_a_forged_green_is_not_read(tmp_path: Path) -> None:
    """Somebody edits the file to say that it holds: reading it tells that it does not add up."""
    write_run(tmp_path)
    file = tmp_path / "verdict.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "outcome": "holds"}))
    with pytest.raises(ReportError, match="outcome"):
        read(file)
    with pytest.raises(ValidationError):
        rule("REG-1", Status.PASS).model_validate({**rule("REG-1", Status.PASS).model_dump(), "checks": []})


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": "vigie.verdict/2"}', "\x00"])
def test_broken_verdict_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "verdict.json").write_text(content)
    with pytest.raises(ReportError) as raised:
        make_all(tmp_path)
    assert "verdict.json" in str(raised.value) and "\n" not in str(raised.value)
    assert not (tmp_path / "index.html").exists()


def test_reports_are_made_again_to_the_letter(tmp_path: Path) -> None:
    index = make_all(write_run(tmp_path))
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert make_all(tmp_path) == index
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == first


def test_junit_shows_nothing_green_that_is_not(tmp_path: Path) -> None:
    told = verdict(*every_status(), rule("REG-9", Status.NOT_RUN, Level.DERIVED, NOT_ASKED))
    cases = {case.get("classname"): case for case in ElementTree.fromstring(junit(told)).iter("testcase")}
    plain = {identifier for identifier, case in cases.items() if len(case) == 0}
    assert plain == {"REG-1"}
    kinds = {identifier: case[0].tag for identifier, case in cases.items() if len(case)}
    assert kinds["REG-6"] == "failure" and kinds["GST-1"] == kinds["GST-2"] == kinds["REG-2"] == "error"
    assert kinds["XCL-1"] == kinds["REG-9"] == "skipped"


def test_summary_names_what_is_red_and_what_is_missing() -> None:
    text = markdown(verdict())
    assert text.startswith("# Does not hold")
    for identifier in ("REG-6", "GST-1", "GST-2", "REG-2", "XCL-1"):
        assert identifier in text


@given(st.text())
def test_any_reason_survives_every_telling(reason: str) -> None:
    told: Verdict = verdict(rule("REG-1", Status.FAIL, reason=reason or "x"))
    ElementTree.fromstring(junit(told))
    assert "REG-1" in markdown(told)


def test_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "verdict.json"
    write_atomically(file, "before")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ReportError, match="No space left"):
        write_atomically(file, "after")
    assert file.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["verdict.json"]
