"""Checks beside each other, and those that are alone: whoever breaks a deployment breaks it for nobody else."""

from __future__ import annotations

import threading
from pathlib import Path

from conformance.exclusion import alone, beside_others

MOMENT = 0.2


def test_who_is_beside_others_shares_and_who_is_alone_waits(tmp_path: Path) -> None:
    order: list[str] = []
    inside = threading.Event()

    def breaks() -> None:
        with alone(tmp_path):
            order.append("alone")
            inside.set()

    thread = threading.Thread(target=breaks)
    with beside_others(tmp_path), beside_others(tmp_path):
        thread.start()
        assert not inside.wait(MOMENT), "somebody broke the deployment under two others"
        order.append("others")
    thread.join(10)
    assert order == ["others", "alone"]


def test_who_waits_to_be_alone_is_not_overtaken_for_ever(tmp_path: Path) -> None:
    """Others who come later wait for the one who has the turn."""
    order: list[str] = []
    first = beside_others(tmp_path)
    first.__enter__()

    def enters(name: str) -> None:
        with (alone if name == "alone" else beside_others)(tmp_path):
            order.append(name)

    breaking = threading.Thread(target=enters, args=("alone",))
    breaking.start()
    breaking.join(MOMENT)
    later = threading.Thread(target=enters, args=("later",))
    later.start()
    later.join(MOMENT)
    assert order == [], "somebody came in while one was waiting to be alone"
    first.__exit__(None, None, None)
    breaking.join(10)
    later.join(10)
    assert order == ["alone", "later"]
