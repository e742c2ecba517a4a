"""``make bench``: those who send, side by side against an empty nginx, in rounds; ratios are of processor time.

The machine may be busy with something else: then rates say little, and processor time still says what a request costs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fixtures.debian import debian
from fixtures.errors import FixtureError, SetupError
from load.bench.peers import holder, nginx

__all__ = ["main"]

Told = dict[str, float]
_LUA = """\
wrk.method = "PUT"
wrk.body = string.rep("x", 620)
wrk.headers["Authorization"] = "Bearer bench"
wrk.headers["Content-Type"] = "application/json"
"""
_SENDERS = ("fast", "crowd", "unmeasured", "nio-memory", "nio")
_NAMES = {
    "wrk": "wrk, constant bytes",
    "fast": "Locust's FastHttpUser, constant bytes",
    "crowd": "Vigie's crowd, encrypted, measured",
    "unmeasured": "Vigie's crowd, encrypted, not measured",
    "nio": "matrix-nio's AsyncClient, encrypted",
    "nio-memory": "the same, its store in memory",
}


def _sender(who: str, url: str, seconds: float) -> Told:
    command = [sys.executable, "-m", "load.bench.senders", who, url, str(seconds)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 300)
    if ran.returncode or not ran.stdout.strip():
        raise FixtureError(f"bench: {who} ended with {ran.returncode}: {ran.stderr.strip().splitlines()[-1:]}")
    told: Told = json.loads(ran.stdout.strip().splitlines()[-1])
    return told


def _wrk(program: Path, environment: dict[str, str], url: str, seconds: float, folder: Path) -> Told:
    script = folder / "put.lua"
    script.write_text(_LUA)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    target = f"{url}/_matrix/client/v3/rooms/!bench:bench/send/m.room.encrypted/vigie-1"
    command = [str(program), "-t1", "-c16", f"-d{max(1, round(seconds))}s", "-s", str(script), target]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **environment})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    number = int(re.findall(r"(\d+) requests in", ran.stdout)[0])
    rate = float(re.findall(r"Requests/sec:\s+([\d.]+)", ran.stdout)[0])
    return {"number": number, "rate": rate, "processor_us": used / number * 1e6, "processor": used / seconds}


def _rounds(url: str, rounds: int, seconds: float, folder: Path, say: Callable[[str], None]) -> dict[str, list[Told]]:
    """Let each send in turn, round after round, so that whatever else the machine does falls on all."""
    found: dict[str, list[Told]] = {who: [] for who in ("wrk", *_SENDERS)}
    try:
        prefix = debian("wrk")
        program = prefix.program("wrk")
    except SetupError as error:
        say(f"without wrk: {error}")
        found.pop("wrk")
    for number in range(rounds):
        for who, told in found.items():
            say(f"round {number + 1} of {rounds}: {_NAMES[who]}")
            told.append(
                _wrk(program, prefix.environment(), url, seconds, folder) if who == "wrk" else _sender(who, url, seconds)
            )
    return found


def _median(told: list[Told], key: str) -> float:
    return statistics.median(each[key] for each in told)


def _paired(above: list[Told], below: list[Told]) -> tuple[float, float, float]:
    """Give the median, least and largest ratio of processor time, round by round."""
    ratios = [a["processor_us"] / b["processor_us"] for a, b in zip(above, below, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def main() -> int:
    """Run everything, print the table, write `bench.json`."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument(
        "--only", action="append", choices=("sending", "receiving", "schedule", "idle"), help="some parts alone"
    )
    parser.add_argument("--out", type=Path, default=Path("reports/bench.json"))
    options = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(20_000, limit[1]), limit[1]))

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as folder, holder() as holding, nginx(Path(folder), holding) as port:
        url = f"http://127.0.0.1:{port}"
        parts: dict[str, Callable[[], Any]] = {
            "sending": lambda: _rounds(url, options.rounds, options.seconds, Path(folder), say),
            "receiving": lambda: [_sender("receive", url, 1.0) for _ in range(3)],
            "schedule": lambda: [_sender("slip", url, 8.0) for _ in range(3)],
            "idle": lambda: _sender_idle(f"http://127.0.0.1:{holding}", options.people),
        }
        options.out.parent.mkdir(parents=True, exist_ok=True)
        found: dict[str, Any] = {}
        for name in options.only or parts:
            say(name)
            found[name] = parts[name]()
            _TELL[name](found[name])
            # After each part: whoever breaks it off has what was measured.
            options.out.write_text(json.dumps(found, indent=1))
    return 0


def _sender_idle(url: str, people: int) -> Told:
    command = [sys.executable, "-c", _IDLE.format(url=url, people=people), "idle"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if ran.returncode:
        raise FixtureError(f"bench: idle agents ended with {ran.returncode}: {ran.stderr.strip().splitlines()[-1:]}")
    told: Told = json.loads(ran.stdout.strip().splitlines()[-1])
    return told


_IDLE = """
from load.bench import senders
import json, logging, os
logging.disable(logging.WARNING)
print(json.dumps(senders.idle({url!r}, 30.0, {people})), flush=True)
os._exit(0)
"""


def _tell_sending(sending: dict[str, list[Told]]) -> None:
    print(f"{'sending to an empty nginx':42} {'µs of processor':>15} {'a second':>9}   times FastHttpUser (least to largest)")
    for who in ("wrk", "fast", "unmeasured", "crowd", "nio-memory", "nio"):
        if who in sending:
            told = sending[who]
            ratio, least, largest = _paired(sending["fast"], told)
            figures = f"{_median(told, 'processor_us'):>15.1f} {_median(told, 'rate'):>9.0f}"
            print(f"{_NAMES[who]:42} {figures}   {ratio:.2f} ({least:.2f} to {largest:.2f})")
    for who in ("nio", "nio-memory"):
        ratio, least, largest = _paired(sending[who], sending["crowd"])
        print(f"the crowd's encrypted sends, times those of {_NAMES[who]}: {ratio:.1f} ({least:.1f} to {largest:.1f})")
    ratio, least, largest = _paired(sending["crowd"], sending["unmeasured"])
    print(f"measuring costs {(ratio - 1) * 100:.0f} % ({(least - 1) * 100:.0f} to {(largest - 1) * 100:.0f} %)", flush=True)


def _tell_receiving(told: list[Told]) -> None:
    opened, each = _median(told, "rate"), _median(told, "processor_us")
    print(f"receiving and decrypting: {opened:.0f} events a second and core, {each:.0f} µs each", flush=True)


def _tell_schedule(told: list[Told]) -> None:
    slip, dropped = _median(told, "slip_p99_ms"), _median(told, "dropped")
    print(f"schedule slip at 500 arrivals a second: p99 {slip:.1f} ms, dropped {dropped:.2%}", flush=True)


def _tell_idle(told: Told) -> None:
    memory, share, connected = told["memory_mib"], told["processor"], told["connected"]
    print(f"{told['people']:.0f} idle agents: {memory:.0f} MiB, {share:.1%} of a core, {connected:.0f} connections", flush=True)


_TELL: dict[str, Callable[[Any], None]] = {
    "sending": _tell_sending,
    "receiving": _tell_receiving,
    "schedule": _tell_schedule,
    "idle": _tell_idle,
}


if __name__ == "__main__":
    # Whoever ends it ends its peers with it.
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(4))
    try:
        sys.exit(main())
    except FixtureError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(4)
