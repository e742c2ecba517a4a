"""A check that nobody has seen fail is not finished: each is named by a fault that it must catch, in each of its kinds."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import conformance
from conformance.markers import checks_by_rule
from conformance.run import check_id
from fixtures.faults.registry import all_faults

_PROVED = {check.split("/", maxsplit=1)[1] for fault in all_faults() for check in fault.checks}


def kind(check: str) -> tuple[str, str]:
    """Give a check, and what is said of its variant beside the numbers of agents' homeservers: -1 is the guests'."""
    name, _, variant = check.partition("[")
    parts = re.sub(r"(^|-)-1$", r"\1guests", variant.removesuffix("]")).split("-")
    return name, "-".join(part for part in parts if not re.fullmatch(r"\d*", part))


def test_every_check_is_named_by_a_fault() -> None:
    """One is enough where it observes several rules: what it asserts is the same."""
    proved = {kind(check)[0] for check in _PROVED}
    there = {check.split("/")[1].split("[")[0] for checks in checks_by_rule().values() for check in checks}
    assert len(there) > 100, "hardly a check was found"
    assert not (never_seen_to_fail := there - proved), sorted(never_seen_to_fail)


def test_every_kind_of_a_check_is_named_by_a_fault() -> None:
    """Another way to hide a file or to lie is another check; the same one on another homeserver is not."""
    folder = Path(conformance.__file__).parent
    command = [sys.executable, "-m", "pytest", str(folder), "--collect-only", "-q", "-p", "no:randomly"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder.parent).stdout
    there = {check_id("", line.split("::")[1])[1:] for line in told.splitlines() if "::test_" in line}
    assert len(there) > 300, "hardly a variant was found"
    kinds = {kind(check) for check in _PROVED}
    never_seen_to_fail = {check for check in there if check.split("[")[0] not in _PROVED and kind(check) not in kinds}
    assert not never_seen_to_fail, sorted(never_seen_to_fail)
