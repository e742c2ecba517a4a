"""Taking away what a run made on somebody else's deployment: rooms left and forgotten, accounts deactivated.

By the account itself, with its token or password; by an administrator where there is one and the account cannot. What is
gone is written into the journal at once, so that whoever is interrupted here leaves the rest to the next.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from conformance.made import Account, Made, Room
from conformance.pace import Pace
from conformance.transport import AsyncTransport
from fixtures.deployment import Deployment, Homeserver
from scenarios.accounts import deactivate
from scenarios.session import Session, path
from scenarios.wire import Response, WireError

__all__ = ["Clearing", "clear"]

_SIDE_BY_SIDE = 6
_INVITATIONS = json.dumps(
    {"presence": {"types": []}, "account_data": {"types": []}, "room": {"timeline": {"limit": 1}, "state": {"types": []}}}
)


class _Stays(Exception):
    """Something could not be taken away; the message says why."""


@dataclass
class Clearing:
    """Takes away what one journal names; `stays` tells afterwards what could not be."""

    deployment: Deployment
    made: Made
    transport: AsyncTransport
    progress: Callable[[int, int], None] = lambda _done, _all: None
    stays: list[str] = field(default_factory=list)

    async def everything(self) -> None:
        """Take away all there is: accounts first, since leaving is theirs to do, then rooms that administrators remove."""
        accounts = list(self.made.things().accounts.values())
        free, done = asyncio.Semaphore(_SIDE_BY_SIDE), 0

        async def one(account: Account) -> None:
            nonlocal done
            async with free:
                await self._guarded(account.user_id or account.address, self._account(account))
            done += 1
            self.progress(done, len(accounts))

        await asyncio.gather(*(one(account) for account in accounts))
        there = self.made.things()
        for room in there.rooms.values():
            # A room whose maker could not be taken out is not left by everybody.
            if room.user_id not in there.accounts:
                await self._guarded(room.room_id, self._room(room))

    async def _guarded(self, what: str, work: object) -> None:
        try:
            await work  # type: ignore[misc]
        except (_Stays, WireError) as error:
            self.stays.append(f"{what}: {error}")

    # Accounts

    async def _account(self, account: Account) -> None:
        session = await self._session(account)
        if session is None:
            await self._by_administrator(account)
        else:
            await self._aliases(session)
            await self._leave_all(session)
            answer = await deactivate(session, account.password)
            if answer.status != 200:
                await self._by_administrator(account, answer)
        self.made.note("gone", key=account.key)

    async def _session(self, account: Account) -> Session | None:
        home = self._home(account.server)
        if home is None:
            raise _Stays(f"the deployment's TOML has no homeserver {account.server}")
        session = Session(self.transport, home.url, home.server_name, account.user_id, access_token=account.token, who="sweep")
        if account.token:
            answer = await session.get("/account/whoami")
            if answer.status == 200:
                return session
        if not account.password:
            return None
        identifier = (
            {"type": "m.id.user", "user": account.user_id}
            if account.user_id
            else {"type": "m.id.thirdparty", "medium": "email", "address": account.address}
        )
        session.access_token = None
        body = {"type": "m.login.password", "identifier": identifier, "password": account.password}
        answer = await session.post("/login", body)
        if answer.status != 200:
            return None
        session.user_id, session.access_token = answer.json()["user_id"], answer.json()["access_token"]
        self.made.note("account", key=account.key, server=account.server, token=session.access_token)
        return session

    async def _by_administrator(self, account: Account, refusal: Response | None = None) -> None:
        administrator = self._administrator(self._home(account.server))
        if administrator is None:
            # Nobody logs in, and nobody ever did: the account did not come to be.
            if refusal is None and not account.sure:
                return
            raise _Stays(f"its login is refused, and there is no administrator of {account.server}")
        user_id = account.user_id or await self._by_address(administrator, account.address)
        if not user_id:
            return
        known = await administrator.get(path("_synapse", "admin", "v2", "users", user_id))
        if known.status == 404 or known.json().get("deactivated") is True:
            return
        answer = await administrator.post(path("_synapse", "admin", "v1", "deactivate", user_id), {"erase": True})
        if answer.status != 200:
            raise _Stays(f"{answer}")

    async def _by_address(self, administrator: Session, address: str) -> str:
        found = await administrator.get(path("_synapse", "admin", "v1", "threepid", "email", "users", address))
        return str(found.json().get("user_id", "")) if found.status == 200 else ""

    # Rooms

    async def _leave_all(self, session: Session) -> None:
        params = {"filter": _INVITATIONS, "timeout": 0}
        answer = await session.get("/sync", params)
        rooms = answer.json().get("rooms", {}) if answer.status == 200 else {}
        joined = await session.get("/joined_rooms")
        present = {*rooms.get("join", {}), *rooms.get("invite", {}), *rooms.get("knock", {})}
        present |= set(joined.json().get("joined_rooms", ())) if joined.status == 200 else set()
        for room_id in sorted(present):
            await session.post(path("rooms", room_id, "leave"), {})
            await session.post(path("rooms", room_id, "forget"), {})

    async def _aliases(self, session: Session) -> None:
        for room in self.made.things().rooms.values():
            if room.user_id == session.user_id:
                for alias in room.aliases:
                    await session.delete(path("directory", "room", alias))

    async def _room(self, room: Room) -> None:
        """Have every administrator there is remove the room; without one, that everybody left is all there is to do."""
        for home in self.deployment.homeservers:
            administrator = self._administrator(home)
            if administrator is None:
                continue
            where = path("_synapse", "admin", "v1", "rooms", room.room_id)
            answer = await administrator.send("DELETE", where, {"purge": True, "force_purge": True})
            if answer.status not in (200, 404):
                raise _Stays(f"{answer}")
        self.made.note("gone", room_id=room.room_id)

    def _home(self, server: str) -> Homeserver | None:
        return next((each for each in self.deployment.homeservers if each.server_name == server), None)

    def _administrator(self, home: Homeserver | None) -> Session | None:
        if home is None or home.admin_url is None or home.admin_token is None:
            return None
        token = home.admin_token.get_secret_value()
        return Session(self.transport, home.admin_url, home.server_name, access_token=token, who="administrator")


async def clear(
    deployment: Deployment, made: Made, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> list[str]:
    """Take away what a journal names, at the deployment's own rate; gives what could not be, a line each.

    The journal is gone when nothing is left.
    """
    made.close()
    transport = AsyncTransport(deployment.ca, (), deployment.origins())
    transport.guard, transport.pace = None, Pace(deployment.limits.requests_per_second)
    clearing = Clearing(deployment, made, transport, progress)
    try:
        await clearing.everything()
    finally:
        await transport.close()
    if not clearing.stays and not made.things():
        made.end()
    return clearing.stays
