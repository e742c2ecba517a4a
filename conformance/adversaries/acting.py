"""The people of the model on a deployment: they do their acts, each held to what the model expects."""

from __future__ import annotations

from dataclasses import dataclass, field

from conformance.adversaries.access import Conversation, World
from conformance.adversaries.acts import AGENTS, GUEST, HOMES, OUTSIDER, Act
from conformance.cast import Cast
from conformance.journeys import identity_server
from scenarios import conversations, directory
from scenarios.invitations import invite_by_mail
from scenarios.people import Person
from scenarios.session import Session, ok, path
from scenarios.wire import Response, until

__all__ = ["PATIENCE", "REFUSALS", "Actors"]

REFUSALS = (400, 403, 404)
# A homeserver that knows a room by an invitation alone stumbles over these, and does nothing (docs/parts.md).
_STUMBLES = ("invites", "mails", "kicks", "bans")
# A homeserver that is busy hears late from another.
PATIENCE = 60.0


@dataclass
class Actors:
    """The people, and what is so of them and their conversations by the model."""

    cast: Cast
    people: dict[str, Person]
    world: World = field(default_factory=World)
    mark: str = ""

    def session(self, name: str) -> Session:
        """Give somebody's session; the outsider has none, and comes to the first homeserver."""
        return self.cast.anonymous(self.cast.home(0), "an outsider") if name == OUTSIDER else self.people[name].session

    async def begin(self) -> None:
        """Begin anew: everybody off the red list, in no conversation that counts."""
        for name in sorted(self.world.red):
            await directory.leave_red_list(self.session(name))
        self.world, self.mark = World(), self.cast.population.word()

    async def act(self, act: Act) -> None:
        """Do one act, and hold it to what the model expects."""
        expected = self.world.expects(act)
        if expected == "open":
            return
        if act.does == "searches" and act.who != OUTSIDER:
            await self.search(act.who, act.whom)
            return
        room = self.world.room(act)
        answer = await self._do(act, room)
        if expected == "refused":
            statuses = self._refusals(act, room)
            assert answer is not None and answer.status in statuses, f"{act}: should be refused, but: {answer}"
        else:
            assert answer is None or answer.status == 200, f"{act}: should be taken, but: {answer}"
            self.world.becomes(act, self._made(act, answer))
            if room is not None and act.does == "names":
                room.alias = self._alias(act)

    def _refusals(self, act: Act, room: Conversation | None) -> tuple[int, ...]:
        if act.who != OUTSIDER:
            known = room is None or HOMES.get(act.who) in room.lists()
            return REFUSALS if known or act.does not in _STUMBLES else (*REFUSALS, 500)
        # Who would give an alias to a room that it does not know is told so before it asks who they are.
        known = room is None or 0 in room.lists()
        return (401,) if known or act.does != "names" else (401, 400)

    async def search(self, by: str, whom: str) -> None:
        """Search for somebody, who is found if the model says so; of a change other homeservers hear a moment later."""
        tag, user_id = self.people[whom].identity.family_name.split()[-1], self.people[whom].user_id
        wanted = self.world.is_found(whom, by)
        if by == GUEST:
            assert await directory.find(self.session(by), tag) == {}, f"the guest finds somebody by the name of {whom}"
            return

        async def agrees() -> bool | None:
            return True if (user_id in await directory.find(self.session(by), tag)) == wanted else None

        missing = f"{whom} {'in' if wanted else 'out of'} the search of {by}"
        await until(self.cast.transport, agrees, deadline=PATIENCE, missing=missing, pause=0.1)

    async def _do(self, act: Act, room: Conversation | None) -> Response | None:
        session, whom = self.session(act.who), self.people[act.whom].user_id if act.whom else ""
        if room is not None:
            return await self._do_in(room, act, session, whom)
        match act.does:
            case "hides":
                await directory.set_red_list(session, on=act.who not in self.world.red)
                return None
            case "searches":
                return await directory.search(session, self.people[act.whom].identity.family_name)
            case "opens":
                return await conversations.ask_for_direct(session, whom)
            case _ if act.kind == "public":
                return await conversations.ask_for_public(session, self._name())
            case _:
                return await conversations.ask_for_private(session, self._name(), externals=act.kind == "open")

    async def _do_in(self, room: Conversation, act: Act, session: Session, whom: str) -> Response:
        room_id, there = room.room_id, path("rooms", room.room_id)
        host = self.people[room.joined()[0]].home.server_name
        match act.does:
            case "invites":
                return await conversations.invite(session, room_id, whom)
            case "mails":
                address = f"z{self.cast.population.word()}@dehors.example"
                if act.who == OUTSIDER:
                    body = {"id_server": identity_server(self.cast).id_server, "id_access_token": "x", "medium": "email"}
                    return await session.post(f"{there}/invite", {**body, "address": address})
                return await invite_by_mail(session, identity_server(self.cast), room_id, address)
            case "joins" | "joins by alias":
                return await conversations.ask_to_join(session, room.alias if "alias" in act.does else room_id, host)
            case "knocks":
                return await conversations.ask_to_knock(session, room_id, host)
            case "upgrades":
                return await session.post(f"{there}/upgrade", {"new_version": "11"})
            case "leaves":
                return await conversations.leave(session, room_id)
            case "kicks" | "bans":
                return await session.post(f"{there}/{act.does.removesuffix('s')}", {"user_id": whom})
            case "publishes" | "unpublishes":
                visibility = "public" if act.does == "publishes" else "private"
                return await session.put(path("directory", "list", "room", room_id), {"visibility": visibility})
            case _:
                return await session.put(path("directory", "room", self._alias(act)), {"room_id": room_id})

    def _name(self) -> str:
        return f"salon {self.mark} {len(self.world.rooms)}"

    def _alias(self, act: Act) -> str:
        return f"#z{self.mark}-{act.room}-{act.who.lower()}:{self.session(act.who).server_name}"

    def _made(self, act: Act, answer: Response | None) -> Conversation | None:
        if answer is None or act.does not in ("creates", "opens", "upgrades"):
            return None
        told = ok(answer)
        if act.does == "upgrades":
            return Conversation("closed", told["replacement_room"])
        made = Conversation(act.kind, told["room_id"], self._name())
        made.enters(act.who)
        if act.kind == "direct":
            made.pair = frozenset((act.who, act.whom))
            made.invites(act.whom)
        if act.kind == "public":
            made.listed = {HOMES[act.who]}
        return made

    def names(self) -> dict[str, str]:
        """Give everybody's name by their identifier."""
        return {person.user_id: name for name, person in self.people.items()}


async def actors(cast: Cast) -> dict[str, Person]:
    """Give the people of the model."""
    agents = await cast.agents(*(HOMES[name] for name in AGENTS))
    return {**dict(zip(AGENTS, agents, strict=True)), GUEST: await cast.guest()}
