"""Taking away what was made on somebody else's deployment: rooms left and forgotten, devices logged out, accounts deactivated.

By the account itself, with its token or password; by an administrator where there is one and the account cannot. What is
gone is written into the journal at once, so that whoever is interrupted here leaves the rest to the next. What an
administrator asks for is asked again for a while where the server breaks down over it (5xx), which was seen once after a run
was killed: `broke_down` tells of each time, also where it went at last. Nothing counts as gone because a server broke down
when it was asked about it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fixtures.deployment import Deployment, Homeserver
from scenarios.accounts import deactivate, log_out, remove_device
from scenarios.session import Session, path
from scenarios.visit.made import Account, Device, Made, Room, Things
from scenarios.wire import NotInTime, Response, Transport, UnexpectedAnswer, WireError, until

__all__ = ["Clearing", "Step"]

Step = Callable[[], Coroutine[Any, Any, None]]
# Seconds for which, and every how many, an administrator's request is made again that the server broke down over.
_AGAIN, _PAUSE = 30.0, 1.0
# Seconds for which a room is looked for that somebody asked for and never heard of.
_UNDER_WAY = 5.0
_INVITATIONS = json.dumps(
    {"presence": {"types": []}, "account_data": {"types": []}, "room": {"timeline": {"limit": 1}, "state": {"types": []}}}
)


class _Stays(Exception):
    """Something could not be taken away; the message says why."""


class _BrokeDown(_Stays):
    """A server said nothing of what it was asked about."""


@dataclass
class Clearing:
    """Takes away what one journal names; `stays` tells afterwards what could not be, `broke_down` what a server failed at.

    `out_of_reach` are the files that nobody who is known may remove: people may not, only administrators. `people` are those
    who were there before and stay there.
    """

    deployment: Deployment
    made: Made
    transport: Transport
    people: Mapping[str, Account] = field(default_factory=dict)
    stays: list[str] = field(default_factory=list)
    broke_down: list[str] = field(default_factory=list)
    out_of_reach: list[str] = field(default_factory=list)
    _sessions: dict[str, Session] = field(default_factory=dict)
    _lent: list[Session] = field(default_factory=list)
    _things: Things = field(default_factory=Things)

    def stages(self) -> Iterator[list[Step]]:
        """Give what is to be done: the steps of a stage side by side, the next stage when they are done.

        Accounts first, since leaving is theirs to do; then devices, then rooms, which administrators remove.
        """
        self.made.close()
        askers = {(each.server, each.user_id) for each in self.made.things().openings.values()}
        yield [partial(self._guarded, f"a room of {who}", self._opened, server, who) for server, who in sorted(askers)]
        self._things = self.made.things()
        yield [
            partial(self._guarded, each.user_id or each.address, self._account, each) for each in self._things.accounts.values()
        ]
        yield [partial(self._guarded, each.device_id, self._device, each) for each in self._things.devices.values()]
        there = self.made.things()
        # A room whose maker could not be taken out is not left by everybody.
        rooms = [room for room in there.rooms.values() if room.user_id not in there.accounts]
        yield [partial(self._guarded, room.room_id, self._room, room) for room in rooms]
        yield [partial(self._guarded, uri, self._file, uri, server) for uri, server in there.files.items()]
        yield [partial(self._guarded, each.user_id, _log_out, each) for each in self._lent]

    async def _guarded(self, what: str, work: Callable[..., Awaitable[None]], *about: object) -> None:
        try:
            await work(*about)
        except (_Stays, WireError, UnexpectedAnswer, NotInTime) as error:
            self.stays.append(f"{what}: {error}")

    # Accounts

    async def _account(self, account: Account) -> None:
        try:
            session = await self._session(account)
        except _BrokeDown:
            if self._administrator(self._home(account.server)) is None:
                raise
            session = None
        if session is None:
            await self._by_administrator(account)
        else:
            for room in self.made.things().rooms.values():
                if room.user_id == session.user_id:
                    await self._aliases(session, room)
            await self._leave_all(session)
            answer = await deactivate(session, account.password)
            if answer.status != 200:
                await self._by_administrator(account, answer)
        self.made.note("gone", key=account.key)

    async def _session(self, account: Account, *, note: bool = True) -> Session | None:
        home = self._still_described(account.server)
        session = Session(self.transport, home.url, home.server_name, account.user_id, access_token=account.token, who="sweep")
        if account.token:
            answer = await session.get("/account/whoami")
            if answer.status == 200:
                return session
            if not account.password:
                _said(answer)
        if not account.password:
            return None
        identifier = (
            {"type": "m.id.user", "user": account.user_id}
            if account.user_id
            else {"type": "m.id.thirdparty", "medium": "email", "address": account.address}
        )
        session.access_token = None
        body = {"type": "m.login.password", "identifier": identifier, "password": account.password}
        answer = _said(await session.post("/login", body))
        told = _object(answer)
        user_id, token = told.get("user_id"), told.get("access_token")
        if answer.status != 200 or not isinstance(user_id, str) or not isinstance(token, str):
            return None
        session.user_id, session.access_token = user_id, token
        if note:
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
            if account.sure:
                raise _Stays(f"it was made, and {account.server} knows nobody by this address any more")
            return
        known = await administrator.get(path("_synapse", "admin", "v2", "users", user_id))
        if _is_unknown(known) or (known.status == 200 and _object(known).get("deactivated") is True):
            return
        # It was there a moment ago: that it is unknown now, or the request is, leaves an account that people log in to.
        where = path("_synapse", "admin", "v1", "deactivate", user_id)
        await self._take(administrator, "POST", where, {"erase": True}, unknown_is_gone=False)

    async def _by_address(self, administrator: Session, address: str) -> str:
        found = await administrator.get(path("_synapse", "admin", "v1", "threepid", "email", "users", address))
        if _is_unknown(found):
            return ""
        user_id = _object(found).get("user_id")
        if found.status != 200 or not isinstance(user_id, str) or not user_id:
            raise _Stays(f"{found}")
        return user_id

    # What people who stay were given

    async def _keeper(self, user_id: str) -> Session | None:
        """Give a session of somebody who stays; one that was logged in for this is logged out at the end."""
        if user_id not in self._sessions and (account := self.people.get(user_id)) is not None:
            session = await self._session(account, note=False)
            if session is not None:
                self._sessions[user_id] = session
                if session.access_token != account.token:
                    self._lent.append(session)
        return self._sessions.get(user_id)

    async def _device(self, device: Device) -> None:
        home = self._still_described(device.server)
        if device.token:
            own = Session(self.transport, home.url, home.server_name, device.user_id, access_token=device.token, who="sweep")
            if (await log_out(own)).status == 200:
                self.made.note("gone", device_id=device.device_id)
                return
        owner, administrator = await self._keeper(device.user_id), self._administrator(home)
        if owner is not None:
            known = await owner.get(path("devices", device.device_id))
            if not _is_unknown(known):
                await remove_device(owner, device.device_id, self.people[device.user_id].password)
        elif administrator is not None:
            where = path("_synapse", "admin", "v2", "users", device.user_id, "devices", device.device_id)
            await self._take(administrator, "DELETE", where, {})
        else:
            raise _Stays(f"nobody knows the password of {device.user_id}, and there is no administrator of {device.server}")
        self.made.note("gone", device_id=device.device_id)

    async def _opened(self, server: str, user_id: str) -> None:
        """Find the rooms that somebody asked for and was not given: they bear the tag, and their maker is in them."""
        things = self.made.things()
        openings = {key: each for key, each in things.openings.items() if (each.server, each.user_id) == (server, user_id)}
        self._still_described(server)
        account = things.accounts.get(user_id)
        session = await (self._keeper(user_id) if account is None else self._session(account))
        if session is not None:
            found = 0

            async def all_found() -> bool | None:
                nonlocal found
                found += await self._unheard_of(session, server)
                return True if found >= len(openings) else None

            # Whoever was cut off while asking may have a server that is still at it; one that answered is done.
            patience = 0.0 if all(each.answered for each in openings.values()) else _UNDER_WAY
            with suppress(NotInTime):
                await until(self.transport, all_found, deadline=patience, missing="a room", pause=_PAUSE / 4)
        elif account is None and user_id in self.people:
            raise _Stays("its maker's login is refused")
        for key in openings:
            self.made.note("gone", opening=key)

    async def _unheard_of(self, maker: Session, server: str) -> int:
        """Note somebody's rooms that bear the tag, or come after one of the run's own, and are not noted yet; counts them."""
        answer = await maker.get("/joined_rooms")
        joined = _object(answer).get("joined_rooms")
        if answer.status != 200 or not isinstance(joined, list):
            raise _Stays(f"{answer}")
        known, found = set(self.made.things().rooms), 0
        for room_id in set(joined) - known:
            created = _said(await maker.get(path("rooms", room_id, "state", "m.room.create")))
            content = _object(created) if created.status == 200 else {}
            before = content.get("predecessor")
            if content.get("vigie") == self.made.tag or (isinstance(before, dict) and before.get("room_id") in known):
                self.made.note("room", room_id=room_id, server=server, user_id=maker.user_id)
                found += 1
        return found

    # Rooms

    async def _leave_all(self, session: Session) -> None:
        params = {"filter": _INVITATIONS, "timeout": 0}
        answer = await session.get("/sync", params)
        rooms = _object(answer).get("rooms", {}) if answer.status == 200 else {}
        joined = await session.get("/joined_rooms")
        present = {*rooms.get("join", {}), *rooms.get("invite", {}), *rooms.get("knock", {})}
        present |= set(_object(joined).get("joined_rooms", ())) if joined.status == 200 else set()
        for room_id in sorted(present):
            await session.post(path("rooms", room_id, "leave"), {})
            await session.post(path("rooms", room_id, "forget"), {})

    async def _aliases(self, maker: Session, room: Room) -> None:
        """Have a room's maker remove its aliases; an administrator removes them with the room."""
        for alias in room.aliases:
            answer = await maker.delete(path("directory", "room", alias))
            if self._administrator(self._home(room.server)) is None:
                _said(answer)

    async def _room(self, room: Room) -> None:
        """Have who stays leave the room, and every administrator there is remove it."""
        self._still_described(room.server)
        try:
            await self._leave_as_keepers(room)
        except _BrokeDown:
            if self._administrator(self._home(room.server)) is None:
                raise
        for home in self.deployment.homeservers:
            administrator = self._administrator(home)
            if administrator is None:
                continue
            where = path("_synapse", "admin", "v1", "rooms", room.room_id)
            await self._take(administrator, "DELETE", where, {"purge": True, "force_purge": True})
        self.made.note("gone", room_id=room.room_id)

    async def _leave_as_keepers(self, room: Room) -> None:
        maker = await self._keeper(room.user_id)
        if maker is None:
            if room.user_id in self.people and self._administrator(self._home(room.server)) is None:
                raise _Stays(f"the login of {room.user_id} is refused, and there is no administrator of {room.server}")
            return
        await self._aliases(maker, room)
        answer = _said(await maker.get(path("rooms", room.room_id, "members"), {"not_membership": "leave"}))
        # Where the maker left, everybody else did before: who leaves a room of theirs is the last to go.
        present = [each["state_key"] for each in _object(answer).get("chunk", ())] if answer.status == 200 else []
        for user_id in sorted(present, key=lambda each: each == room.user_id):
            session = await self._keeper(user_id)
            if session is not None:
                _said(await session.post(path("rooms", room.room_id, "leave"), {}))
                await session.post(path("rooms", room.room_id, "forget"), {})

    async def _file(self, uri: str, server: str) -> None:
        administrator = self._administrator(self._still_described(server))
        if administrator is None:
            self.out_of_reach.append(uri)
        else:
            origin, _, media_id = uri.removeprefix("mxc://").partition("/")
            await self._take(administrator, "DELETE", path("_synapse", "admin", "v1", "media", origin, media_id), {})
        self.made.note("gone", content_uri=uri)

    # Administrators

    async def _take(
        self, administrator: Session, method: str, where: str, body: dict[str, Any], *, unknown_is_gone: bool = True
    ) -> None:
        """Have an administrator take something away. Raises `_Stays` or `NotInTime`."""
        last = ""

        async def asked() -> Response | None:
            nonlocal last
            answer = await administrator.send(method, where, body)
            if answer.status < 500:
                return answer
            last = f"{answer}"
            self.broke_down.append(last)
            return None

        missing = "the server's answer to its administrator, other than that it broke down"
        answer = await until(self.transport, asked, deadline=_AGAIN, missing=missing, pause=_PAUSE, seen=lambda: last)
        # A front that answers everything with its own page took nothing away.
        done = answer.status == 200 and answer.body.lstrip().startswith(b"{")
        if not done and not (unknown_is_gone and _is_unknown(answer)):
            raise _Stays(f"{answer}")

    def _home(self, server: str) -> Homeserver | None:
        return next((each for each in self.deployment.homeservers if each.server_name == server), None)

    def _still_described(self, server: str) -> Homeserver:
        """Give a homeserver; raises `_Stays` where the TOML has lost it since, of which nothing is heard any more."""
        home = self._home(server)
        if home is None:
            raise _Stays(f"the deployment's TOML has no homeserver {server}")
        return home

    def _administrator(self, home: Homeserver | None) -> Session | None:
        if home is None or home.admin_url is None or home.admin_token is None:
            return None
        token = home.admin_token.get_secret_value()
        return Session(self.transport, home.admin_url, home.server_name, access_token=token, who="administrator")


def _said(answer: Response) -> Response:
    """Give an answer that says something of what it was asked about; raises `_BrokeDown` for any other (5xx, 429)."""
    if answer.status >= 500 or answer.status == 429:
        raise _BrokeDown(f"{answer}")
    return answer


def _is_unknown(answer: Response) -> bool:
    """Tell whether a homeserver itself says that there is no such thing; raises `_Stays` for any other 404.

    A front that hides a request answers 404 as well, and so does a homeserver that does not have it: with a page, or with
    M_UNRECOGNIZED. What they were asked about is there all the same.
    """
    if answer.status == 404 and answer.errcode != "M_NOT_FOUND":
        raise _Stays(f"{answer}")
    return answer.status == 404


def _object(answer: Response) -> dict[str, Any]:
    """Give what an answer tells; nothing where it is no JSON object, as a front's own pages are not."""
    content = answer.json()
    return content if isinstance(content, dict) else {}


async def _log_out(session: Session) -> None:
    await log_out(session)
