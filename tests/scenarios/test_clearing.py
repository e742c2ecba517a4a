"""Taking a room away from a real deployment while its homeserver breaks down over the request now and then."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from conformance.transport import AsyncTransport
from fixtures.deployment import Deployment
from scenarios.files import download, upload
from scenarios.session import Session, ok, path
from scenarios.visit.clearing import Clearing
from scenarios.visit.departing import depart
from scenarios.visit.ledger import Ledger
from scenarios.visit.made import Account, Made
from scenarios.wire import Request, Response

from .conftest import PASSWORD, People

_BROKE = b'{"errcode": "M_UNKNOWN", "error": "Internal server error"}'


class BreaksDown:
    """The way to the homeserver, on which it breaks down over so many removals of rooms; waiting only moves the clock."""

    def __init__(self, transport: AsyncTransport, times: int) -> None:
        self.transport, self.times, self.clock, self.broken = transport, times, 0.0, 0

    async def send(self, request: Request) -> Response:
        if request.method == "DELETE" and self.broken < self.times:
            self.broken += 1
            return Response(500, {}, _BROKE, request)
        return await self.transport.send(request)

    async def sleep(self, seconds: float) -> None:
        self.clock += seconds

    def now(self) -> float:
        return self.clock


async def _cleared(clearing: Clearing) -> None:
    """Do what a sweep does."""
    for stage in clearing.stages():
        for step in stage:
            await step()


@pytest.mark.parametrize(("times", "goes"), [(3, True), (10_000, False)])
async def test_room_is_removed_by_a_server_that_breaks_down_a_few_times(
    people: People, transport: AsyncTransport, deployment: Deployment, tmp_path: Path, times: int, goes: bool
) -> None:
    """A few failures pass; of those that do not, the last is told, and the journal keeps the room for the next sweep."""
    alice = await people.person("alice")
    room_id = await people.gather(alice)
    made = Made(tmp_path / "tags.jsonl")
    made.begin(deployment)
    made.note("room", room_id=room_id, server=people.homeserver.server_name, user_id=alice.user_id)
    breaks_down = BreaksDown(transport, times)
    clearing = Clearing(deployment, made, breaks_down)
    await _cleared(clearing)
    there = await alice.session.get(path("rooms", room_id, "state", "m.room.create"))
    if goes:
        assert clearing.stays == [] and not made.things()
        assert len(clearing.broke_down) == times, "that it was asked again is not told"
        assert there.status == 403, f"the room is still there: {there}"
    else:
        (why,) = clearing.stays
        assert room_id in why and "500 M_UNKNOWN Internal server error" in why and "broke down" in why, why
        assert list(made.things().rooms) == [room_id]
        assert there.status == 200, f"nothing was there to stay: {there}"


class BreaksDownAt(BreaksDown):
    """The way to a homeserver that breaks down over one kind of request, always, and takes all others."""

    def __init__(self, transport: AsyncTransport, method: str, where: str) -> None:
        super().__init__(transport, 0)
        self.method, self.where = method, where

    async def send(self, request: Request) -> Response:
        if request.method == self.method and request.url.split("?")[0].endswith(self.where):
            self.broken += 1
            return Response(500, {}, _BROKE, request)
        return await self.transport.send(request)


@pytest.mark.parametrize(
    ("what", "method", "where", "goes"),
    [
        ("account", "POST", "/login", True),
        # To give an account up takes its password: it is told, this time and the next.
        ("account by its token", "GET", "/whoami", False),
        ("room that was never heard of", "GET", "/m.room.create", True),
        ("room", "GET", "/members", True),
        ("room", "POST", "/leave", True),
        ("room with an alias", "DELETE", "its alias", True),
        ("account with an alias", "DELETE", "its alias", True),
    ],
)
async def test_what_a_server_broke_down_over_is_not_gone(
    people: People,
    transport: AsyncTransport,
    deployment: Deployment,
    tmp_path: Path,
    what: str,
    method: str,
    where: str,
    goes: bool,
) -> None:
    """Alice's account or room is asked about in vain, without an administrator: the journal keeps it, and it goes later."""
    alice = await people.person("alice")
    server, session = people.homeserver.server_name, alice.session
    alone = [each.model_copy(update={"admin_token": None}) for each in deployment.homeservers]
    visited = deployment.model_copy(update={"homeservers": tuple(alone)})
    made = Made(tmp_path / "tags.jsonl")
    made.begin(visited)
    name = f"salon-{secrets.token_hex(4)}"
    body = {"preset": "private_chat", "room_alias_name": name, "creation_content": {"vigie": made.tag}}
    room_id = ok(await session.post("/createRoom", body))["room_id"]
    aliases, alias = [], path("directory", "room", f"#{name}:{server}")
    if where == "its alias":
        aliases, where = [f"#{name}:{server}"], alias
    # Somebody who stays; only the account that is to go is nobody's.
    keeper = {alice.user_id: Account(server, alice.user_id, password=PASSWORD, token=session.access_token or "")}
    match what.split():
        case ["account", *more]:
            keeper = {}
            known = {"token": session.access_token} if more == ["by", "its", "token"] else {"password": PASSWORD}
            made.note("account", key=alice.user_id, user_id=alice.user_id, server=server, **known)
        case [_, "that", *_]:
            made.note("opening", opening="1", server=server, user_id=alice.user_id)
    if what == "room" or aliases:
        made.note("room", room_id=room_id, server=server, user_id=alice.user_id, aliases=aliases)
    breaks_down = BreaksDownAt(transport, method, where)
    for way in (breaks_down, transport):
        clearing = Clearing(visited, made, way, keeper)
        await _cleared(clearing)
        if way is breaks_down:
            assert breaks_down.broken, "it was never asked about"
            (why,) = clearing.stays
            assert "500 M_UNKNOWN" in why, why
            assert made.things(), "what is there is forgotten"
            assert room_id in ok(await session.get("/joined_rooms"))["joined_rooms"]
            assert (await session.get(alias)).status == 200
    assert bool(made.things()) is not goes, f"{clearing.stays}, and the journal has {made.things().told()}"
    if keeper:
        assert room_id not in ok(await session.get("/joined_rooms"))["joined_rooms"]
    else:
        assert (await session.get("/account/whoami")).status == (401 if goes else 200)
    if aliases:
        bruno = await people.person("bruno")
        assert (await bruno.session.get(alias)).status == 404, "the alias is still there"


