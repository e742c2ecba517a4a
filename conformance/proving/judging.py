"""What a fault's run comes to: caught for its reason by every check it names, with nothing else turned, or why not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from fixtures.faults.model import Fault
from reports.proof import Tried

__all__ = ["chosen", "judge"]


def chosen(wanted: Collection[str], check: str) -> bool:
    """Tell whether a check, with its variant in brackets, is among those wanted; one without brackets is all variants."""
    return check in wanted or check.split("[", maxsplit=1)[0] in wanted


def judge(fault: Fault, told: Mapping[str, Any], healthy: Mapping[str, Mapping[str, Any]]) -> Tried:
    """Judge what a worker told of a fault, against what the same checks said without it."""
    results: Mapping[str, Mapping[str, Any]] = told["results"]
    own = {check: result for check, result in results.items() if chosen(fault.checks, check)}
    others = {check: result for check, result in results.items() if check not in own}
    failed = {check: result for check, result in own.items() if result["status"] == "fail"}
    caught = {check: result for check, result in failed.items() if re.search(fault.reason, result["message"])}
    turned = [
        check
        for check, result in others.items()
        if result["status"] != "pass" and healthy.get(check, {}).get("status") == "pass" and not _may(fault, check)
    ]
    in_force = "; ".join(filter(None, [told["in_force"], _counted(told["notes"])]))
    why = _why_not(fault, told, own, failed, caught, turned, in_force, healthy)
    return Tried(
        id=fault.id,
        rule=fault.rule,
        how=fault.how,
        says=fault.says,
        caught=not why,
        checks_turned=tuple(sorted(caught)),
        others_turned=tuple(sorted(turned)),
        others=tuple(sorted(others)),
        reason=why or _line(next(iter(caught.values()))),
        in_force=in_force,
        seconds=told["seconds"],
    )


def _may(fault: Fault, check: str) -> bool:
    return check.split("/", maxsplit=1)[0] in (fault.rule, *fault.also)


def _why_not(
    fault: Fault,
    told: Mapping[str, Any],
    own: Mapping[str, Mapping[str, Any]],
    failed: Mapping[str, Mapping[str, Any]],
    caught: Mapping[str, Mapping[str, Any]],
    turned: list[str],
    in_force: str,
    healthy: Mapping[str, Mapping[str, Any]],
) -> str:
    """Give why a fault does not count as caught, nothing when it does."""
    results = told["results"]
    if told["problem"]:
        return str(told["problem"])
    ill = [check for check in own if healthy.get(check, {}).get("status") != "pass"]
    if ill:
        return f"{ill[0]} is not green without a fault: {_line(healthy.get(ill[0], {}))}"
    if not in_force:
        return "nothing shows that the fault was in force"
    if not failed:
        other = next((check for check, result in own.items() if result["status"] != "pass"), "")
        if other:
            return f"{other} turned {own[other]['status']}, not fail: {_line(own[other])}"
        return f"nobody noticed: {', '.join(sorted(own))} passed"
    if not caught:
        check, result = next(iter(failed.items()))
        return f"{check} failed for another reason than /{fault.reason}/: {_line(result)}"
    # A fault's name beside a check says that the check was seen to fail.
    silent = next((check for check in own if check not in caught), None)
    if silent is not None:
        return f"{silent} did not turn for /{fault.reason}/, it is {own[silent]['status']}: {_line(own[silent])}"
    if turned:
        said = ", ".join(f"{each} ({_line(results[each])})" for each in turned)
        return f"it turned others too: {said}"
    return ""


def _line(result: Mapping[str, Any]) -> str:
    lines = str(result.get("message", "")).splitlines()
    return lines[0][:300] if lines else "no message"


def _counted(notes: list[str]) -> str:
    told = Counter(notes).most_common(3)
    return ", ".join(f"{count} times {what}" if count > 1 else what for what, count in told)
