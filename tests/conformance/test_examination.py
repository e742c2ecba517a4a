"""Doctor and the look before a run bear whatever a server answers and an address turns out to be, and tell no secret."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from conformance.examination import Finding, Patient
from fixtures.deployment import Deployment, Homeserver
from fixtures.errors import DeploymentError
from fixtures.preflight import ensure_answers

# What no file gives any more, since reading refuses it: a deployment can be put together otherwise.
UNASKABLE = ["https://host:port", "https://[::1", "https://" + "e" * 64 + ".example", "https://é..example"]


def deployment(url: str, **more: Any) -> Deployment:
    told: dict[str, Any] = {"admin_url": None, "admin_token": None, "domains": ("a.example",), "throttles": (), **more}
    home = Homeserver.model_construct(
        name="a", server_name="a.example", url=url, people="agents", scanner=True, link_lifetime_s=None, **told
    )
    whole = Deployment(name="recette", homeservers=(Homeserver(name="a", server_name="a.example", url="http://127.0.0.1:9"),))
    return whole.model_copy(update={"homeservers": (home,)})


def findings(of: Deployment) -> dict[str, Finding]:
    return {each.part: each for each in Patient(of, []).findings()}


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, Any]]]:
    """A server's address, and what it answers by path."""
    answers: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path.partition("?")[0])
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    answers["/_matrix/client/versions"] = {"versions": ["v1.11"]}
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}", answers
        serving.shutdown()
        thread.join()


@pytest.mark.parametrize("url", UNASKABLE)
def test_an_address_that_cannot_be_asked_is_a_finding(url: str) -> None:
    found = findings(deployment(url))["homeserver a"]
    assert not found.works and "cannot be asked" in found.said and "\n" not in found.said


@pytest.mark.parametrize("url", UNASKABLE)
def test_an_address_that_cannot_be_asked_ends_a_run_in_a_line(url: str) -> None:
    with pytest.raises(DeploymentError, match=r"\Athe homeserver a at .* cannot be asked [^\n]*\Z"):
        ensure_answers(deployment(url))


@pytest.mark.parametrize("token", ["syt_geheim\n", "syt_gehéim", " syt_geheim"])
def test_a_token_that_no_header_carries_is_not_told(server: tuple[str, dict[str, Any]], token: str) -> None:
    url, answers = server
    answers["/_synapse/admin/v2/users"] = {"users": []}
    found = findings(deployment(url, admin_url=url, admin_token=SecretStr(token)))["administrator of a"]
    assert "syt_" not in found.said and "\n" not in found.said
    assert found.works or "cannot be asked (" in found.said


@pytest.mark.parametrize(
    ("server_part", "said"),
    [
        ({"version": "1.2"}, "a.example, 1.2"),
        ({"name": "Synapse"}, "a.example, Synapse"),
        ({}, "a.example, version not told"),
        ("Synapse", "a.example, version not told"),
    ],
)
def test_a_version_half_told_is_told_as_far(server: tuple[str, dict[str, Any]], server_part: Any, said: str) -> None:
    url, answers = server
    answers["/_matrix/federation/v1/version"] = {"server": server_part}
    assert findings(deployment(url))["homeserver a"] == Finding("homeserver a", True, said)


def test_json_without_bottom_is_no_json(server: tuple[str, dict[str, Any]]) -> None:
    url, answers = server
    answers["/_matrix/client/versions"] = b"[" * 100_000
    assert "gives no JSON" in findings(deployment(url))["homeserver a"].said
