"""An engine of the project's own: what it changes on the machine is gone with it."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from fixtures.engine import Engine, tool_environment, tools
from fixtures.errors import SetupError


@pytest.fixture
def engine() -> Iterator[Engine]:
    """One in a folder of its own, whose path is short enough for its sockets."""
    with tempfile.TemporaryDirectory(prefix="vigie-", dir="/tmp") as folder:
        yield Engine(Path(folder))


def network() -> dict[str, list[str]]:
    """What an engine might change of the machine's network: rules without their counters, links, forwarding."""
    saved = subprocess.run(["iptables-save"], env=tool_environment(tools()), capture_output=True, text=True, check=True).stdout
    lines = [re.sub(r" \[\d+:\d+\]", "", line) for line in saved.splitlines() if line.startswith((":", "-"))]
    # Looking is enough for a built-in chain to be there, which lets everything pass.
    rules = [line for line in lines if not re.fullmatch(r":[A-Z]+ ACCEPT", line)]
    links = sorted(path.name for path in Path("/sys/class/net").iterdir() if path.name.startswith(("docker", "br-")))
    return {"rules": rules, "links": links, "forwarding": [Path("/proc/sys/net/ipv4/ip_forward").read_text()]}


def test_engine_leaves_the_network_as_it_was(engine: Engine) -> None:
    """An engine starts, makes a network and ends: no rule, no bridge and no forwarding is there that was not before."""
    if os.geteuid() != 0:
        with pytest.raises(SetupError, match="needs root"):
            engine.start()
        return
    before = network()
    try:
        engine.start()
        client = docker.DockerClient(base_url=engine.url)
        made = client.networks.create("vigie-trace", driver="bridge")
        during = network()
        made.remove()
        client.close()
        assert during["links"] != before["links"], "there was no network, so nothing is shown"
        assert during["forwarding"] == before["forwarding"]
    finally:
        engine.stop()
    assert network() == before


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ("_FORWARDING", "-A FORWARD -s 172.30.0.0/17 ! -d 172.30.0.0/17 -j REJECT"),
        ("_FILTERED_BRIDGES", "-A FORWARD -s 172.30.0.0/17 -d 172.30.0.0/17 -j ACCEPT"),
    ],
)
def test_rules_last_as_long_as_the_engine(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: str, rule: str
) -> None:
    """Where the machine forwards for others, containers are kept at home; where it filters bridges, they reach each other."""
    if os.geteuid() != 0:
        with pytest.raises(SetupError, match="needs root"):
            engine.start()
        return
    on = tmp_path / "setting"
    on.write_text("1\n")
    for name in ("_FORWARDING", "_FILTERED_BRIDGES"):
        monkeypatch.setattr(f"fixtures.engine.{name}", on if name == setting else tmp_path / "off")
    before = network()["rules"]
    try:
        engine.start()
        # Another engine, which runs these tests, may have the same rule.
        ours = list((Counter(network()["rules"]) - Counter(before)).elements())
        assert len(ours) == 1 and ours[0].startswith(rule), ours
    finally:
        engine.stop()
    assert network()["rules"] == before


def test_engine_leaves_the_rules_of_another(engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two engines run, each with a rule of its own; the end of one leaves the other's."""
    if os.geteuid() != 0:
        with pytest.raises(SetupError, match="needs root"):
            engine.start()
        return
    on = tmp_path / "setting"
    on.write_text("1\n")
    before = Counter(network()["rules"])
    with tempfile.TemporaryDirectory(prefix="vigie-", dir="/tmp") as folder:
        other = Engine(Path(folder))
        try:
            for each, setting in ((other, "_FILTERED_BRIDGES"), (engine, "_FORWARDING")):
                for name in ("_FORWARDING", "_FILTERED_BRIDGES"):
                    monkeypatch.setattr(f"fixtures.engine.{name}", on if name == setting else tmp_path / "off")
                each.start()
            both = Counter(network()["rules"]) - before
            assert both.total() == 2, both
            engine.stop()
            (left,) = Counter(network()["rules"]) - before
            assert left.endswith("-j ACCEPT"), left
        finally:
            engine.stop()
            other.stop()
    assert Counter(network()["rules"]) == before
