"""GST-8, CNV-1, CNV-2, CNV-3, VIS-3: random acts of agents and a guest over two homeservers, held to a model after each."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from conformance.adversaries.access import AGENTS, EVERYBODY, GUEST, Act, Conversation, World, scripts
from conformance.adversaries.driving import Adversary, Size
from conformance.cast import Cast
from conformance.journeys import identity_server
from scenarios import conversations, directory
from scenarios.invitations import invite_by_mail
from scenarios.people import Person
from scenarios.session import Session, ok, path
from scenarios.wire import Response, until

Script = tuple[Act, ...]
_REFUSALS = (400, 401, 403, 404)


@dataclass
class _Stage:
    """The people of the model, and what they do and see on the deployment."""

    cast: Cast
    people: dict[str, Person]
    world: World

    @classmethod
    async def set(cls, cast: Cast) -> _Stage:
        agents = await cast.agents(0, 1, 0)
        return cls(cast, {**dict(zip(AGENTS, agents, strict=True)), GUEST: await cast.guest()}, World())

    def session(self, name: str) -> Session:
        return self.people[name].session

    def names(self) -> dict[str, str]:
        return {person.user_id: name for name, person in self.people.items()}

    # Doing

    async def act(self, act: Act) -> None:
        """Do one act, and hold it to what the model expects."""
        expected = self.world.expects(act)
        if expected == "open":
            return
        room = self.world.room(act)
        answer = await self._do(act, room)
        if expected == "refused":
            assert answer is not None and answer.status in _REFUSALS, f"{act}: should be refused, but: {answer}"
        else:
            assert answer is None or answer.status == 200, f"{act}: should be taken, but: {answer}"
            self.world.becomes(act)
            if act.does == "creates" and answer is not None:
                await self._note(act, answer.json()["room_id"])

    async def _do(self, act: Act, room: Conversation | None) -> Response | None:
        session, whom = self.session(act.who), self.people.get(act.whom, self.people[act.who]).user_id
        if act.does == "creates":
            return await self._create(act, session, whom)
        if act.does == "goes on or off the red list":
            await directory.set_red_list(session, on=act.who not in self.world.red)
            return None
        assert room is not None
        host = self.people[room.joined()[0]].home.server_name
        match act.does:
            case "invites":
                return await conversations.invite(session, room.room_id, whom)
            case "invites by mail":
                address = f"z{self.cast.population.word()}@dehors.example"
                return await invite_by_mail(session, identity_server(self.cast), room.room_id, address)
            case "joins":
                return await conversations.ask_to_join(session, room.room_id, host)
            case "knocks at":
                return await conversations.ask_to_knock(session, room.room_id, host)
            case "upgrades":
                return await session.post(path("rooms", room.room_id, "upgrade"), {"new_version": "11"})
            case "leaves":
                return await conversations.leave(session, room.room_id)
            case "kicks from":
                return await session.post(path("rooms", room.room_id, "kick"), {"user_id": whom})
            case "bans from":
                return await session.post(path("rooms", room.room_id, "ban"), {"user_id": whom})
            case "lists":
                return await session.put(path("directory", "list", "room", room.room_id), {"visibility": "public"})
            case _:
                alias = f"#z{self.cast.population.word()}:{session.server_name}"
                return await session.put(path("directory", "room", alias), {"room_id": room.room_id})

    async def _create(self, act: Act, session: Session, whom: str) -> Response:
        name = self.cast.word("salon")
        if act.kind == "direct":
            return await conversations.ask_for_direct(session, whom)
        if act.kind == "public":
            return await conversations.ask_for_public(session, name)
        return await conversations.ask_for_private(session, name, externals=act.kind == "open")

    async def _note(self, act: Act, room_id: str) -> None:
        room = Conversation(act.kind, room_id, members={act.who: "join"})
        if act.kind == "direct":
            room.pair, room.members[act.whom] = frozenset((act.who, act.whom)), "invite"
        self.world.rooms.append(room)

    # Seeing

    async def compare(self) -> None:
        """Hold what everybody sees and can do to the model, once it has come to every homeserver."""
        for room in self.world.rooms:
            if room.joined():
                await self._members_agree(room)
        await asyncio.gather(*(self._is_where_the_model_says(name) for name in EVERYBODY))
        for room in self.world.rooms:
            if room.joined():
                await self._powers(room)
                await self._only_members_read(room)

    async def _members_agree(self, room: Conversation) -> None:
        names, seen = self.names(), dict[str, Any]()
        for name in room.joined():

            async def agrees(name: str = name) -> bool | None:
                answer = await self.session(name).get(path("rooms", room.room_id, "members"))
                found = answer.json().get("chunk", []) if answer.status == 200 else []
                told = {names.get(event["state_key"], "somebody else"): event["content"]["membership"] for event in found}
                seen["members"] = {who: member for who, member in told.items() if member != "leave"}
                return True if seen["members"] == room.members else None

            missing = f"{room.members} as the members of the {room.kind} room that {name} sees"
            await until(self.cast.transport, agrees, deadline=20, missing=missing, seen=lambda: str(seen["members"]), pause=0.1)

    async def _is_where_the_model_says(self, name: str) -> None:
        rooms = {room.room_id: room for room in self.world.rooms}
        expected = {room_id for room_id, room in rooms.items() if room.members.get(name) == "join"}
        seen = set[str]()

        async def agrees() -> bool | None:
            found = await conversations.joined_rooms(self.session(name))
            seen.clear()
            seen.update(set(found) & set(rooms))
            return True if seen == expected else None

        def told() -> str:
            return ", ".join(rooms[each].kind for each in seen) or "none"

        missing = f"{name} in {len(expected)} of the rooms, as the model says"
        await until(self.cast.transport, agrees, deadline=20, missing=missing, seen=told, pause=0.1)

    async def _powers(self, room: Conversation) -> None:
        """Take over who has which power; a guest has none, whatever happened."""
        session = self.session(room.joined()[0])
        told = ok(await conversations.read_state(session, room.room_id, "m.room.power_levels"))
        default = told.get("users_default", 0)
        room.levels = {name: told.get("users", {}).get(self.people[name].user_id, default) for name in EVERYBODY}
        state = told.get("state_default", 50)
        room.needs = {
            **{what: told.get(what, 50) for what in ("kick", "ban")},
            "invite": told.get("invite", 0),
            "upgrade": told.get("events", {}).get("m.room.tombstone", state),
            "list": told.get("events", {}).get("m.room.canonical_alias", state),
        }
        assert room.levels[GUEST] <= default, f"the guest has a power level of {room.levels[GUEST]} in the {room.kind} room"

    async def _only_members_read(self, room: Conversation) -> None:
        """Have a member say something: who is in the room reads it, nobody else does, and nobody else can say anything."""
        where = path("rooms", room.room_id, "send", "m.room.message", self.cast.population.word())
        body = {"msgtype": "m.text", "body": self.cast.word("dit")}
        event_id = ok(await self.session(room.joined()[0]).put(where, body))["event_id"]
        read = path("rooms", room.room_id, "event", event_id)

        async def check(name: str) -> None:
            session = self.session(name)
            if room.members.get(name) == "join":

                async def reads() -> bool | None:
                    return True if (await session.get(read)).status == 200 else None

                missing = f"what is said in the {room.kind} room, for its member {name}"
                await until(self.cast.transport, reads, deadline=20, missing=missing, pause=0.1)
                return
            for answer in (
                await session.get(read),
                await session.put(path("rooms", room.room_id, "send", "m.room.message", self.cast.population.word()), body),
            ):
                assert answer.status in _REFUSALS, f"{name} is not in the {room.kind} room, and: {answer}"

        await asyncio.gather(*map(check, EVERYBODY))
        outsider = await self.cast.anonymous(self.people[room.joined()[0]].home, "an outsider").get(read)
        assert outsider.status == 401, f"an outsider reads in the {room.kind} room: {outsider}"

    async def found_as_the_model_says(self) -> None:
        """Hold every search to the red list: agents off it are found by agents of both homeservers, nobody by the guest."""
        for name in AGENTS:
            tag, user_id = self.people[name].identity.family_name.split()[-1], self.people[name].user_id
            for searcher in ("Ada", "Bob"):

                async def agrees(
                    searcher: str = searcher, tag: str = tag, user_id: str = user_id, name: str = name
                ) -> bool | None:
                    found = user_id in await directory.find(self.session(searcher), tag)
                    return True if found == (name not in self.world.red) else None

                missing = f"{name} {'out of' if name in self.world.red else 'in'} the search of {searcher}"
                if searcher != name:
                    await until(self.cast.transport, agrees, deadline=20, missing=missing, pause=0.1)
            assert await directory.find(self.session(GUEST), tag) == {}, f"the guest finds {name}"

    async def perform(self, script: Script) -> None:
        """Play a script in conversations of its own."""
        for name in sorted(self.world.red):
            await directory.leave_red_list(self.session(name))
        self.world = World()
        for number, act in enumerate(script):
            try:
                await self.act(act)
                await self.compare()
            except AssertionError as error:
                raise AssertionError(f"at act {number + 1}: {str(error).splitlines()[0]}") from error
        await self.found_as_the_model_says()


def _told(script: Script) -> str:
    return "; ".join(map(str, script))


_KNOWN: list[Script] = [
    # A guest at the door of every kind, invited and not, and thrown out again.
    (
        Act("creates", "Ada", kind="open"),
        Act("joins", GUEST),
        Act("invites", "Ada", whom=GUEST),
        Act("joins", GUEST),
        Act("invites", GUEST, whom="Bob"),
        Act("invites by mail", GUEST),
        Act("upgrades", "Ada"),
        Act("kicks from", "Ada", whom=GUEST),
        Act("joins", GUEST),
    ),
    # A member of the other homeserver is banned, and stays out of a public room too.
    (
        Act("creates", "Ada", kind="public"),
        Act("joins", "Bob"),
        Act("joins", GUEST),
        Act("bans from", "Ada", whom="Bob"),
        Act("joins", "Bob"),
        Act("lists", "Bob"),
        Act("goes on or off the red list", "Cyd"),
    ),
]


@pytest.mark.rule("GST-8", "CNV-1", "CNV-2", "CNV-3", "VIS-3")
def test_whatever_people_do_everybody_sees_and_may_what_the_model_says(adversary: Adversary) -> None:
    """After each random act of three agents and a guest, who is where, reads, writes and is found is as the rules have it."""
    stage = adversary.run(_Stage.set(adversary.cast))
    longest = 10 if adversary.size is Size.QUICK else 30
    adversary.hunt(scripts(longest), stage.perform, examples=3, known=_KNOWN, told=_told)
