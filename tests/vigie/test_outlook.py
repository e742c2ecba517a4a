"""How long a run still takes, as it is told while it runs: a few long checks, which come first, say little of the rest."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.markers import long_tests, rules_by_test
from conformance.run import check_id
from conformance.scheduling import breaks_parts
from vigie.outlook import Outlook

RULES = rules_by_test()
SUITE = [f"conformance/{file}::{test}[{number}]" for file, test in RULES for number in range(2)]


def _test(node: str) -> tuple[str, str]:
    file, _, name = node.rpartition("::")
    return Path(file).name, name.partition("[")[0]


def _seconds(node: str) -> float:
    """What a check takes on a machine a third slower than the one that was measured, none exactly as another."""
    file, test = _test(node)
    kind = 24.0 if (file, test) in long_tests() else 11.0 if breaks_parts(file) else 2.5
    return kind * (0.5 + len(test) % 11 / 10)


def _run(nodes: list[str], workers: int) -> Iterator[tuple[str, float, float]]:
    """Share checks as the run does; gives each, in the order in which they end, what it took, and when that was."""
    first = [node for node in nodes if breaks_parts(_test(node)[0])]
    rest = sorted((node for node in nodes if node not in first), key=lambda node: _test(node) not in long_tests())
    ends, at = [], 0.0
    for node in first:
        at += _seconds(node)
        ends.append((at, node))
    # Who broke parts takes of the rest afterwards, as everybody does.
    free = [0.0] * (workers - 1) + [at]
    heapq.heapify(free)
    for node in rest:
        at = heapq.heappop(free) + _seconds(node)
        ends.append((at, node))
        heapq.heappush(free, at)
    for at, node in sorted(ends):
        yield check_id(RULES[_test(node)][0], node.partition("::")[2]), _seconds(node), at


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_time_left_is_about_right_from_the_first_check_on(workers: int) -> None:
    """Whoever reads it after the first check, at a tenth or at the half is not told twice as long, nor half as long."""
    outlook = Outlook(workers)
    assert outlook.expect(SUITE) == len(SUITE)
    ended = list(_run(SUITE, workers))
    end = ended[-1][2]
    for number, (check, seconds, at) in enumerate(ended):
        outlook.ended(check, seconds)
        told, true = outlook.left(at), end - at
        if number in (0, len(ended) // 10, len(ended) // 2):
            assert true / 2 < told < true * 2, f"after {number + 1} of {len(ended)}: {told:.0f} s for {true:.0f}"
    assert outlook.left(end) == 0


def test_what_breaks_parts_has_one_worker_alone() -> None:
    """Of eight workers one runs all that break parts: the others do not make it shorter."""
    nodes = [node for node in SUITE if breaks_parts(_test(node)[0])]
    alone, shared = Outlook(1), Outlook(8)
    for outlook in (alone, shared):
        outlook.expect(nodes)
    assert shared.left(0) == alone.left(0) > 100


def test_every_check_of_the_suite_is_known_by_its_id() -> None:
    """What ends is taken off what was expected: a name that is not known would leave its time there until the end."""
    outlook = Outlook(4)
    outlook.expect(SUITE)
    for check, _, _ in _run(SUITE, 4):
        outlook.ended(check, 1.0)
    assert not any(outlook._waiting.values())
