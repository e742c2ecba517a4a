"""What a run comes to, and that no verdict can be written or read that says more than its checks."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import ValidationError

from reports.files import ReportError
from reports.redaction import Redactor
from reports.verdict import (
    Asked,
    Check,
    Level,
    Outcome,
    Rule,
    Statement,
    Status,
    Verdict,
    counts,
    exit_code,
    outcome,
    read,
    rule_status,
    with_deviation,
    write,
)


def checks(*statuses: Status) -> tuple[Check, ...]:
    return tuple(Check(id=f"REG-1/{number}", status=status) for number, status in enumerate(statuses))


def rule(status: Status, id_: str = "REG-1", level: Level = Level.MUST, told: tuple[Status, ...] | None = None) -> Rule:
    usual = {Status.NOT_RUN: (), Status.EXCLUDED: (), Status.ACCEPTED: (Status.FAIL,)}
    made = (
        Check(id=f"{id_}/{at}", status=each)
        for at, each in enumerate(told if told is not None else usual.get(status, (status,)))
    )
    text = Statement(en="It holds.", fr="Cela tient.")
    return Rule(
        id=id_,
        chapter="REG",
        level=level,
        statement=text,
        source="x",
        status=status,
        reason="why",
        checks=tuple(made),
    )


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ((), Status.NOT_RUN),
        ((Status.PASS,), Status.PASS),
        ((Status.PASS, Status.PASS), Status.PASS),
        ((Status.PASS, Status.NOT_RUN), Status.NOT_RUN),
        ((Status.PASS, Status.UNTESTABLE), Status.UNTESTABLE),
        ((Status.UNTESTABLE, Status.ERROR, Status.PASS), Status.ERROR),
        ((Status.ERROR, Status.FAIL, Status.PASS, Status.UNTESTABLE), Status.FAIL),
    ],
)
def test_a_rule_is_what_its_worst_check_says(told: tuple[Status, ...], expected: Status) -> None:
    assert rule_status(checks(*told)) is expected
    assert rule_status(checks(*reversed(told))) is expected


@pytest.mark.parametrize(
    ("told", "expected", "code"),
    [
        ((Status.PASS,), Outcome.HOLDS, 0),
        ((Status.PASS, Status.ACCEPTED, Status.EXCLUDED), Outcome.HOLDS, 0),
        ((Status.PASS, Status.FAIL), Outcome.DOES_NOT_HOLD, 1),
        ((Status.FAIL, Status.ERROR, Status.NOT_RUN), Outcome.DOES_NOT_HOLD, 1),
        ((Status.PASS, Status.UNTESTABLE), Outcome.CANNOT_TELL, 3),
        ((Status.PASS, Status.ERROR), Outcome.CANNOT_TELL, 3),
        ((Status.PASS, Status.NOT_RUN), Outcome.CANNOT_TELL, 3),
        ((Status.EXCLUDED,), Outcome.CANNOT_TELL, 3),
        ((Status.ACCEPTED,), Outcome.CANNOT_TELL, 3),
        ((), Outcome.CANNOT_TELL, 3),
    ],
)
def test_outcome_and_exit_code(told: tuple[Status, ...], expected: Outcome, code: int) -> None:
    found = outcome([rule(status, f"REG-{at}") for at, status in enumerate(told)], Asked())
    assert (found, exit_code(found)) == (expected, code)


def test_only_what_was_asked_for_decides() -> None:
    rules = [rule(Status.PASS), rule(Status.FAIL, "REG-2", Level.DERIVED)]
    assert outcome(rules, Asked(levels=(Level.MUST,))) is Outcome.HOLDS
    assert outcome(rules, Asked(rules=("REG-1",))) is Outcome.HOLDS
    assert outcome(rules, Asked()) is Outcome.DOES_NOT_HOLD
    assert outcome(rules, Asked(levels=(Level.SHOULD,))) is Outcome.CANNOT_TELL
    assert outcome(rules, Asked(levels=())) is Outcome.CANNOT_TELL
    assert outcome(rules, Asked(rules=("REG-1", "REG-99"))) is Outcome.CANNOT_TELL


def test_an_accepted_deviation_that_no_longer_occurs_is_a_failure() -> None:
    assert with_deviation(Status.FAIL, "known") == (Status.ACCEPTED, "known")
    status, reason = with_deviation(Status.PASS, "known")
    assert status is Status.FAIL and "no longer occurs" in reason
    assert with_deviation(Status.ERROR, "known") == (Status.ERROR, "")


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (Status.PASS, ()),
        (Status.PASS, (Status.PASS, Status.UNTESTABLE)),
        (Status.NOT_RUN, (Status.FAIL,)),
        (Status.UNTESTABLE, (Status.FAIL,)),
        (Status.ACCEPTED, (Status.PASS,)),
        (Status.EXCLUDED, (Status.FAIL,)),
    ],
)
def test_a_rule_cannot_be_told_better_than_its_checks(status: Status, told: tuple[Status, ...]) -> None:
    with pytest.raises(ValidationError):
        rule(status, told=told)


def test_a_verdict_is_written_and_read_again(sample: ModuleType, tmp_path: Path) -> None:
    verdict: Verdict = sample.sample_verdict()
    write(verdict, tmp_path / "verdict.json", sample.redactor())
    again = read(tmp_path / "verdict.json")
    assert (again.outcome, again.counts, again.asked) == (verdict.outcome, verdict.counts, verdict.asked)
    document = json.loads((tmp_path / "verdict.json").read_text())
    assert document["schema"] == "vigie.verdict/1"
    assert set(document["counts"]) == {str(status) for status in Status} and document["counts"] == counts(verdict.rules)


def test_no_secret_is_written(sample: ModuleType, tmp_path: Path) -> None:
    write(sample.sample_verdict(), tmp_path / "verdict.json", sample.redactor())
    text = (tmp_path / "verdict.json").read_text()
    assert "<redacted:password>" in text and json.dumps(sample.PASSWORD, ensure_ascii=False)[1:-1] not in text


def test_a_doubt_takes_green_away_and_leaves_red(sample: ModuleType) -> None:
    assert sample.sample_verdict((rule(Status.PASS),), doubt="interrupted").outcome is Outcome.CANNOT_TELL
    assert sample.sample_verdict((rule(Status.FAIL),), doubt="interrupted").outcome is Outcome.DOES_NOT_HOLD


def _set(document: Any, path: tuple[str | int, ...], value: Any) -> None:
    *way, last = path
    for step in way:
        document = document[step]
    document[last] = value


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("outcome",), "holds", "the rules say does-not-hold"),
        (("outcome",), "splendid", "outcome"),
        (("schema",), "vigie.verdict/2", "schema"),
        (("counts", "pass"), 90, "counts"),
        (("rules", 2, "status"), "pass", "REG-3"),
        (("rules", 1, "id"), "REG-1", "REG-1 is told twice"),
        (("started",), "yesterday", "started"),
        (("seconds",), -1, "seconds"),
    ],
)
def test_a_verdict_that_does_not_add_up_is_one_line(
    run_folder: Path, path: tuple[str | int, ...], value: Any, words: str
) -> None:
    file = run_folder / "verdict.json"
    document = json.loads(file.read_text())
    _set(document, path, value)
    file.write_text(json.dumps(document))
    with pytest.raises(ReportError, match=words) as raised:
        read(file)
    assert str(file) in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"seconds": NaN}'])
def test_a_corrupt_verdict_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "verdict.json").write_bytes(content)
    with pytest.raises(ReportError) as raised:
        read(tmp_path / "verdict.json")
    assert "\n" not in str(raised.value)


def test_a_missing_verdict_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="no such file"):
        read(tmp_path / "verdict.json")


def test_a_full_disk_leaves_the_old_verdict(sample: ModuleType, run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (run_folder / "verdict.json").read_bytes()

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ReportError, match="No space left"):
        write(sample.sample_verdict(), run_folder / "verdict.json", Redactor())
    assert (run_folder / "verdict.json").read_bytes() == before
    assert [each.name for each in run_folder.iterdir() if each.name.startswith(".")] == []
