"""What is told of a run follows from what was measured: objectives, doubts, exit code."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hdrh.histogram import HdrHistogram
from pydantic import ValidationError

from load.report import tell, tell_capacity
from reports.files import ReportError
from reports.load import Capacity, LoadReport, RateTried, Violation, Worker, read_load
from reports.load_tellings import make_load
from reports.redaction import Redactor
from reports.verdict import Outcome
from tests.load.simulated import TEXT, Server, play, profile, report


def found(told: LoadReport, objective: str) -> tuple[float | None, bool]:
    one = next(each for each in told.objectives if each.id == objective)
    return one.value, one.met


def test_a_quick_server_that_loses_nothing_holds(tmp_path: Path) -> None:
    told = report(profile(), play(profile(), Server()))
    assert tell(told, tmp_path) == 0
    assert all(objective.value is not None for objective in told.objectives)
    assert found(told, "nothing-lost") == (0, True)
    suites = ElementTree.fromstring((tmp_path / "junit.xml").read_text())
    assert (suites.get("tests"), suites.get("failures"), suites.get("errors")) == ("5", "0", "0")


def test_a_delay_of_three_seconds_fails_the_objectives_of_latency_and_no_other(tmp_path: Path) -> None:
    told = report(profile(), play(profile(), Server(lambda _: 3.0)))
    assert tell(told, tmp_path) == 1
    assert [o.id for o in told.objectives if not o.met] == ["acknowledged-p99", "decrypted-p99"]
    assert found(told, "acknowledged-p99")[0] == pytest.approx(3001, rel=0.01)
    suites = ElementTree.fromstring((tmp_path / "junit.xml").read_text())
    assert [case.get("name") for case in suites.iter("testcase") if case.find("failure") is not None] == [
        "acknowledged-p99", "decrypted-p99",
    ]  # fmt: skip


def test_one_lost_message_in_thousands_fails() -> None:
    told = report(profile(), play(profile(), Server(lose=lambda number: number == 777)))
    assert told.outcome is Outcome.DOES_NOT_HOLD
    assert found(told, "nothing-lost") == (1, False)
    assert [o.event_id for o in told.offences if o.kind == "lost"] == ["$777"]


def test_a_figure_that_is_missing_fails() -> None:
    asked = profile(
        profile_text_with(
            '[[objectives]]\nid = "achieved"',
            '[[objectives]]\nid = "server"\nfigure = "server"\nseries = "cpu"\nat_most = 1\n\n[[objectives]]\nid = "achieved"',
        )
    )
    told = report(asked, play(asked, Server()))
    assert found(told, "server") == (None, False)
    assert told.outcome is Outcome.DOES_NOT_HOLD
    with_server = report(asked, play(asked, Server()), server={"cpu": [(20.0, 0.5), (30.0, 0.7)]})
    assert found(with_server, "server") == (0.7, True)


def profile_text_with(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new)


@pytest.mark.parametrize(
    ("unwell", "told"),
    [({"slip": 0.2}, "schedule slip"), ({"processor": 0.99}, "processor use")],
)
def test_a_generator_out_of_breath_judges_nobody_whatever_it_found(unwell: dict[str, Any], told: str, tmp_path: Path) -> None:
    for server in (Server(), Server(lambda _: 3.0)):
        one = report(profile(), play(profile(), server, **unwell))
        assert tell(one, tmp_path) == 3
        assert any(told in doubt for doubt in one.doubts)


def test_dropped_arrivals_take_a_green_away_and_leave_a_red() -> None:
    text = profile_text_with("at_least = 0.99", "at_least = 0.5")
    green = profile(text)
    dropping = play(green, Server(stalls=((40.0, 0.4),)), agents=5)
    assert report(green, dropping).outcome is Outcome.CANNOT_TELL
    red = play(green, Server(lambda _: 3.0), agents=120)
    assert red.tally.total("dropped") > 0
    assert report(green, red).outcome is Outcome.DOES_NOT_HOLD


def test_a_worker_that_was_lost_and_a_run_cut_short_judge_nobody(tmp_path: Path) -> None:
    measures = play(profile(), Server())
    lost = report(profile(), measures, workers=[Worker(name="0"), Worker(name="1", state="lost")])
    assert lost.outcome is Outcome.CANNOT_TELL
    assert "worker 1 was lost" in lost.doubts[0]
    cut = report(profile(), measures, cut_short="interrupted")
    assert tell(cut, tmp_path) == 3
    assert "cut short: interrupted" in cut.doubts
    assert "Cut short" in (tmp_path / "index.html").read_text()
    assert "cut short" in (tmp_path / "summary.md").read_text()


def test_the_answer_of_a_search_tells_no_secret(tmp_path: Path) -> None:
    """A probe was given another answer than it should be, with a token in it: the report under the answer has it not."""
    leaky = Violation(name="guest-creates-no-room", at=1.0, result="broken", message="unexpected: tres-secret")
    held = report(profile(), play(profile(), Server())).model_copy(update={"violations": (leaky,)})
    redactor = Redactor()
    redactor.learn("tres-secret")
    trial = RateTried(rate=50.0, held=True, near=True, fixed_work_ms=1.75)
    answer = Capacity(low=50.0, high=None, trials=(trial,))
    tell_capacity({50.0: held}, answer, tmp_path, redactor=redactor)
    assert "tres-secret" not in "".join(each.read_text() for each in tmp_path.iterdir())
    assert read_load(tmp_path / "load.json").capacity == answer
    page = (tmp_path / "index.html").read_text()
    assert "held, near its bounds" in page
    assert "<td>1.75</td>" in page, "how fast the machine was"


def test_a_search_that_leaves_something_on_the_deployment_is_no_green(tmp_path: Path) -> None:
    """The answer stands, with what is still there; the exit code says that somebody has to look."""
    held = report(profile(), play(profile(), Server()))
    answer = Capacity(low=50.0, high=70.0, confirmed=True)
    assert tell_capacity({50.0: held}, answer, tmp_path) == 0
    assert tell_capacity({50.0: held}, answer, tmp_path, left_behind="2 rooms are still there") == 3
    told = read_load(tmp_path / "load.json")
    assert (told.left_behind, told.capacity, told.outcome) == ("2 rooms are still there", answer, Outcome.CANNOT_TELL)


def test_no_hand_writes_holds_over_a_missed_objective(tmp_path: Path) -> None:
    tell(report(profile(), play(profile(), Server(lambda _: 3.0))), tmp_path)
    content = json.loads((tmp_path / "load.json").read_text())
    assert content["schema"] == "vigie.load/1"
    with pytest.raises(ValidationError, match="objectives and health say does-not-hold"):
        LoadReport.model_validate({**content, "outcome": "holds"})
    for objective in content["objectives"]:
        objective["met"] = True
    with pytest.raises(ValidationError, match="is told as met"):
        LoadReport.model_validate({**content, "outcome": "holds"})


def test_the_report_carries_every_histogram_in_the_librarys_own_format(tmp_path: Path) -> None:
    measures = play(profile(), Server())
    tell(report(profile(), measures), tmp_path)
    read = read_load(tmp_path / "load.json")
    part = next(p for p in read.latencies if p.name == "intended-decrypted" and p.window == "measured" and not p.room_size)
    library = HdrHistogram.decode(part.histogram.encode())
    assert library.get_total_count() == part.count == measures.tally.total("decrypted-crowd", "measured")
    assert library.get_value_at_percentile(99) / 1000 == pytest.approx(part.p99, rel=0.002)


@pytest.mark.parametrize("histogram", ["x", "AAAA", "\ud800", "HISTFAAAAAEA"])
def test_a_histogram_that_is_none_is_told_in_one_line(histogram: str, tmp_path: Path) -> None:
    tell(report(profile(), play(profile(), Server())), tmp_path)
    content = json.loads((tmp_path / "load.json").read_text())
    stage = next(each for each in content["latencies"] if each["window"] == "measured" and not each["room_size"])
    stage["histogram"] = histogram
    (tmp_path / "load.json").write_text(json.dumps(content))
    with pytest.raises(
        ReportError, match=rf"load\.json: latencies: the histogram of {stage['name']} cannot be read: "
    ) as caught:
        make_load(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_page_stands_alone_and_draws_everything(tmp_path: Path) -> None:
    told = report(profile(), play(profile(), Server()), server={"synapse <1>": [(float(n), n * 1.0) for n in range(70)]})
    tell(told, tmp_path)
    page = (tmp_path / "index.html").read_text()
    for title in (
        "Acknowledgement over time",
        "Delivery over time",
        "Distribution by percentile",
        "Offered and achieved",
        "synapse &lt;1&gt;",
    ):
        assert f'aria-label="{title}"' in page, title
    assert "<script" not in page
    assert "style=" not in page.partition("</head>")[2], "the content security policy would refuse it"
    assert "src=" not in page
    ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])
