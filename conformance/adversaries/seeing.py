"""What everybody sees and can do, held to the model: who is where, who reads and writes, who and what is found."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from conformance.adversaries.access import Conversation
from conformance.adversaries.acting import PATIENCE, REFUSALS, Actors
from conformance.adversaries.acts import AGENTS, EVERYBODY, GUEST, HOMES, OUTSIDER, Act, Script
from conformance.adversaries.reading import ABOUT, WAYS, read
from scenarios import conversations
from scenarios.session import Session, ok, path
from scenarios.wire import NotInTime, Response, until

__all__ = ["Stage"]


@dataclass
class Stage(Actors):
    """The people, who look around after each act.

    By one way of reading and in one search each time, a different one after each act of a script; by the id of what was said,
    and among the members, every time.
    """

    looks: int = 0
    since: dict[str, str] = field(default_factory=dict)

    async def begin(self) -> None:
        """Begin anew."""
        await super().begin()
        self.looks = 0

    async def perform(self, script: Script) -> None:
        """Play a script in conversations of its own."""
        await self.begin()
        for number, act in enumerate(script):
            try:
                await self.act(act)
                await self.compare(act)
            except (AssertionError, NotInTime) as error:
                raise AssertionError(f"at act {number + 1}: {str(error).splitlines()[0]}") from error

    async def compare(self, last: Act) -> None:
        """Hold what everybody sees and can do to the model, once it has come to every homeserver."""
        standing = self.world.standing()
        for room in standing:
            await self._members_agree(room)
        await asyncio.gather(*(self._is_where_the_model_says(name) for name in EVERYBODY))
        for room in standing:
            await self._powers(room)
            await self._only_members_read_and_write(room)
            if room.kind == "public" or last.does == "publishes":
                await self._is_listed_as_the_model_says(room)
        if last.does == "hides":
            await self._is_found_as_the_model_says(last.who)
        else:
            await self._searches_on(EVERYBODY[self.looks % len(EVERYBODY)])
        self.looks += 1

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
            await until(
                self.cast.transport, agrees, deadline=PATIENCE, missing=missing, seen=lambda: str(seen["members"]), pause=0.1
            )

    async def _is_where_the_model_says(self, name: str) -> None:
        rooms = {room.room_id: room for room in self.world.standing()}
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
        await until(self.cast.transport, agrees, deadline=PATIENCE, missing=missing, seen=told, pause=0.1)

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

    async def _only_members_read_and_write(self, room: Conversation) -> None:
        """Have a member say something: who is in the room reads it, nobody else does, and nobody else can say anything."""
        mark = self.cast.population.word()
        event_id = ok(await self._say(self.session(room.joined()[0]), room, mark))["event_id"]
        way = WAYS[self.looks % len(WAYS)]
        inside = room.joined()
        await asyncio.gather(*(self._reads(name, room, event_id, mark, way) for name in inside))
        # It has come to their homeservers: only from here on does it tell anything that others do not read it.
        await asyncio.gather(*(self._reads(name, room, event_id, mark, way) for name in EVERYBODY if name not in inside))
        answer = await read(self.session(OUTSIDER), way, room.room_id, event_id, mark, "")
        assert answer.status == 401, f"an outsider reads in the {room.kind} room: {answer}"

    async def _say(self, session: Session, room: Conversation, text: str) -> Response:
        where = path("rooms", room.room_id, "send", "m.room.message", self.cast.population.word())
        return await session.put(where, {"msgtype": "m.text", "body": text})

    async def _reads(self, name: str, room: Conversation, event_id: str, mark: str, way: str) -> None:
        session = self.session(name)
        if room.members.get(name) == "join":
            for each in ("event", way) if way in ABOUT else (way,):

                async def shows(each: str = each) -> bool | None:
                    answer = await self._read(name, each, room, event_id, mark)
                    return True if answer.status == 200 and (each in ABOUT or mark.encode() in answer.body) else None

                missing = f"what is said in the {room.kind} room, or its {each}, for its member {name}"
                await until(self.cast.transport, shows, deadline=PATIENCE, missing=missing, pause=0.1)
            return
        answers = [await self._say(session, room, mark)]
        # To the invited belongs what is said from the invitation on, and their own server may show it to them already.
        if room.members.get(name) != "invite":
            answers.append(await read(session, "event", room.room_id, event_id, mark, ""))
            answer = await self._read(name, way, room, event_id, mark)
            assert mark.encode() not in answer.body, f"{name} is not in the {room.kind} room, and is told by {answer}"
            # Who was in it once, or invited, is told what was so then: nothing that was said since, nobody who came since.
            if name not in room.been and way not in ("search", "sync"):
                answers.append(answer)
            for other in sorted(room.been - room.knew.get(name, room.been)) if way in ABOUT else ():
                came = self.people[other].user_id.encode() in answer.body
                assert not came, f"{name} is not in the {room.kind} room, and is told of {other}, who came after, by {answer}"
        for answer in answers:
            assert answer.status in REFUSALS, f"{name} is not in the {room.kind} room, and: {answer}"

    async def _read(self, name: str, way: str, room: Conversation, event_id: str, mark: str) -> Response:
        answer = await read(self.session(name), way, room.room_id, event_id, mark, self.since.get(name, ""))
        if way == "sync" and answer.status == 200:
            self.since[name] = answer.json()["next_batch"]
        return answer

    async def _is_listed_as_the_model_says(self, room: Conversation) -> None:
        """Search the lists of rooms: a public room is on those where it was published; the guest sees none."""
        searcher = EVERYBODY[self.looks % len(EVERYBODY)]
        for home, listed in room.lists().items():
            server = self.cast.home(home).server_name
            wanted = listed and searcher != GUEST

            async def agrees(server: str = server, wanted: bool = wanted) -> bool | None:
                own = HOMES.get(searcher) is not None and self.session(searcher).server_name == server
                found = await self._in_the_list(searcher, room, "" if own else server)
                return True if found == wanted else None

            missing = f"the {room.kind} room {'in' if wanted else 'off'} the list of {server} that {searcher} sees"
            await until(self.cast.transport, agrees, deadline=PATIENCE, missing=missing, pause=0.3)

    async def _in_the_list(self, name: str, room: Conversation, server: str) -> bool:
        body = {"filter": {"generic_search_term": room.name}, "limit": 100}
        params = {"server": server} if server else None
        answer = await self.session(name).send("POST", "/publicRooms", body, params=params)
        if name == GUEST and answer.status in REFUSALS:
            return False
        return room.room_id in [each["room_id"] for each in ok(answer)["chunk"]]

    async def _is_found_as_the_model_says(self, whom: str) -> None:
        """Hold every search for somebody to the red list, that of the guest too."""
        for by in EVERYBODY:
            if by != whom:
                await self.search(by, whom)

    async def _searches_on(self, by: str) -> None:
        whom = AGENTS[(self.looks // len(EVERYBODY)) % len(AGENTS)]
        await self.search(by, whom if whom != by else AGENTS[AGENTS.index(whom) - 1])
