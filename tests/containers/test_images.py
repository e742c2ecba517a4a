"""An operator's own image, with a module of theirs in it, and their configuration laid over the harness's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fixtures.embedded import Embedded
from fixtures.images import Images, images_for
from tests.containers.conftest import small

_MODULE = '''\
from synapse.module_api import ModuleApi


class Motto:
    """Gives every new room the ministry's motto as its topic."""

    def __init__(self, config: dict, api: ModuleApi) -> None:
        self.motto = config["motto"]
        api.register_third_party_rules_callbacks(on_create_room=self.on_create_room)

    async def on_create_room(self, requester, request_content: dict, is_requester_admin: bool) -> None:
        request_content["topic"] = self.motto
'''

# Beside Synapse, where an operator's image has its modules.
_DOCKERFILE = """\
FROM {ours}
COPY motto.py /opt/motto.py
RUN cp /opt/motto.py "$({python} -c 'import os, synapse; print(os.path.dirname(synapse.__path__[0]))')"
"""


@pytest.fixture
def operators(docker: Any, tmp_path: Path) -> Iterator[Path]:
    """A TOML that names the operator's image of Synapse, built here for the purpose."""
    ours = images_for(docker, ["synapse"], Images())["synapse"]
    (tmp_path / "motto.py").write_text(_MODULE)
    (tmp_path / "Dockerfile").write_text(_DOCKERFILE.format(ours=ours.reference, python=ours.python))
    tag = "vigie-test/operators-synapse:1"
    docker.images.build(path=str(tmp_path), tag=tag, rm=True, network_mode="none")
    toml = tmp_path / "images.toml"
    toml.write_text(f'[images]\nsynapse = {{image = "{tag}", python = "{ours.python}"}}\n')
    yield toml
    docker.images.remove(tag, force=True)


def test_operators_image_and_configuration_are_what_runs(operators: Path) -> None:
    """The deployment comes up with the operator's image; their module and their password policy are in force in it."""
    mine = {
        "modules": [{"module": "motto.Motto", "config": {"motto": "Liberté"}}],
        "password_config": {"policy": {"minimum_length": 30}},
    }
    with Embedded.start(small(**{"agents-1": mine}), images=Images.read(operators)) as running:
        home = running.deployment.homeservers[0]
        version = {each.name: each.version for each in running.deployment.components}["synapse"]
        assert version.endswith("(vigie-test/operators-synapse:1)")
        assert home.admin_token is not None
        headers = {"Authorization": f"Bearer {home.admin_token.get_secret_value()}"}
        with httpx.Client(base_url=str(home.admin_url), headers=headers, timeout=30) as http:
            room_id = http.post("/_matrix/client/v3/createRoom", json={}).json()["room_id"]
            topic = http.get(f"/_matrix/client/v3/rooms/{room_id}/state/m.room.topic").json()["topic"]
            assert topic == "Liberté"
        with httpx.Client(base_url=str(home.admin_url), timeout=30) as http:
            # All that our own policy asks for, and shorter than theirs.
            short = http.post("/_matrix/client/v3/register", json={"username": "court", "password": "Court1234567!"})
            assert short.json().get("errcode") in ("M_PASSWORD_TOO_SHORT", "M_WEAK_PASSWORD"), short.text
