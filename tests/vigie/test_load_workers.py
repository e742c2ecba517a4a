"""A load run that is shared between workers: the same arrivals, one report, and nobody who is lost in silence."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from load.measuring.histogram import Histogram
from reports.load import LoadReport
from tests.vigie.conftest import Vigie
from tests.vigie.crowded import PROFILE, due, free_port, gone, interrupt, told, vigie, watched

# A worker whose date is set two hours forward as soon as a file is there.
LEAPING = """\
import os, runpy, sys, time
real, sign = time.time, sys.argv.pop(1)
time.time = lambda: real() + (7200 if os.path.exists(sign) else 0)
runpy.run_module("load.run", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "two-circles.toml"
    path.write_text(PROFILE)
    return path


def _books_agree(report: LoadReport) -> None:
    """Hold histograms, cells and counts of a report against each other."""
    for each in report.latencies:
        assert Histogram.decoded(each.histogram).total == each.count, each.name
    cells = [each for each in report.latencies if each.of == "message" and each.room_size]
    counts = report.counts
    assert sum(each.count for each in cells if each.name == "intended-acknowledged") == counts["sends"]
    assert sum(each.count for each in cells if each.name == "intended-seen") == counts["delivered"] == counts["expected"]
    acts = [each for each in report.latencies if each.of == "act" and not each.from_actual]
    assert sum(each.count for each in acts) == counts["done"]


def test_one_worker_and_two_agree(vigie: Vigie, warm: str, profile: Path, tmp_path: Path) -> None:
    """The same profile on one process and on two: every arrival of the schedule, once, and books that add up."""
    reports = []
    for number in (1, 2):
        out = tmp_path / str(number)
        common = ("--deployment", warm, "--profile", str(profile), "--out", str(out))
        ran = vigie("load", *common, "--processes", str(number))
        assert ran.returncode == 0, ran.stdout + ran.stderr
        everything = ran.stdout + ran.stderr + "".join(path.read_text() for path in out.iterdir())
        assert not re.search(r"syt_[A-Za-z0-9]", everything), "an access token was told"
        reports.append(told(out))
        _books_agree(reports[-1])
    one, two = reports
    windows = [[(each.window, each.offered, each.done, each.dropped) for each in report.windows] for report in reports]
    assert windows[0] == windows[1] and sum(offered for _, offered, _, _ in windows[0]) == due(profile)
    assert one.counts["sends"] == two.counts["sends"]
    assert [(each.name, each.state, each.offered) for each in two.workers] == [
        ("0", "finished", due(profile, 0, 2)),
        ("1", "finished", due(profile, 1, 2)),
    ]
    assert sum(each.people or 0 for each in two.workers) == one.workers[0].people == 20
    # They read the same clock.
    assert [each.clock_bound_ms for each in two.workers] == [0, 0]
    assert {"generator:0:processor", "generator:1:processor"} <= {each.name for each in two.series}
    assert "--processes 2" in two.command


def test_a_worker_that_is_killed_is_lost_and_said_so(vigie: Vigie, warm: str, profile: Path, tmp_path: Path) -> None:
    """SIGKILL in the middle: exit 3, the report names the worker and what is missing, and the people can be used again."""
    out, again = tmp_path / "out", tmp_path / "again"
    common = ("load", "--deployment", warm, "--profile", str(profile), "--processes", "2")
    with watched(sys.executable, "-m", "vigie.cli", *common, "--out", str(out), "--measured", "20") as run:
        run.until("measured:")
        family, workers = run.family(), run.workers()
        assert len(workers) == 2
        workers[0].kill()
        run.until("is gone")
        run.end(3)
        assert gone(family)
    report = told(out)
    (lost,) = [each for each in report.workers if each.state == "lost"]
    (left,) = [each for each in report.workers if each.state == "finished"]
    assert lost.missing > 0 and report.counts["lost-with-a-worker"] == lost.missing and left.missing == 0
    assert any(f"worker {lost.name} was lost" in doubt for doubt in report.doubts)
    assert report.outcome == "cannot-tell" and not report.cut_short
    ran = vigie(*common, "--out", str(again))
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_an_interruption_has_all_workers_hand_over(warm: str, profile: Path, tmp_path: Path) -> None:
    """Ctrl-C with two workers: what both measured is in the report, it is marked as cut short, and nothing is left."""
    out = tmp_path / "out"
    common = ("--deployment", warm, "--profile", str(profile), "--measured", "600", "--out", str(out))
    with watched(*vigie("load", *common, "--processes", "2")) as run:
        run.until("measured:")
        family = run.family()
        interrupt(run)
        run.end(3)
        assert gone(family)
    report = told(out)
    assert report.cut_short and report.outcome == "cannot-tell"
    assert 0 < next(each.seconds for each in report.windows if each.window == "measured") < 600, "the rates' time"
    assert [each.state for each in report.workers] == ["finished", "finished"]
    assert all(each.offered for each in report.workers)
    _books_agree_on_what_was_offered(report)


def _books_agree_on_what_was_offered(report: LoadReport) -> None:
    assert sum(each.offered or 0 for each in report.workers) == report.counts["offered"]


def test_master_and_workers_apart_and_a_date_that_leaps(warm: str, profile: Path, tmp_path: Path) -> None:
    """A master awaits workers that others start. One's date is set forward in the middle: nothing comes of it."""
    out, sign, port = tmp_path / "out", tmp_path / "leap", str(free_port())
    bind = ("--master", "--expect-workers", "2", "--bind", f"127.0.0.1:{port}")
    common = ("--deployment", warm, "--profile", str(profile), "--measured", "20", "--out", str(out))
    where = ("--worker", "--master-host", "127.0.0.1", "--master-port", port)
    with (
        watched(*vigie("load", *common, *bind)) as master,
        watched(*vigie("load", *where)) as plain,
        watched(sys.executable, "-c", LEAPING, str(sign), *where) as leaping,
    ):
        master.until("measured:")
        sign.touch()
        late = (sys.executable, "-m", "load.run", *where)
        with watched(*late) as refused:
            refused.end(4)
            assert "has its workers already" in refused.text
        master.end(0)
        plain.end(0)
        leaping.end(0)
    assert "neither encrypted nor authenticated" in master.text
    report = told(out)
    assert [each.state for each in report.workers] == ["finished", "finished"]
    assert sum(each.offered or 0 for each in report.workers) == report.counts["offered"]
    _books_agree(report)


@pytest.mark.parametrize("apart", [False, True], ids=["processes", "master and workers"])
def test_by_locusts_own_command(warm: str, profile: Path, tmp_path: Path, apart: bool) -> None:
    """`locust -f load/locustfile.py` with workers of its own: the same report, and Vigie's exit code."""
    out, port = tmp_path / "out", str(free_port())
    locust = (sys.executable, "-m", "locust", "-f", "load/locustfile.py", "--headless", "--only-summary")
    bind = ("--master-bind-host", "127.0.0.1", "--master-bind-port", port)
    to = ("--master-host", "127.0.0.1", "--master-port", port)
    run = {"VIGIE_DEPLOYMENT": warm, "VIGIE_PROFILE": str(profile), "VIGIE_OUT": str(out)}
    if apart:
        with (
            watched(*locust, "--master", "--expect-workers", "2", *bind, **run) as master,
            watched(*locust, "--worker", *to) as one,
            watched(*locust, "--worker", *to) as two,
        ):
            for each in (master, one, two):
                each.end(0)
    else:
        with watched(*locust, "--processes", "2", *bind, *to, **run) as whole:
            whole.end(0)
    report = told(out)
    assert [each.state for each in report.workers] == ["finished", "finished"]
    assert report.counts["offered"] == due(profile)
    _books_agree(report)


@pytest.mark.parametrize(
    ("deployment", "out", "said"),
    [
        ("", "", "VIGIE_DEPLOYMENT: name the deployment's TOML"),
        ("nobody.toml", "/dev/null/run", "vigie load: /dev/null/run: Not a directory"),
    ],
)
def test_locusts_command_tells_in_a_line_what_is_wrong(tmp_path: Path, deployment: str, out: str, said: str) -> None:
    """Without a deployment, or a folder for its report, there is no run: one line says so, exit code 4."""
    if deployment:
        (tmp_path / deployment).write_text(
            'schema = "vigie.deployment/1"\nname = "nobody"\n'
            '[[homeservers]]\nname = "a"\nserver_name = "a.example"\nurl = "http://127.0.0.1:1"\n'
        )
        deployment = str(tmp_path / deployment)
    command = (sys.executable, "-m", "locust", "-f", "load/locustfile.py", "--headless", "--only-summary")
    with watched(*command, VIGIE_DEPLOYMENT=deployment, VIGIE_OUT=out) as run:
        run.end(4)
        assert said in run.text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--processes", "0"), "no whole number from 1 on"),
        (("--master",), "needs --expect-workers"),
        (("--expect-workers", "2"), "goes with --master"),
        (("--bind", "127.0.0.1"), "no HOST:PORT"),
        (("--master-port", "70000"), "no port"),
        (("--master-host", "a"), "goes with --worker"),
        (("--worker", "--master-host", "maître:5557"), "its port goes by itself"),
        (("--processes", "2", "--master", "--expect-workers", "2"), "one of them"),
        (("--worker", "--processes", "2"), "does not go with --worker"),
        (("--worker", "--profile", "soak"), "does not go with --worker"),
        (("--master", "--expect-workers", "2", "--find-capacity"), "use it with --processes"),
    ],
)
def test_what_does_not_fit_together_is_told_in_a_line(vigie: Vigie, arguments: tuple[str, ...], said: str) -> None:
    """What cannot be shared is told in one line, with exit code 4, before anything starts."""
    ran = vigie("load", *arguments)
    assert ran.returncode == 4 and said in ran.stderr and len(ran.stderr.strip().splitlines()) == 1


def test_more_workers_than_circles_are_refused(vigie: Vigie, warm: str, profile: Path) -> None:
    """A worker has whole circles: one that would have none is told before anything is made."""
    ran = vigie("load", "--deployment", warm, "--profile", str(profile), "--processes", "3")
    assert ran.returncode == 4 and "2 circles" in ran.stderr and len(ran.stderr.strip().splitlines()) == 1


def test_a_port_that_is_taken_is_told_in_a_line(vigie: Vigie, warm: str, profile: Path) -> None:
    """Where workers cannot be awaited, one line says so."""
    ran = vigie(
        "load", "--deployment", warm, "--profile", str(profile), "--master", "--expect-workers", "2", "--bind", "192.0.2.1:5557"
    )
    assert ran.returncode == 4 and "no worker can be awaited" in ran.stderr and "Traceback" not in ran.stderr
