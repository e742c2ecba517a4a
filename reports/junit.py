"""JUnit XML of a verdict, in the form that Jenkins and GitLab read: a suite a chapter, a case a check.

Nothing but a pass looks like one: `untestable`, `error` and `not-run` are errors. Skipped is only what was not asked for,
what is excluded, and a deviation that the profile accepts. What makes the outcome red without a check of its own gets a
case of its own, so that a file without failures and errors always means `holds`.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from reports.verdict import Check, Outcome, Rule, Status, Verdict

__all__ = ["document", "end", "junit", "new_case"]

# XML 1.0 has no place for these, not even escaped (section 2.2).
_UNPRINTABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(verdict: Verdict) -> str:
    """Give the document."""
    suites = ElementTree.Element("testsuites", name="vigie")
    for chapter in dict.fromkeys(rule.chapter for rule in verdict.rules):
        suite = ElementTree.SubElement(suites, "testsuite", name=_printable(chapter))
        suite.set("timestamp", verdict.started.isoformat(timespec="seconds"))
        for rule in verdict.rules:
            if rule.chapter == chapter:
                _rule(suite, rule, verdict.asked.covers(rule))
    if verdict.outcome is not Outcome.HOLDS and not _red(suites):
        suite = ElementTree.SubElement(suites, "testsuite", name="outcome")
        reason = verdict.doubt or "no rule that was asked for was found to hold"
        end(new_case(suite, "vigie", "outcome"), "error", f"{verdict.outcome}: {reason}")
    return document(suites)


def document(suites: ElementTree.Element) -> str:
    """Give the document of these suites, counted."""
    _count(suites)
    ElementTree.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(suites, encoding="unicode")}\n'


def _rule(suite: ElementTree.Element, rule: Rule, asked: bool) -> None:
    before = _red(suite)
    for check in rule.checks:
        _check(suite, rule, check, asked)
    told = f"{rule.status}: {rule.reason}" if rule.reason else str(rule.status)
    if not asked or rule.status in {Status.EXCLUDED, Status.ACCEPTED}:
        if not rule.checks:
            end(new_case(suite, rule.id, f"{rule.id}/no-check"), "skipped", told)
    elif rule.status is not Status.PASS and _red(suite) == before:
        name = f"{rule.id}/{'whole' if rule.checks else 'no-check'}"
        end(new_case(suite, rule.id, name), "failure" if rule.status is Status.FAIL else "error", told)


def _check(suite: ElementTree.Element, rule: Rule, check: Check, asked: bool) -> None:
    case = new_case(suite, rule.id, check.id, check.seconds)
    told = f"{check.status}: {check.message}" if check.message else str(check.status)
    if check.status is Status.PASS and asked:
        return
    if not asked:
        end(case, "skipped", f"not asked for; {told}")
    elif check.status is Status.FAIL and rule.status is Status.ACCEPTED:
        end(case, "skipped", f"accepted deviation: {rule.reason}; {told}")
    else:
        end(case, "failure" if check.status is Status.FAIL else "error", told)


def new_case(suite: ElementTree.Element, rule: str, name: str, seconds: float = 0.0) -> ElementTree.Element:
    """Add a case; without an end it passed."""
    return ElementTree.SubElement(suite, "testcase", classname=_printable(rule), name=_printable(name), time=f"{seconds:.3f}")


def end(case: ElementTree.Element, how: str, message: str) -> None:
    """Say how a case ended: `failure`, `error` or `skipped`."""
    lines = _printable(message).strip().splitlines() or [how]
    end = ElementTree.SubElement(case, how, message=lines[0][:500])
    if how != "skipped":
        end.set("type", lines[0].partition(":")[0])
    end.text = "\n".join(lines)


def _red(element: ElementTree.Element) -> int:
    return sum(1 for _ in element.iter("failure")) + sum(1 for _ in element.iter("error"))


def _count(suites: ElementTree.Element) -> None:
    for element in (*suites, suites):
        cases = list(element.iter("testcase"))
        element.set("tests", str(len(cases)))
        for how, plural in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            element.set(plural, str(sum(case.find(how) is not None for case in cases)))
        element.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