@pytest.mark.parametrize(("what", "method", "where"), [("account", "POST", "/login"), ("room", "GET", "/members")])
async def test_what_a_server_broke_down_over_is_taken_by_its_administrator(
    people: People, transport: AsyncTransport, deployment: Deployment, tmp_path: Path, what: str, method: str, where: str
) -> None:
    """Where there is an administrator, what Alice cannot do herself is done by them, at once."""
    alice = await people.person("alice")
    server, session = people.homeserver.server_name, alice.session
    room_id = await people.gather(alice)
    made = Made(tmp_path / "tags.jsonl")
    made.begin(deployment)
    keeper = {alice.user_id: Account(server, alice.user_id, password=PASSWORD, token=session.access_token or "")}
    if what == "account":
        made.note("account", key=alice.user_id, user_id=alice.user_id, server=server, password=PASSWORD)
    else:
        made.note("room", room_id=room_id, server=server, user_id=alice.user_id)
    breaks_down = BreaksDownAt(transport, method, where)
    clearing = Clearing(deployment, made, breaks_down, keeper if what == "room" else {})
    await _cleared(clearing)
    assert breaks_down.broken, "it was never asked about"
    assert clearing.stays == [] and not made.things()
    assert (await session.get(path("rooms", room_id, "state", "m.room.create"))).status == (401 if what == "account" else 403)


class Unknown(BreaksDown):
    """The way to a homeserver that knows no deactivation, as behind a proxy that lets other requests pass."""

    async def send(self, request: Request) -> Response:
        if "/deactivate/" in request.url:
            return Response(404, {}, b'{"errcode": "M_UNRECOGNIZED", "error": "Unrecognized request"}', request)
        return await self.transport.send(request)


async def test_account_whose_deactivation_is_unknown_stays(
    people: People, transport: AsyncTransport, deployment: Deployment, tmp_path: Path
) -> None:
    """Only an account that is deactivated is gone: it is told, kept in the journal, and goes when the server does it."""
    alice = await people.person("alice")
    made = Made(tmp_path / "tags.jsonl")
    made.begin(deployment)
    made.note("account", key=alice.user_id, user_id=alice.user_id, server=people.homeserver.server_name, sure=True)
    for way, stays in ((Unknown(transport, 0), 1), (transport, 0)):
        clearing = Clearing(deployment, made, way)
        await _cleared(clearing)
        assert len(clearing.stays) == len(made.things().accounts) == stays, clearing.stays
        here = await alice.session.get("/account/whoami")
        assert here.status == (200 if stays else 401), f"{here}"


class WritesDown(BreaksDown):
    """The way of a run that writes down what it makes; it is cut off before it hears of an upgrade."""

    def __init__(self, transport: AsyncTransport, ledger: Ledger) -> None:
        super().__init__(transport, 0)
        self.ledger = ledger

    async def send(self, request: Request) -> Response:
        request = self.ledger.intend(request)
        answer = await self.transport.send(request)
        if not request.url.endswith("/upgrade"):
            self.ledger.note(request, answer)
        return answer


