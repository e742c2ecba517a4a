"""DIR: how the search matches, and what it does not give away ("Rechercher une personne")."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from itertools import cycle

import pytest

from conformance.cast import Cast
from conformance.checks.answers import accepted, refused
from conformance.checks.bulk import slowed
from conformance.checks.directory import finds
from conformance.outcome import untestable
from scenarios import directory
from scenarios.people import Person
from scenarios.session import Session, ok, path

# How one is named, and what others type; {tag} is the last word of the family name, which nobody else has.
_MATCHES = {
    "no accent": ("Zoé Lefèvre {tag}", "zoe lefevre {tag}"),
    "accent where there is none": ("Zoe Lefevre {tag}", "Zoé Lefèvre {tag}"),
    "cedilla and diaeresis": ("Françoise Joël {tag}", "francoise joel {tag}"),
    "ligature": ("Cœline Bœuf {tag}", "coeline boeuf {tag}"),
    "capitals": ("Jeanne Martin {tag}", "JEANNE MARTIN {TAG}"),
    "family name first": ("Jeanne Martin {tag}", "{tag} martin jeanne"),
    "hyphen as a space": ("Jean-Pierre Martin {tag}", "jean pierre {tag}"),
    "space as a hyphen": ("Jean Pierre Martin {tag}", "Jean-Pierre {tag}"),
    "second given name": ("Jean-Pierre Martin {tag}", "pierre {tag}"),
    "beginning of each": ("Jean-Pierre Martin {tag}", "pier mart {part}"),
    "apostrophe": ("Paul L'Aubert {tag}", "aubert {tag}"),
    "typographic apostrophe": ("Paul L’Aubert {tag}", "l'aubert {tag}"),
    "no particle": ("Paul de La Tour {tag}", "tour {tag}"),
    "spaces": ("Paul Martin {tag}", "  paul   {tag} "),
    "part of a name": ("Paul Martin {tag}", "{part}"),
    "organisation": ("Paul Martin {tag} [Interieur]", "{tag} interieur"),
}

# Where the reference's homeservers ask each other about their people, with neither account nor limit.
_BETWEEN_SERVERS = ("/_synapse/tchap/agents", "/_synapse/tchap/search")


@pytest.mark.rule("DIR-4")
@pytest.mark.parametrize("home", [0, 1])
async def test_search_matches_as_people_expect(cast: Cast, home: int) -> None:
    """A colleague of either homeserver types a name as people do, and finds who bears it; who only resembles is not found."""
    shown, namesake, near, far = await cast.agents(home, home, home, 1 - home)
    tag = shown.identity.family_name.split()[-1]
    missed = []
    for what, (name, typed) in _MATCHES.items():
        await directory.set_name(shown.session, name.format(tag=tag))
        await directory.set_name(namesake.session, name.format(tag=namesake.identity.family_name.split()[-1]))
        await finds(near.session, namesake.identity.family_name.split()[-1], namesake.user_id)
        term = typed.format(tag=tag, TAG=tag.upper(), part=tag[:5])
        for searcher in (near, far):
            found = await directory.find(searcher.session, term)
            if shown.user_id not in found:
                missed.append(f"{what}: {term!r} does not find {name.format(tag=tag)!r} for {searcher.name}")
            assert namesake.user_id not in found, f"{what}: {term!r} also finds {found[namesake.user_id]}"
    assert not missed, "; ".join(missed)


@pytest.mark.rule("DIR-5")
@pytest.mark.parametrize("home", [0, 1])
async def test_directory_is_shut_without_an_account(cast: Cast, home: int) -> None:
    """Whoever has no token, or a token of nobody, is told nothing, in any version; an agent is."""
    agent, shown = await cast.agents(home, 1 - home)
    name = shown.identity.family_name.split()[-1]
    await finds(agent.session, name, shown.user_id)
    nobody = cast.anonymous(cast.home(home))
    forged = cast.anonymous(cast.home(home))
    forged.access_token = "syt_aW52ZW50ZWQ_inventedinventedinv_0000"
    former = await cast.agent(home)
    gone = await cast.log_in(former, "appareil perdu")
    ok(await gone.post("/logout", {}))
    for session in (nobody, forged, gone):
        for version in ("r0", "v3", "unstable"):
            answer = await session.post("/user_directory/search", {"search_term": name}, version)
            refused(answer, "a search without an account", "M_MISSING_TOKEN", "M_UNKNOWN_TOKEN", status=401)
            assert shown.user_id not in answer.body.decode()
    for asked in cast.homes:
        for session in (cast.anonymous(asked), agent.session):
            for way in _BETWEEN_SERVERS:
                answer = await replace(session, base_url=asked.url).post(way, {"search_term": name, "limit": 50})
                refused(answer, f"{way} of {asked.name} for {session.who}", status=(401, 403, 404, 405))
                assert shown.user_id not in answer.body.decode(), f"{way} is refused and tells"
    assert shown.user_id in await directory.find(agent.session, name)


@pytest.mark.needs("hostile")
@pytest.mark.rule("DIR-5")
async def test_search_keeps_its_limit(cast: Cast) -> None:
    """Of many who bear a name a search gives as many as were asked for, and not all however many are; it says so."""
    agent = await cast.agent()
    tag = agent.identity.family_name.split()[-1]
    crowd = await asyncio.gather(*(cast.agent(number % 2) for number in range(54)))
    await asyncio.gather(*(directory.set_name(person.session, f"Foule {tag}") for person in crowd))

    for limit in (1, 7):
        answer = accepted(await directory.search(agent.session, f"foule {tag}", limit), f"a search for {limit}")
        assert len(answer["results"]) == limit, f"asked for {limit}, it gives {len(answer['results'])}"
        assert answer["limited"] is True, "it does not say that there are more"
    answer = accepted(await directory.search(agent.session, f"foule {tag}", 1_000_000), "a search for everybody")
    assert 7 < len(answer["results"]) < len(crowd), f"asked for everybody, it gives {len(answer['results'])} of {len(crowd)}"
    for term in ("", " ", "%", "*", "_", ".", "@", ":"):
        found = (await directory.search(agent.session, term, 1_000_000)).json().get("results", [])
        assert len(found) <= 50, f"a search for {term!r} gives {len(found)} people"


@pytest.mark.rule("DIR-5")
@pytest.mark.parametrize("home", [0, 1])
async def test_no_room_lists_everybody(cast: Cast, home: int) -> None:
    """An agent who was never invited anywhere is in no room whose members they could read out: colleagues stay unknown."""
    newcomer, others = await cast.agent(home), await cast.agents(0, 1)
    for other in others:
        await finds(newcomer.session, other.identity.family_name.split()[-1], other.user_id)
    rooms = ok(await newcomer.session.get("/sync", {"full_state": "true"})).get("rooms", {})
    known = {room for kind in ("join", "invite", "leave", "knock") for room in rooms.get(kind, {})}
    known |= set(ok(await newcomer.session.get("/joined_rooms"))["joined_rooms"])
    for room_id in known:
        for part in ("members", "joined_members", "state", "messages"):
            told = (await newcomer.session.get(path("rooms", room_id, part), {"dir": "b"})).body.decode()
            for other in others:
                assert other.user_id not in told, f"the {part} of {room_id}, in which every agent is, tell of {other.user_id}"


async def _sessions(cast: Cast, thief: Person) -> list[Session]:
    """Give a thief, who has the password, as many sessions as they like: the account is one."""
    return [thief.session, *(await asyncio.gather(*(cast.log_in(thief, f"appareil {number}") for number in range(3))))]


@pytest.mark.unpaced
@pytest.mark.rule("DIR-5", "INC-10")
@pytest.mark.parametrize("home", [0, 1])
async def test_reading_the_directory_in_bulk_is_slowed(cast: Cast, home: int) -> None:
    """An account that searches for one name after the other is told to wait, by whatever sessions and API it asks.

    A colleague meanwhile is not.
    """
    if "directory" not in cast.home(home).throttles:
        raise untestable(f'that {cast.home(home).name} claims to slow searches down (throttles = ["directory"] in its TOML)')
    colleague, *thieves = await cast.agents(home, home, home)
    name = colleague.identity.family_name.split()[-1]
    letters = "abcdefghijklmnopqrst"
    terms = [first + second for first in letters for second in letters]
    # What one way has used up, the other begins with: each has an account of its own.
    for thief, version in zip(thieves, ("v3", "r0"), strict=True):
        await finds(thief.session, name, colleague.user_id)
        sessions = await _sessions(cast, thief)
        asks = [
            partial(session.post, "/user_directory/search", {"search_term": term}, version)
            for session, term in zip(cycle(sessions), terms, strict=False)
        ]
        await slowed(asks, f"search after search by {version}")
    answer = accepted(await directory.search(colleague.session, name), "a colleague's search at that moment")
    assert colleague.user_id in {entry["user_id"] for entry in answer["results"]}


@pytest.mark.unpaced
@pytest.mark.rule("INC-10")
@pytest.mark.parametrize("home", [0, 1])
async def test_reading_the_rooms_in_bulk_is_slowed(cast: Cast, home: int) -> None:
    """An account that lists public rooms again and again is told to wait, by whatever sessions and API it asks.

    A colleague who looks for one meanwhile is not.
    """
    if "rooms" not in cast.home(home).throttles:
        raise untestable(
            f'that {cast.home(home).name} claims to slow the listing of rooms down (throttles = ["rooms"] in its TOML)'
        )
    colleague, *thieves = await cast.agents(home, home, home, home)
    server = cast.home(1 - home).server_name
    # What one way has used up, another begins with: each has an account of its own.
    for thief, (method, version) in zip(thieves, (("GET", "v3"), ("POST", "v3"), ("GET", "r0")), strict=True):
        body = {"limit": 1} if method == "POST" else None
        asks = [
            partial(session.send, method, "/publicRooms", body, params, version)
            for session in await _sessions(cast, thief)
            for params in ({"limit": 1}, {"server": server})
        ]
        await slowed(asks * (400 // len(asks)), f"one list of rooms after the other by {method} and {version}")
    accepted(await colleague.session.get("/publicRooms", {"limit": 1}), "a colleague's list at that moment")
