"""What the project's own tests stand on: one embedded deployment for all of them, and a browser."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest

from fixtures.browser import ChromiumBrowser
from fixtures.browser import chromium as find_chromium
from fixtures.deployment import Deployment, Postgres
from fixtures.deployment import Homeserver as Described

# How long an example takes says nothing on a machine that is busy with a deployment.
hypothesis.settings.register_profile("vigie", deadline=None)
hypothesis.settings.load_profile("vigie")

# A shell starts what it puts into the background with SIGINT ignored, and whatever that starts inherits it: tests that send
# Ctrl-C would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Homeserver:
    """A homeserver to make accounts on."""

    described: Described
    ca: Path | None

    @property
    def base_url(self) -> str:
        return self.described.url

    @property
    def server_name(self) -> str:
        return self.described.server_name

    def register(self, username: str, password: str) -> dict[str, Any]:
        """Make an account by the admin API and log in; gives the login's answer."""
        user_id = f"@{username}:{self.server_name}"
        assert self.described.admin_token is not None
        headers = {"Authorization": f"Bearer {self.described.admin_token.get_secret_value()}"}
        with httpx.Client(base_url=str(self.described.admin_url), timeout=60) as http:
            made = http.put(f"/_synapse/admin/v2/users/{user_id}", json={"password": password}, headers=headers)
            assert made.status_code == 201, made.text
            identifier = {"type": "m.id.user", "user": user_id}
            body = {"type": "m.login.password", "identifier": identifier, "password": password}
            login = http.post("/_matrix/client/v3/login", json=body)
            assert login.status_code == 200, login.text
            answer: dict[str, Any] = login.json()
            return answer


@pytest.fixture(scope="session")
def homeserver(deployment: Deployment) -> Homeserver:
    return Homeserver(deployment.agents[0], deployment.ca)


@pytest.fixture(scope="session")
def postgres(deployment: Deployment) -> Postgres:
    assert deployment.storage is not None and deployment.storage.postgres is not None
    return deployment.storage.postgres


@pytest.fixture(scope="session")
def chromium() -> Iterator[ChromiumBrowser]:
    """A browser; a machine without one fails the test, with a line that says what to install."""
    browser = find_chromium()
    before = {name: os.environ.get(name) for name in browser.env}
    os.environ.update(browser.env)  # Playwright's own Node needs the libraries too
    yield browser
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
