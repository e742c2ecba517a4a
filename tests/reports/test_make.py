"""JUnit XML, summary and page made from a run's folder: nothing looks green that is not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from reports.files import ReportError
from reports.junit import junit
from reports.make import find_evidence, forget_load, forget_verdict, make_all
from reports.markdown import markdown
from reports.page import page
from reports.verdict import Asked, Level, Rule, Status, Verdict, read


def cases(verdict: Verdict) -> dict[str, str]:
    """Give each case with what it looks like to a reader of JUnit XML."""
    root = ElementTree.fromstring(junit(verdict).encode())
    found = {}
    for case in root.iter("testcase"):
        ends = [child.tag for child in case]
        assert len(ends) <= 1
        found[case.attrib["name"]] = ends[0] if ends else "passed"
    for suite in (root, *root):
        tags = [child.tag for case in suite.iter("testcase") for child in case]
        counted = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
        assert counted == {
            "tests": len(list(suite.iter("testcase"))),
            "failures": tags.count("failure"),
            "errors": tags.count("error"),
            "skipped": tags.count("skipped"),
        }
    return found


def test_each_status_in_junit(sample: ModuleType) -> None:
    verdict: Verdict = sample.sample_verdict()
    told = cases(verdict)
    looks = {
        Status.PASS: {"passed"},
        Status.FAIL: {"failure"},
        Status.ERROR: {"error"},
        Status.UNTESTABLE: {"error"},
        Status.ACCEPTED: {"skipped"},
        Status.EXCLUDED: {"skipped"},
    }
    for rule in verdict.rules:
        own = {look for name, look in told.items() if name.startswith(f"{rule.id}/")}
        expected = looks.get(rule.status, {"error"} if verdict.asked.covers(rule) else {"skipped"})
        assert own == expected, rule.id


def rules_of(sample: ModuleType, *statuses: Status) -> tuple[Rule, ...]:
    return tuple(rule for rule in sample.sample_rules() if rule.status in statuses)


def test_a_run_that_cannot_tell_never_looks_green(sample: ModuleType) -> None:
    passing = rules_of(sample, Status.PASS)
    assert set(cases(sample.sample_verdict(passing)).values()) == {"passed"}
    for verdict in (
        sample.sample_verdict(passing, doubt="interrupted"),
        sample.sample_verdict(passing, Asked(levels=(Level.DERIVED,))),
        sample.sample_verdict(passing, Asked(rules=("REG-1", "NO-1"))),
        sample.sample_verdict(rules_of(sample, Status.EXCLUDED)),
        sample.sample_verdict(()),
    ):
        assert "error" in cases(verdict).values()


def test_a_rule_that_fails_over_green_checks_is_a_failure(sample: ModuleType) -> None:
    passed = rules_of(sample, Status.PASS)[0]
    stale = passed.model_copy(update={"status": Status.FAIL, "reason": "the accepted deviation no longer occurs"})
    assert "failure" in cases(sample.sample_verdict((stale,))).values()


def test_control_characters_do_not_break_junit(sample: ModuleType) -> None:
    failing = rules_of(sample, Status.FAIL)[0]
    check = failing.checks[0].model_copy(update={"message": "\x00\x1b[31m]]>\ufffe"})
    ElementTree.fromstring(junit(sample.sample_verdict((failing.model_copy(update={"checks": (check,)}),))).encode())


def test_the_summary_tells_red_first_and_what_is_not_covered(sample: ModuleType) -> None:
    text = markdown(sample.sample_verdict())
    assert text.startswith("# Does not hold\n")
    assert text.index("**REG-3** fail") < text.index("**INV-2** error") < text.index("## Chapters")
    assert "not asked for: REG-2, REG-8, DIR-4" in text and "| synapse | 1.163.2 |" in text


def test_the_summary_takes_no_markup_from_messages(sample: ModuleType) -> None:
    failing = rules_of(sample, Status.FAIL)[0].model_copy(update={"reason": "a | b\n# c <img src=x> `d` [e](f)"})
    line = next(line for line in markdown(sample.sample_verdict((failing,))).splitlines() if failing.id in line)
    assert r"a \| b \# c &lt;img src=x&gt; \`d\` \[e\](f)" in line


def test_everything_is_made_again_from_the_folder(run_folder: Path) -> None:
    index = make_all(run_folder)
    first = {name: (run_folder / name).read_bytes() for name in ("junit.xml", "summary.md", "index.html")}
    for name in first:
        (run_folder / name).unlink()
    assert make_all(run_folder) == index
    assert first == {name: (run_folder / name).read_bytes() for name in first}


def test_an_unusable_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"verdict\.json: no such file") as raised:
        make_all(tmp_path)
    assert "\n" not in str(raised.value) and list(tmp_path.iterdir()) == []


def test_missing_and_corrupt_evidence_is_told_where_it_belongs(run_folder: Path) -> None:
    some, other = sorted((run_folder / "evidence").iterdir())[:2]
    some.unlink()
    other.write_text("{")
    text = make_all(run_folder).read_text()
    assert "no such file" in text and "not JSON" in text and str(run_folder) not in text


def test_evidence_outside_the_folder_is_not_carried(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (tmp_path_factory.mktemp("else") / "secret.json").write_text("{}")
    verdict = read(run_folder / "verdict.json")
    rule = next(rule for rule in verdict.rules if rule.checks)
    check = rule.checks[0].model_copy(update={"evidence": "../../else0/secret.json"})
    moved = verdict.model_copy(update={"rules": (rule.model_copy(update={"checks": (check,)}),)})
    (found,) = find_evidence(run_folder, moved).values()
    assert found.evidence is None and "outside" in found.problem


@pytest.mark.parametrize("name", ["evidence/\ud800.json", "evidence/\0.json"])
def test_a_name_that_no_file_has_is_no_traceback(run_folder: Path, name: str) -> None:
    content = json.loads((run_folder / "verdict.json").read_text())
    next(check for rule in content["rules"] for check in rule["checks"])["evidence"] = name
    (run_folder / "verdict.json").write_text(json.dumps(content))
    assert make_all(run_folder).exists()


def test_past_its_budget_the_page_links_to_evidence_and_carries_the_worst(run_folder: Path) -> None:
    verdict = read(run_folder / "verdict.json")
    found = find_evidence(run_folder, verdict)
    whole, small = page(verdict, found), page(verdict, found, budget=9_000)
    assert len(small) < len(whole)
    carried = re.findall(r'"check":"([A-Z0-9]+-\d+)', small)
    assert carried and set(carried) <= {"REG-3", "GST-3"}
    assert 'href="evidence/' in small and 'class="open" href="evidence/' not in whole


def test_no_text_of_a_check_becomes_markup(run_folder: Path, sample: ModuleType) -> None:
    text = make_all(run_folder).read_text()
    assert "<img" not in text and sample.HOSTILE not in text and text.count("<!--") == 0


def test_who_begins_anew_in_a_folder_leaves_nothing_of_the_run_before(tmp_path: Path) -> None:
    """A check and a load run may share a folder: each forgets its own, and nothing else that lies there."""
    told = ("verdict.json", "index.html", "junit.xml", "summary.md", "notes.txt")
    of_load = ("load.json", "load.html", "load-junit.xml", "load-summary.md")
    for name in (*told, *of_load):
        (tmp_path / name).write_text("")
    forget_load(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(told)
    forget_verdict(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    for name in ("load.json", "index.html", "junit.xml", "summary.md"):
        (tmp_path / name).write_text("")
    forget_load(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
