"""Example accounts of a deployment that stays: an agent of each administration, to log in with and look around."""

from __future__ import annotations

import secrets
from pathlib import Path

import httpx

from fixtures.deployment import Deployment
from fixtures.errors import StartError
from fixtures.population import Population

__all__ = ["make_examples"]


def make_examples(deployment: Deployment, folder: Path) -> list[tuple[str, str, str]]:
    """Make the accounts by the admin API; gives (identifier, address, password) of each.

    They are kept in the deployment's folder as well, readable by its owner alone. Raises `StartError`.
    """
    population = Population(secrets.token_hex(4), "examples")
    made = []
    with httpx.Client(timeout=30.0) as http:
        for homeserver in deployment.homeservers:
            domain = homeserver.domains[0] if homeserver.domains else ""
            person = population.agent(domain) if domain else population.outsider()
            user_id = f"@{person.address.replace('@', '-')}:{homeserver.server_name}"
            token = homeserver.admin_token.get_secret_value() if homeserver.admin_token else ""
            body = {
                "password": person.password,
                "displayname": person.full_name,
                "threepids": [{"medium": "email", "address": person.address}],
            }
            url = f"{homeserver.admin_url}/_synapse/admin/v2/users/{user_id}"
            answer = http.put(url, json=body, headers={"Authorization": f"Bearer {token}"})
            if answer.status_code not in (200, 201):
                raise StartError(f"an example account on {homeserver.name} was refused: {answer.status_code}")
            made.append((user_id, person.address, person.password))
    listing = folder / "accounts.txt"
    listing.touch(0o600)
    listing.write_text("\n".join("\t".join(row) for row in made) + "\n")
    return made
