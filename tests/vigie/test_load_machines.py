"""Workers on other machines, as far as one machine has others: namespaces with a network and a clock of their own."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from fixtures.deployment import Deployment
from tests.vigie.crowded import PROFILE, due, free_port, told, vigie, watched
from tests.vigie.namespaces import ensure_allowed, namespace


def test_two_machines_are_one_run(deployment: Deployment, warm: str, tmp_path: Path) -> None:
    """Two workers in networks of their own, one with another clock: every arrival once, and second 0 within a told bound."""
    ensure_allowed()
    profile, out, port = tmp_path / "two-circles.toml", tmp_path / "out", free_port()
    profile.write_text(PROFILE)
    addresses = sorted({urlsplit(each.url).netloc for each in deployment.homeservers})
    common = ("--deployment", warm, "--profile", str(profile), "--out", str(out))
    where = ("--worker", "--master-host", "127.0.0.1", "--master-port", str(port))
    with ExitStack() as standing:
        bind = ("--master", "--expect-workers", "2", "--bind", f"127.0.0.1:{port}")
        master = standing.enter_context(watched(*vigie("load", *common, *bind)))
        master.until("awaiting 2 workers")
        workers = []
        for number, clock in enumerate((0, 100_000)):
            machine = standing.enter_context(namespace(number, [*addresses, f"127.0.0.1:{port}"], clock))
            workers.append(standing.enter_context(watched(*machine, *vigie("load", *where))))
        for each in (master, *workers):
            each.end(0)
    report = told(out)
    assert [each.state for each in report.workers] == ["finished", "finished"]
    assert sorted(each.offered or 0 for each in report.workers) == sorted(due(profile, shard, 2) for shard in (0, 1))
    assert report.counts["offered"] == due(profile) and report.counts["delivered"] == report.counts["expected"] > 0
    # One reads the clock of the master, the other's had to be found out.
    same, other = sorted(each.clock_bound_ms if each.clock_bound_ms is not None else -1.0 for each in report.workers)
    assert same == 0 < other
    # What it measured lies within the run, as it would not by a clock that is a day ahead.
    times = [at for each in report.series if each.name.endswith(":processor") for at, _ in each.points]
    assert times and min(times) > -60 and max(times) < report.seconds