@pytest.mark.parametrize("administrator", [True, False])
async def test_uploaded_file_goes_where_an_administrator_removes_it(
    people: People, transport: AsyncTransport, deployment: Deployment, tmp_path: Path, *, administrator: bool
) -> None:
    """Alice's file goes with her run; without an administrator it stays, and no sweep waits for it."""
    alice, bruno = await people.person("alice"), await people.person("bruno")
    alone = tuple(each.model_copy(update={"admin_token": None}) for each in deployment.homeservers)
    visited = deployment if administrator else deployment.model_copy(update={"homeservers": alone})
    made = Made(tmp_path / "tags.jsonl")
    made.begin(visited)
    way = WritesDown(transport, Ledger(visited, made, people_stay=True))
    run = Session(way, alice.session.base_url, people.homeserver.server_name, access_token=alice.session.access_token)
    uri = await upload(run, b"un compte rendu")
    assert (await download(bruno.session, uri)).status == 200
    assert made.things().files == {uri: people.homeserver.server_name}

    clearing = Clearing(visited, made, transport)
    await _cleared(clearing)
    assert (await download(bruno.session, uri)).status == (404 if administrator else 200)
    assert clearing.out_of_reach == ([] if administrator else [uri])
    assert clearing.stays == [] and not made.things()


def test_files_that_stay_are_told_and_not_counted_as_taken(deployment: Deployment, tmp_path: Path) -> None:
    made = Made(tmp_path / "tags.jsonl")
    made.begin(deployment)
    for uri in ("mxc://one/gone", "mxc://two/stays"):
        made.note("file", content_uri=uri, server="one")
    told: list[str] = []

    def carry_out() -> Clearing:
        for uri in made.things().files:
            made.note("gone", content_uri=uri)
        return Clearing(deployment, made, BreaksDown(AsyncTransport(None), 0), out_of_reach=["mxc://two/stays"])

    assert depart(made, carry_out, told.append) == ""
    assert told == [
        "taking away 0 accounts, 2 files and 0 rooms",
        "1 uploaded files stay, which only an administrator may remove, among them mxc://two/stays",
        "taken away: 0 accounts, 1 files and 0 rooms",
    ]
    assert not made.path.exists()


class StillAtIt(BreaksDown):
    """The way to a homeserver that is still making a room when it is first asked where somebody is."""

    def __init__(self, transport: AsyncTransport, making: Callable[[], Awaitable[str]]) -> None:
        super().__init__(transport, 0)
        self.making, self.room_id = making, ""

    async def send(self, request: Request) -> Response:
        answer = await self.transport.send(request)
        if request.url.endswith("/joined_rooms") and not self.room_id:
            self.room_id = await self.making()
        return answer


async def test_room_that_was_still_being_made_when_its_maker_was_cut_off_is_found(
    people: People, transport: AsyncTransport, deployment: Deployment, tmp_path: Path
) -> None:
    """Alice asked for two rooms and heard of one; the other comes into being after the sweep began."""
    alice = await people.person("alice")
    made = Made(tmp_path / "tags.jsonl")
    made.begin(deployment)

    async def making() -> str:
        body = {"preset": "private_chat", "creation_content": {"vigie": made.tag}}
        return str(ok(await alice.session.post("/createRoom", body))["room_id"])

    first, server = await making(), people.homeserver.server_name
    made.note("room", room_id=first, server=server, user_id=alice.user_id)
    made.note("opening", opening="1", server=server, user_id=alice.user_id)
    keeper = {alice.user_id: Account(server, alice.user_id, password=PASSWORD, token=alice.session.access_token or "")}
    way = StillAtIt(transport, making)
    clearing = Clearing(deployment, made, way, keeper)
    await _cleared(clearing)
    assert way.room_id and clearing.stays == [] and not made.things()
    for room_id in (first, way.room_id):
        gone = await alice.session.get(path("rooms", room_id, "state", "m.room.create"))
        assert gone.status == 403, f"the room is still there: {gone}"


@pytest.mark.parametrize("what", ["refused", "upgraded"])
async def test_room_that_no_answer_named_is_taken_away(
    people: People, transport: AsyncTransport, deployment: Deployment, tmp_path: Path, what: str
) -> None:
    """Alice is refused a conversation for whom it invites, when it is there already; or never hears of a room's successor."""
    alice, bruno, carole = [await people.person(name) for name in ("alice", "bruno", "carole")]
    server, token = people.homeserver.server_name, alice.session.access_token or ""
    made = Made(tmp_path / "tags.jsonl")
    made.begin(deployment)
    ledger = Ledger(deployment, made, people_stay=True)
    ledger.know(token, alice.user_id)
    run = Session(WritesDown(transport, ledger), alice.session.base_url, server, alice.user_id, access_token=token)

    async def joined() -> set[str]:
        return set(ok(await alice.session.get("/joined_rooms"))["joined_rooms"])

    if what == "refused":
        both = {"preset": "trusted_private_chat", "is_direct": True, "invite": [bruno.user_id, carole.user_id]}
        assert (await run.post("/createRoom", both)).status == 403
    else:
        room_id = ok(await run.post("/createRoom", {"preset": "private_chat"}))["room_id"]
        ok(await run.post(path("rooms", room_id, "upgrade"), {"new_version": "11"}))
    assert await joined() - set(made.things().rooms), "nothing was there to be found"
    keeper = {alice.user_id: Account(server, alice.user_id, password=PASSWORD, token=token)}
    clearing = Clearing(deployment, made, transport, keeper)
    await _cleared(clearing)
    assert clearing.stays == [] and not made.things()
    assert await joined() == set()
