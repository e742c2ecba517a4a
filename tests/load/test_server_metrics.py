"""The server's figures stand beside the run's, and what could not be had is said."""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fixtures.deployment import Deployment
from fixtures.journal import Journal, Started, identity_of
from load.measuring.export import Exporter
from load.measuring.exposition import figures, look
from load.measuring.server_metrics import Sampler, beside
from reports.load import FIXED_WORK
from tests.load.simulated import Server, play, profile

SEND = 'synapse_http_server_response_time_seconds_bucket{{code="200",method="PUT",servlet="{servlet}",le="{le}"}} {number}\n'


def text(persisted: int, sends: tuple[int, int, int], rejected: int = 0) -> str:
    found = f'synapse_storage_events_persisted_events_total{{server_name="x"}} {persisted}.0\n'
    found += f"synapse_rate_limit_reject_total {rejected}\n"
    for le, number in zip(("0.1", "1.0", "+Inf"), sends, strict=True):
        found += SEND.format(servlet="RoomSendEventRestServlet", le=le, number=number)
        found += SEND.format(servlet="SyncRestServlet", le=le, number=10_000)
    return found + 'synapse_event_processing_lag{name="appservice"} 12\nsynapse_event_processing_lag{name="federation"} 250\n'


def test_rates_and_percentiles_are_those_of_the_time_between_two_looks() -> None:
    before, after = look(text(100, (50, 60, 60)), 10.0), look(text(300, (50, 160, 160), 4), 12.0)
    found = figures(before, after)
    assert found["events-persisted-per-second"] == 100
    assert found["rate-limit-rejects-per-second"] == 2
    assert found["processing-lag-ms"] == 250, "the laggard counts"
    assert found["send-p99-ms"] == pytest.approx(991), "only the sends of these two seconds, and no sync"


def test_a_homeserver_that_started_again_gives_no_negative_rate() -> None:
    found = figures(look(text(300, (5, 6, 6)), 10.0), look(text(7, (1, 1, 1)), 12.0))
    assert "events-persisted-per-second" not in found
    assert "send-p99-ms" not in found


def test_a_second_without_sends_has_no_percentile_rather_than_zero() -> None:
    found = figures(look(text(300, (5, 6, 6)), 10.0), look(text(300, (5, 6, 6)), 12.0))
    assert "send-p99-ms" not in found
    assert found["events-persisted-per-second"] == 0


def described(metrics_url: str) -> Deployment:
    home = {"name": "one", "server_name": "one.test", "url": "http://127.0.0.1:1", "metrics_url": metrics_url}
    return Deployment.model_validate({"schema": "vigie.deployment/1", "name": "tried", "homeservers": [home]})


@pytest.fixture
def synapse() -> Iterator[str]:
    """Something that counts up, as a homeserver at work does; its third answer, alone, is a 500."""
    numbers = iter(range(0, 10_000, 10))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            number = next(numbers)
            body = text(number, (1, 1, 1)).encode()
            self.send_response(500 if number == 20 else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/_synapse/metrics"
    server.shutdown()
    server.server_close()


def test_figures_are_taken_beside_the_run_on_its_own_clock_and_end_with_it(synapse: str, tmp_path: Path) -> None:
    described(synapse).write(tmp_path / "deployment.toml")
    start = time.monotonic()
    with beside(tmp_path / "deployment.toml", tmp_path / "out", every=0.05) as sampling:
        until = time.monotonic() + 30
        while len(sampling.series(start).get("synapse:one:events-persisted-per-second", ())) < 3:
            assert time.monotonic() < until, f"three figures; seen: {sampling.series(start)} {sampling.problems()}"
            time.sleep(0.05)
    assert sampling.process.poll() is not None
    points = sampling.series(start)["synapse:one:events-persisted-per-second"]
    assert all(0 < at < time.monotonic() - start for at, _ in points)
    assert all(value > 0 for _, value in points)
    assert all(value > 0 for _, value in sampling.series(start)[FIXED_WORK]), "how fast the machine is"
    # Synapse does that now and then: one look is missing, and told as one.
    looks = len(sampling.path.read_text().splitlines())
    assert sampling.problems() == {"one": f"1 of {looks} looks, HTTPError: HTTP Error 500: Internal Server Error"}


def test_a_full_disk_ends_the_figures_in_one_line(tmp_path: Path) -> None:
    """The run itself goes on, and tells that its report cannot be written; what samples beside it tells no story of its own."""
    toml = tmp_path / "recette.toml"
    toml.write_text(
        'schema = "vigie.deployment/1"\nname = "recette"\n'
        '[[homeservers]]\nname = "un"\nserver_name = "un.example"\nurl = "http://127.0.0.1:9"\n'
    )
    command = [sys.executable, "-m", "load.measuring.server_metrics", str(toml), "/dev/full", "0.05"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == "vigie load: /dev/full: No space left on device; no more of the servers' own figures\n"


def test_an_endpoint_that_does_not_answer_is_a_problem_that_is_told_and_no_figure() -> None:
    sampler = Sampler(described("http://127.0.0.1:1/_synapse/metrics"))
    assert set(sampler.sample()[1]) == {FIXED_WORK}, "the machine is all that is known"
    assert "refused" in sampler.problems["one"]


def test_a_component_is_told_with_its_children_and_nobody_else_s_process_is(tmp_path: Path) -> None:
    waits_for_its_child = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'while True: pass'])\n"
        "print(flush=True)\n"
        "child.wait()"
    )
    command = [sys.executable, "-c", waits_for_its_child]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert child.stdout
        child.stdout.readline()
        journal = Journal(tmp_path)
        journal.owner(keep=False)
        journal.add(Started("worker", child.pid, identity_of(child.pid)))
        journal.add(Started("stranger", os.getpid(), 1.0))
        sampler = Sampler(described("http://127.0.0.1:1/"), tmp_path)
        sampler.sample()
        until = time.monotonic() + 30
        while (found := sampler.sample()[1]).get("component:worker:processor", 0.0) < 0.05:
            assert time.monotonic() < until, f"a busy child shows no processor use: {found}"
            time.sleep(0.2)
        assert found["component:worker:memory-mib"] > 1
        assert not [name for name in found if "stranger" in name], "a pid that somebody else has by now"
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if child.stdout:
            child.stdout.close()


def test_prometheus_reads_the_run_while_it_runs() -> None:
    measures = play(profile(), Server())
    exporter = Exporter(measures, 0)
    port = exporter.start()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            told = answer.read().decode()
    finally:
        exporter.stop()
    sends = measures.tally.total("sends", "measured")
    assert f'vigie_load_events_total{{what="sends",window="measured"}} {float(sends)}' in told
    total = measures.tally.total("sends")
    assert f'vigie_load_latency_seconds_bucket{{le="1.0",stage="intended-acknowledged"}} {float(total)}' in told
    assert 'vigie_load_latency_seconds_bucket{le="0.005",stage="intended-acknowledged"} 0.0' in told
