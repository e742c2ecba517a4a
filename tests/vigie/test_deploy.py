"""The manifests: their commands are what the command line takes, and their parts fit together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.deployment import Deployment
from load.population.plan import circles_of
from load.profile import Profile
from vigie import workers
from vigie.cli import parser

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
# Has Locust's own parser take a command line; Locust changes Python at its import.
TAKEN = "import sys; from locust.argument_parser import get_parser; get_parser().parse_args(sys.argv[1:])"


@pytest.fixture
def parts() -> dict[tuple[str, str], dict[str, Any]]:
    read = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    return {(each["kind"], each["metadata"]["name"]): each for each in read}


def pod(job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = job["spec"]["template"]
    return found


def options(job: dict[str, Any]) -> Any:
    (container,) = pod(job)["spec"]["containers"]
    assert container["command"] == [".venv/bin/vigie"] and container["image"] == "IMAGE"
    return parser().parse_args(container["args"])


def test_the_commands_are_taken_and_fit_together(parts: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Master and workers are as many, and meet at the service's name and port."""
    master, hands = parts["Job", "vigie-master"], parts["Job", "vigie-workers"]
    leads, works = options(master), options(hands)
    service = parts["Service", works.master_host]
    (port,) = service["spec"]["ports"]
    assert workers.arguments(leads) == ["--expect-workers", "2", "--bind", f"0.0.0.0:{port['targetPort']}"]
    assert workers.arguments(works) == ["--worker", "--master-host", "vigie-master", "--master-port", str(port["port"])]
    assert leads.expect_workers == hands["spec"]["completions"] == hands["spec"]["parallelism"]
    assert hands["spec"]["completionMode"] == "Indexed"
    assert leads.expect_workers <= circles_of(Profile.read(leads.profile).population)
    # Neither is tried again: an exit code that says no is no fault of the cluster.
    for job in (master, hands):
        assert job["spec"]["backoffLimit"] == 0 and pod(job)["spec"]["restartPolicy"] == "Never"


def test_workers_alone_reach_the_master(parts: dict[tuple[str, str], dict[str, Any]]) -> None:
    master, hands = (pod(parts["Job", f"vigie-{name}"])["metadata"]["labels"] for name in ("master", "workers"))
    policy = parts["NetworkPolicy", "vigie-master"]["spec"]
    assert parts["Service", "vigie-master"]["spec"]["selector"] == policy["podSelector"]["matchLabels"] == master
    assert [each["podSelector"]["matchLabels"] for each in policy["ingress"][0]["from"]] == [hands]


def test_the_deployment_is_where_the_master_looks(parts: dict[tuple[str, str], dict[str, Any]], tmp_path: Path) -> None:
    """The Secret's example is a deployment that allows load, and the master alone gets it."""
    master = parts["Job", "vigie-master"]
    (container,) = pod(master)["spec"]["containers"]
    where = Path(options(master).deployment)
    (mount,) = [each for each in container["volumeMounts"] if each["mountPath"] == str(where.parent)]
    (volume,) = [each for each in pod(master)["spec"]["volumes"] if each["name"] == mount["name"]]
    secret = parts["Secret", volume["secret"]["secretName"]]
    example = tmp_path / where.name
    example.write_text(secret["stringData"][where.name])
    assert {"accounts", "load"} <= set(Deployment.read(example).allow)
    assert "volumes" not in pod(parts["Job", "vigie-workers"])["spec"]


def test_the_operators_resource_is_what_locust_takes() -> None:
    """With what the operator adds to them, master's and worker's commands are Locust's, and name this project's file."""
    (test,) = yaml.safe_load_all((DEPLOY / "locust-operator.yaml").read_text())
    spec = test["spec"]
    more = {
        "master": ["--master", "--master-port=5557", "--expect-workers=2", "--autostart", "--autoquit=60", "--only-summary"],
        "worker": ["--worker", "--master-port=5557", "--master-host=vigie-master"],
    }
    for name, added in more.items():
        command = spec[name]["command"].split()
        assert (DEPLOY.parent / command[-1].removeprefix("/vigie/")).is_file()
        ran = subprocess.run([sys.executable, "-c", TAKEN, *command, *added], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
    given = {each["name"]: each["value"] for each in spec["env"]["variables"]}
    assert {"VIGIE_DEPLOYMENT", "VIGIE_PROFILE", "VIGIE_OUT"} == set(given)
    (mount,) = [each for each in spec["volumeMounts"] if each["mountPath"] == str(Path(given["VIGIE_DEPLOYMENT"]).parent)]
    assert mount["target"] == "master"
