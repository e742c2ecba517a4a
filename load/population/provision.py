"""Making a population, many at a time: accounts, devices with keys, rooms with their members; each once."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from gevent.pool import Pool

from fixtures.deployment import Deployment
from fixtures.errors import DeploymentError, FixtureError
from load.agents.crypto import CrowdMachine
from load.agents.devicekeys import KnownKeys
from load.driver import drive
from load.population.plan import PersonPlan, Plan, RoomPlan
from load.population.store import Store
from load.transport import PatientTransport
from scenarios import accounts, conversations
from scenarios.mailbox import Mailbox
from scenarios.people import Person
from scenarios.session import Session, ok, path
from scenarios.visit.ledger import TooMany
from scenarios.wire import NotInTime, UnexpectedAnswer, WireError, until

__all__ = ["Progress", "Provision"]

Progress = Callable[[str, int, int], None]
"""Told how far it is: what, how many are done, of how many."""

_SIDE_BY_SIDE = 8
# Who is invited while a room is made is waited for in one request: hundreds would take minutes.
_INVITED_AT_ONCE = 10
_SAMPLE = 3
# Seconds. Making a population is as much as a small machine can do: an invitation takes tens of them then.
_PATIENCE, _AGAIN = 120.0, 7.5


class Provision:
    """Makes what a plan asks for and a store does not have."""

    def __init__(
        self,
        deployment: Deployment,
        plan: Plan,
        store: Store,
        transport: PatientTransport,
        progress: Progress = lambda *_far: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Take the plan and where it is written down; nothing more is begun once it is `stopped`."""
        self._deployment, self.plan, self._store, self._progress = deployment, plan, store, progress
        self._transport, self._stopped = transport, stopped
        self._homes = {each.name: each for each in deployment.homeservers}
        self._known = KnownKeys()

    def make(self) -> None:
        """Make everything that is missing. Raises `FixtureError`, one line, at the first thing that is refused."""
        try:
            self._each("people", self.plan.people, self._person)
            self._each("rooms", self.plan.rooms, self._room)
        finally:
            self._transport.close()

    def is_valid(self) -> bool:
        """Tell whether the sessions of a store are good still: a few are asked for, all were made together."""
        known = [(name, record) for name, record in self._store.all("device").items() if record is not None]
        for name, record in known[:_SAMPLE]:
            person = self.plan.people[int(name.split("/")[0])]
            session = self._session(person, record)
            try:
                if drive(session.get("/account/whoami")).status != 401:
                    return True
            except WireError as error:
                raise FixtureError(f"the homeserver {person.home} does not answer: {error}") from None
        return not known

    def _each(self, what: str, plans: Any, make: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        pool, done = Pool(_SIDE_BY_SIDE), [0]
        errors: list[Exception] = []

        def one(plan: Any) -> None:
            if errors:
                return
            try:
                if self._stopped():
                    raise DeploymentError("interrupted")
                drive(make(plan))
            except (WireError, UnexpectedAnswer, NotInTime, DeploymentError, TooMany) as error:
                errors.append(error)
                return
            done[0] += 1
            self._progress(what, done[0], len(plans))

        for plan in plans:
            if errors:
                break
            pool.spawn(one, plan)
        pool.join()
        if errors:
            raise FixtureError(f"making {what} ({done[0]} of {len(plans)} are done; the next start goes on there): {errors[0]}")

    def _session(self, person: PersonPlan, record: dict[str, Any]) -> Session:
        home = self._homes[person.home]
        user_id = self._store.get("person", str(person.number))["user_id"]
        return Session(self._transport, home.url, home.server_name, user_id, record["device_id"], record["token"], who=user_id)

    # People.

    async def _person(self, plan: PersonPlan) -> None:
        if self._store.get("person", str(plan.number)) is None:
            self._store.put("person", str(plan.number), {"user_id": await self._account(plan)})
        user_id = self._store.get("person", str(plan.number))["user_id"]
        person = Person(plan.identity, "guest" if plan.guest else "agent", self._homes[plan.home], user_id)
        for number in range(plan.devices):
            name = f"{plan.number}/{number}"
            if self._store.get("device", name) is not None:
                continue
            label = ("poste", "téléphone")[number % 2]
            answer = ok(await accounts.log_in(self._transport, person, device=label))
            record = {"device_id": answer["device_id"], "token": answer["access_token"]}
            session = self._session(plan, record)
            machine = CrowdMachine(session, self._known, keep=partial(self._store.keep_account, name))
            await machine.upload()
            self._store.put("device", name, record)

    async def _account(self, plan: PersonPlan) -> str:
        """Make an account: by the administrator where there is one, else as people do, by mail."""
        home = self._homes[plan.home]
        address = plan.identity.address
        if home.admin_url is None or home.admin_token is None:
            return await self._by_mail(plan)
        user_id = f"@{address.replace('@', '-')}:{home.server_name}"
        token = home.admin_token.get_secret_value()
        administrator = Session(self._transport, home.admin_url, home.server_name, access_token=token, who="administrator")
        body = {
            "password": plan.identity.password,
            "displayname": plan.identity.full_name,
            "threepids": [{"medium": "email", "address": address}],
        }
        where = path("_synapse", "admin", "v2", "users", user_id)
        answer = await administrator.send("PUT", where, body, timeout=120)
        if answer.status not in (200, 201):
            raise UnexpectedAnswer(answer)
        return user_id

    async def _by_mail(self, plan: PersonPlan) -> str:
        if self._deployment.mail is None or plan.guest:
            missing = "admin_url and admin_token of" if plan.guest else "admin_url and admin_token, or [mail], of"
            raise DeploymentError(f"accounts on {plan.home} cannot be made: the deployment's TOML lacks {missing} it")
        person = Person(plan.identity, "agent", self._homes[plan.home])
        mailbox = Mailbox(self._transport, self._deployment.mail.url)
        session = await accounts.register_by_mail(self._transport, mailbox, person)
        return session.user_id

    # Rooms.

    async def _room(self, plan: RoomPlan) -> None:
        name = str(plan.number)
        host, *others = [self._first_device(number) for number in plan.members]
        if self._store.get("room", name) is None:
            room_id = await self._open(plan, host, [each.user_id for each in others])
            encryption = await conversations.read_state(host, room_id, "m.room.encryption")
            self._store.put("room", name, {"room_id": room_id, "encrypted": encryption.status == 200})
        room_id = self._store.get("room", name)["room_id"]
        if self._store.get("gathered", name) is None:
            for number, session in enumerate(others):
                if plan.kind == "private" and number >= _INVITED_AT_ONCE:
                    # One that is refused is told of by the join: who is in the room already, of an earlier start, is no matter.
                    await conversations.invite(host, room_id, session.user_id)
                await self._join(session, room_id, host)
            self._store.put("gathered", name, True)

    def _first_device(self, number: int) -> Session:
        return self._session(self.plan.people[number], self._store.get("device", f"{number}/0"))

    async def _open(self, plan: RoomPlan, host: Session, others: list[str]) -> str:
        if plan.kind == "direct":
            return await conversations.open_direct(host, others[0])
        if plan.kind == "public":
            return await conversations.open_public(host, f"{plan.name} {secrets.token_hex(3)}")
        return await conversations.open_private(host, plan.name, others[:_INVITED_AT_ONCE], externals=plan.externals)

    async def _join(self, session: Session, room_id: str, host: Session) -> None:
        """Join, as soon as the invitation is there; one that does not come is sent once more.

        Synapse can lose an invitation while it still fetches the state of a room that somebody else of the same homeserver
        has just joined.
        """
        last: list[str] = []
        again = self._transport.now() + _AGAIN

        async def joined() -> bool | None:
            answer = await conversations.ask_to_join(session, room_id, room_id.split(":", 1)[-1])
            last[:] = [str(answer)]
            nonlocal again
            if answer.status == 403 and self._transport.now() > again:
                await conversations.invite(host, room_id, session.user_id)
                again = self._transport.now() + _AGAIN
            return True if answer.status == 200 else None

        missing = f"{session.user_id} in {room_id}"
        await until(self._transport, joined, deadline=_PATIENCE, missing=missing, pause=0.2, seen=lambda: last[0])
