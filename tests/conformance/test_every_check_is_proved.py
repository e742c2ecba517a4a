"""A check that nobody has seen fail is not finished: each is named by a fault that it must catch."""

from __future__ import annotations

from conformance.markers import checks_by_rule
from fixtures.faults.registry import all_faults


def test_every_check_is_named_by_a_fault() -> None:
    """One is enough where it observes several rules: what it asserts is the same."""
    proved = {check.split("/")[1].split("[")[0] for fault in all_faults() for check in fault.checks}
    there = {check.split("/")[1].split("[")[0] for checks in checks_by_rule().values() for check in checks}
    assert len(there) > 100, "hardly a check was found"
    assert not (never_seen_to_fail := there - proved), sorted(never_seen_to_fail)
