"""Who there will be and which rooms they share, drawn from a seed, so that what was made once is found again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from fixtures.deployment import Deployment
from fixtures.errors import DeploymentError
from fixtures.population import Identity
from fixtures.population import Population as Names
from load.profile import Population

__all__ = ["CirclePlan", "PersonPlan", "Plan", "RoomPlan", "circles_of", "draw", "ensure_possible"]

Kind = Literal["direct", "private", "public"]
# Who talks to each other shares a process, and so a clock: people live in circles, and a process takes whole circles.
_IN_A_CIRCLE = 250


@dataclass(frozen=True)
class PersonPlan:
    """Somebody: number, homeserver by name, circle, how many devices."""

    number: int
    identity: Identity
    home: str
    guest: bool
    circle: int
    devices: int


@dataclass(frozen=True)
class RoomPlan:
    """A room: the first of its members makes it. `externals` opens it to guests."""

    number: int
    kind: Kind
    name: str
    members: tuple[int, ...]
    circle: int
    externals: bool = False


@dataclass(frozen=True)
class CirclePlan:
    """People who talk to each other: their numbers."""

    agents: tuple[int, ...]
    guests: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """The whole population."""

    people: tuple[PersonPlan, ...]
    rooms: tuple[RoomPlan, ...]
    circles: int


def circles_of(population: Population) -> int:
    """Give how many circles a population has: as many workers can share it."""
    total = population.people + population.guests
    # Two at least where there are enough people for it, so that two workers have one each.
    return max(1 if total < 16 else 2, -(-total // _IN_A_CIRCLE))


def ensure_possible(population: Population, deployment: Deployment) -> None:
    """Raise `DeploymentError` where a deployment lacks what the population needs."""
    if not deployment.agents:
        raise DeploymentError(f"the deployment {deployment.name} has no homeserver of agents")
    if population.guests and deployment.external is None:
        raise DeploymentError(f"the deployment {deployment.name} has no homeserver of externals for {population.guests} guests")


def draw(
    population: Population, deployment: Deployment, seed: int, secret: str = "", mark: str = "", story: str = "crowd"
) -> Plan:
    """Draw a population for a deployment; raises what `ensure_possible` does.

    `secret`, `mark` and `story` are those of `fixtures.population.Population`: they change passwords and names alone.
    """
    ensure_possible(population, deployment)
    random = Random(f"plan {seed}")  # noqa: S311 -- meant to be repeatable
    total = population.people + population.guests
    circles = circles_of(population)
    people = tuple(
        _person(population, deployment, Names(seed, f"{story} {number}", secret, mark), number, circles, random)
        for number in range(total)
    )
    gathered = [
        CirclePlan(
            tuple(each.number for each in people if each.circle == circle and not each.guest),
            tuple(each.number for each in people if each.circle == circle and each.guest),
        )
        for circle in range(circles)
    ]
    return Plan(people, tuple(_rooms(population, gathered, random)), circles)


def _person(
    population: Population, deployment: Deployment, names: Names, number: int, circles: int, random: Random
) -> PersonPlan:
    guest = number >= population.people
    devices = 2 if random.random() < population.two_devices else 1
    if guest:
        assert deployment.external is not None
        return PersonPlan(number, names.outsider(), deployment.external.name, True, number % circles, devices)
    # By rounds of circles, so that each has people of every homeserver.
    home = deployment.agents[number // circles % len(deployment.agents)]
    domain = home.domains[0] if home.domains else "exemple.gouv.fr"
    return PersonPlan(number, names.agent(domain), home.name, False, number % circles, devices)


def _rooms(population: Population, circles: Sequence[CirclePlan], random: Random) -> list[RoomPlan]:
    """Draw the rooms: some people are in many and most in few, as their number of contacts says."""
    found: list[RoomPlan] = []
    popularity = {number: population.contacts.draw(random) for circle in circles for number in (*circle.agents, *circle.guests)}

    def add(kind: Kind, circle: int, size: int) -> None:
        everybody = circles[circle]
        size = min(size, len(everybody.agents))
        if size < 2:
            return
        members = _sample(everybody.agents, popularity, size, random)
        number = len(found)
        found.append(RoomPlan(number, kind, f"salon {number}", tuple(members), circle))

    plan = population.rooms
    for number in range(plan.direct):
        add("direct", number % len(circles), 2)
    for number in range(plan.private):
        add("private", number % len(circles), plan.sizes.draw_whole(random))
    for number in range(plan.public):
        add("public", number % len(circles), plan.sizes.draw_whole(random))
    for number, circle in enumerate(circles):
        # Guests are with agents, in rooms made for it: three of them and a few agents each.
        for start in range(0, len(circle.guests), 3):
            hosts = _sample(circle.agents, popularity, min(3, len(circle.agents)), random)
            members = (*hosts, *circle.guests[start : start + 3])
            found.append(RoomPlan(len(found), "private", f"projet {len(found)}", members, number, externals=True))
    _befriend(found, circles, random)
    return found


def _befriend(rooms: list[RoomPlan], circles: Sequence[CirclePlan], random: Random) -> None:
    """Give whoever is in no encrypted room a conversation with somebody."""
    housed = {number for room in rooms if room.kind != "public" for number in room.members}
    for circle, people in enumerate(circles):
        for number in people.agents:
            others = [each for each in people.agents if each != number]
            if number not in housed and others:
                members = (number, random.choice(others))
                housed.update(members)
                rooms.append(RoomPlan(len(rooms), "direct", f"salon {len(rooms)}", members, circle))


def _sample(people: Sequence[int], weight: dict[int, float], count: int, random: Random) -> list[int]:
    """Draw people without putting any back, by weight (Efraimidis and Spirakis)."""
    keyed = sorted(people, key=lambda each: random.random() ** (1 / weight[each]), reverse=True)
    return keyed[:count]
