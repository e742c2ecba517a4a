"""JUnit XML of a verdict: one test case a check, and one for each rule asked for that has none."""

from __future__ import annotations

from xml.etree import ElementTree

from reports.verdict import NOT_ASKED, Check, Rule, Status, Verdict

__all__ = ["junit"]


def junit(verdict: Verdict) -> str:
    """Give the document. Nothing but a pass reads as one; only what was not asked for, or is excluded, is skipped."""
    suites = ElementTree.Element("testsuites", name="vigie")
    for chapter in dict.fromkeys(rule.chapter for rule in verdict.rules):
        rules = [rule for rule in verdict.rules if rule.chapter == chapter]
        suite = ElementTree.SubElement(suites, "testsuite", name=chapter)
        for rule in rules:
            for check in rule.checks:
                _case(suite, rule, check)
            if not rule.checks:
                _without_check(suite, rule)
        for name in ("failure", "error", "skipped"):
            plural = {"failure": "failures", "error": "errors"}.get(name, name)
            suite.set(plural, str(len(suite.findall(f"testcase/{name}"))))
        suite.set("tests", str(len(suite)))
        suite.set("time", f"{sum(check.seconds for rule in rules for check in rule.checks):.3f}")
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _printable(text: str) -> str:
    # XML 1.0 has no place for control characters, not even escaped.
    return "".join(letter for letter in text if letter >= " " or letter in "\n\t")


def _case(suite: ElementTree.Element, rule: Rule, check: Check) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=rule.id, name=check.id, time=f"{check.seconds:.3f}")
    if check.status is Status.FAIL:
        ElementTree.SubElement(case, "failure", message=_printable(check.message)[:500]).text = _printable(check.message)
    elif check.status is not Status.PASS:
        message = _printable(f"{check.status}: {check.message}")
        ElementTree.SubElement(case, "error", message=message[:500]).text = message


def _without_check(suite: ElementTree.Element, rule: Rule) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=rule.id, name=f"{rule.id}/no-check", time="0")
    skipped = rule.status is Status.EXCLUDED or rule.reason == NOT_ASKED
    ElementTree.SubElement(case, "skipped" if skipped else "error", message=_printable(f"{rule.status}: {rule.reason}"))
