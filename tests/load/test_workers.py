"""What the master makes of what workers say: clocks, users, reports that come once, and shares that are lost."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load.measuring.losses import enter_losses, workers_told
from load.measuring.measures import Measures
from load.profile import Profile
from load.report import Worker
from load.sharing.allotment import Allotment
from load.sharing.clocks import SAME, Offset, clock_id, estimate
from load.sharing.messages import HERE, REFUSED, REPORT
from load.sharing.roster import Roster
from tests.load.simulated import profile, report

seconds = st.floats(0, 2, allow_nan=False)


@given(st.lists(st.tuples(seconds, seconds), min_size=1, max_size=20), st.floats(-1e6, 1e6, allow_nan=False))
def test_the_bound_holds_however_lopsided_the_way_is(ways: list[tuple[float, float]], ahead: float) -> None:
    """Out and back may take any time: the offset is never further from the truth than the bound says."""
    trips = []
    for number, (out, back) in enumerate(ways):
        asked = 1000.0 + 10 * number
        trips.append((asked + ahead, asked + out, asked + out + back + ahead))
    found = estimate(trips)
    assert abs(found.ahead - ahead) <= found.bound + 1e-6
    assert found.bound <= min(out + back for out, back in ways) / 2 + 1e-6
    assert found.there(found.here(5.0)) == pytest.approx(5.0)


def test_clocks_that_run_apart_are_told() -> None:
    assert SAME.within(SAME) == 0
    assert Offset(10.0, 0.001).within(Offset(10.25, 0.002)) == pytest.approx(0.252)
    assert clock_id() == clock_id() and " " in clock_id()


def test_locust_is_steady_and_leaves_people_where_they_are() -> None:
    """What needs Locust itself is held to it in a process of its own: Locust changes Python's sockets at its import."""
    code = Path(__file__).parent / "in_locust.py"
    ran = subprocess.run(
        [sys.executable, str(code)], capture_output=True, text=True, check=False, cwd=code.parent.parent.parent
    )
    assert ran.returncode == 0 and ran.stdout == "held\n", ran.stderr


def test_an_allotment_grows_evenly() -> None:
    allotment = Allotment({"a": 8, "b": 4})
    allotment.more(6)
    assert allotment.told == {"a": 4, "b": 2} and not allotment.complete
    allotment.more(100)
    assert allotment.told == allotment.wanted and allotment.complete


class Runner:
    """A master's runner as far as a roster needs it."""

    def __init__(self) -> None:
        self.listeners: dict[str, Any] = {}
        self.clients: dict[str, Any] = {}
        self.sent: list[tuple[str, str]] = []

    def register_message(self, name: str, listener: Any) -> None:
        self.listeners[name] = listener

    def send_message(self, name: str, content: Any, client_id: str) -> None:
        del content
        self.sent.append((name, client_id))

    def says(self, client: str, name: str, content: Any) -> None:
        self.clients.setdefault(client, SimpleNamespace(id=client, state="running"))
        self.listeners[name](environment=None, msg=SimpleNamespace(node_id=client, data=content))


@pytest.fixture
def played() -> Profile:
    return profile()


@pytest.fixture
def roster(played: Profile) -> Roster:
    events = SimpleNamespace(worker_report=SimpleNamespace(add_listener=lambda _listener: None))
    environment = SimpleNamespace(runner=Runner(), events=events)
    found = Roster(environment)
    for name in ("a", "b"):
        found.runner.says(name, HERE, {"host": name, "pid": 1, "protocol": 1})
    found.complete(2)
    found.measures = Measures(played.windows, 1000.0)
    return found


def reported(roster: Roster, client: str, number: int, offered: int, final: bool = False, **more: Any) -> None:
    books = Measures(profile().windows, 1000.0, client)
    for each in range(offered):
        books.dispatched("send", 1020.0 + each, 1020.0 + each)
    told = {"number": number, "came": 5, "failed": [], "busy": 0, "records": [], "measures": books.drain(), "outstanding": 0}
    if final:
        told |= {"final": True, "cut": False, "noticed": {}, "clock_bound": 0.0}
    roster._report(client, {REPORT: {**told, **more}})


def end(roster: Roster, played: Profile) -> list[Worker]:
    assert roster.measures is not None
    enter_losses(roster, played, roster.measures, played.windows.total, cut=False)
    return workers_told(roster, played, roster.measures)


def test_a_report_that_comes_twice_counts_once(roster: Roster, played: Profile) -> None:
    reported(roster, "a", 0, 3)
    reported(roster, "a", 0, 3)
    reported(roster, "a", 1, 2, final=True)
    reported(roster, "b", 0, 4, final=True)
    reported(roster, "c", 0, 100)
    assert roster.measures is not None and roster.measures.tally.total("offered") == 9
    assert [(each.name, each.state, each.offered) for each in end(roster, played)] == [
        ("0", "finished", 5),
        ("1", "finished", 4),
    ]


@pytest.mark.parametrize("how", ["silent", "a report is missing", "went by itself"])
def test_a_share_that_is_not_whole_is_lost_and_counted(roster: Roster, played: Profile, how: str) -> None:
    reported(roster, "a", 0, 3, final=True)
    reported(roster, "b", 0, 4)
    if how == "a report is missing":
        reported(roster, "b", 2, 0, final=True)
    elif how == "went by itself":
        reported(roster, "b", 1, 0, final=True, cut=True)
    first, second = end(roster, played)
    assert (first.state, second.state, first.missing) == ("finished", "lost", 0)
    assert second.missing > 0 and roster.measures is not None
    assert roster.measures.tally.total("lost-with-a-worker") == second.missing
    told = report(played, roster.measures, workers=[first, second])
    assert told.outcome == "cannot-tell" and any("worker 1 was lost" in doubt for doubt in told.doubts)


def test_who_comes_too_late_or_is_of_another_version_is_refused(roster: Roster) -> None:
    roster.runner.says("c", HERE, {"host": "c", "pid": 1, "protocol": 1})
    roster.runner.says("d", HERE, {"host": "d", "pid": 1, "protocol": 99})
    assert roster.runner.sent == [(REFUSED, "c"), (REFUSED, "d")] and set(roster.places) == {"a", "b"}
