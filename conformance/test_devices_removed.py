"""DEV-3, DEV-4, DEV-5: devices that are out, devices that were not verified ("Pour aller plus loin")."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from conformance.cast import Cast
from conformance.checks.answers import accepted, refused
from conformance.journeys import gathered
from conformance.tampering import Tampering, client_lied_to, to_device_in
from scenarios import accounts
from scenarios.backup import Backup
from scenarios.devices import Device
from scenarios.people import Person, anonymous
from scenarios.session import ok, path
from scenarios.trust import CrossSigning, Trust
from scenarios.wire import until


async def _by_itself(owner: Person, kept: Device, lost: Device) -> None:
    ok(await lost.session.post("/logout", {}))


async def _from_another(owner: Person, kept: Device, lost: Device) -> None:
    await accounts.remove_device(kept.session, lost.session.device_id, owner.identity.password)


async def _by_changing_the_password(owner: Person, kept: Device, lost: Device) -> None:
    ok(await accounts.change_password(kept.session, owner.identity.password, "Nouveau-Mot-2-Passe!"))


def _pusher(pushkey: str) -> dict[str, Any]:
    """Give what a device asks for to be notified, at a place where nobody listens and no homeserver may call."""
    return {
        "kind": "http",
        "app_id": "fr.exemple.vigie",
        "app_display_name": "Vigie",
        "device_display_name": "téléphone",
        "lang": "fr",
        "pushkey": pushkey,
        "data": {"url": "https://127.0.0.1:9/_matrix/push/v1/notify"},
    }


async def _pushkeys(device: Device) -> list[str]:
    return [each["pushkey"] for each in ok(await device.session.get("/pushers"))["pushers"]]


_WAYS: dict[str, Callable[[Person, Device, Device], Awaitable[None]]] = {
    "logged out": _by_itself,
    "removed from another device": _from_another,
    "password changed": _by_changing_the_password,
}


@pytest.mark.rule("DEV-3")
@pytest.mark.parametrize(("way", "home"), list(zip(_WAYS, (0, 1, 0), strict=True)))
async def test_removed_device_is_out(cast: Cast, home: int, way: str) -> None:
    """A device that was removed is refused everything and reads nothing said later, even with all the traffic.

    Nor is it told of it any more: where it had notifications sent to, none are sent.
    """
    owner, friend = await cast.agents(home, 1 - home)
    await _is_out(cast, owner, friend, _WAYS[way])


@pytest.mark.rule("DEV-3")
@pytest.mark.guests
async def test_removed_device_of_a_guest_is_out(cast: Cast) -> None:
    """A guest's device that was logged out is refused everything and reads nothing said later, at their homeserver too."""
    await _is_out(cast, await cast.guest(), await cast.agent(), _by_itself)


async def _is_out(
    cast: Cast, owner: Person, friend: Person, remove: Callable[[Person, Device, Device], Awaitable[None]]
) -> None:
    heard = Tampering(cast.transport)
    kept = await client_lied_to(cast, owner, heard)
    lost, theirs = await cast.device(owner), await cast.device(friend)
    room_id = await gathered(theirs, kept, externals=True)
    await lost.wait_for("the conversation", lambda seen: seen.room(room_id).membership == "join")
    before = await theirs.say(room_id, cast.word("avant"))
    for device in (kept, lost):
        await device.wait_to_read(room_id, before)

    ok(await lost.session.post("/pushers/set", _pusher(pushkey := cast.word("sonnerie"))))
    assert pushkey in await _pushkeys(kept), "the notifications of a device are not set up"

    await remove(owner, kept, lost)
    refused(await lost.session.get("/sync"), "a sync of the removed device", "M_UNKNOWN_TOKEN", status=401)
    answer = await lost.session.get(path("rooms", room_id, "messages"), {"dir": "b"})
    refused(answer, "reading by the removed device", "M_UNKNOWN_TOKEN", status=401)

    async def is_gone() -> bool | None:
        await theirs.machine.query([owner.user_id])
        return None if lost.session.device_id in theirs.machine.devices_of(owner.user_id) else True

    assert pushkey not in await _pushkeys(kept), "the removed device is still sent notifications"
    missing = f"the disappearance of the removed device from the devices that {friend.name} sees"
    await until(cast.transport, is_gone, deadline=20, missing=missing, pause=0.1)
    after = await theirs.say(room_id, text := cast.word("après"))
    assert (await kept.wait_to_read(room_id, after)).body == text
    # Whoever holds the removed device may have listened to all that the other one was sent.
    lost.machine.overhear(to_device_in(heard.syncs))
    opened = lost.machine.decrypt(room_id, kept.room(room_id).events[after])
    assert not isinstance(opened, dict), "the removed device reads what was said after it was out"


@pytest.mark.rule("DEV-3")
@pytest.mark.parametrize(("way", "home"), list(zip(_WAYS, (0, 1, -1), strict=True)))
async def test_removed_device_renews_no_token(cast: Cast, home: int, way: str) -> None:
    """A device could renew its token, where a homeserver lets it: once it is out it gets none, and its last one is none."""
    owner = await cast.guest() if home < 0 else await cast.agent(home)
    kept = await cast.device(owner)
    login = ok(await accounts.log_in(cast.transport, owner, renewable=True))
    lost = Device(accounts.admit(owner, login, cast.transport))
    token = login.get("refresh_token", "un-jeton-invente")
    if "refresh_token" in login:
        renewed = accepted(await accounts.renew(lost.session, token), "the renewal of a device's token")
        token, lost.session = renewed["refresh_token"], replace(lost.session, access_token=renewed["access_token"])
        accepted(await lost.session.get("/account/whoami"), "the renewed token")

    await _WAYS[way](owner, kept, lost)
    answer = await accounts.renew(lost.session, token)
    refused(answer, "the renewal of a removed device's token", status=(401, 403))
    assert "access_token" not in answer.json(), "the refusal carries a token"
    refused(await lost.session.get("/account/whoami"), "the token that it had last", "M_UNKNOWN_TOKEN", status=401)


@pytest.mark.rule("DEV-4")
@pytest.mark.parametrize("home", [0, 1])
async def test_device_that_was_not_verified_shows_as_such(cast: Cast, home: int) -> None:
    """The owner's signature tells a verified device from one that is not, to the owner and to others.

    Nobody else signs in their place, and whoever has one of their devices does not put another key in the place of theirs.
    """
    await _shows_as_such(cast, *await cast.agents(home, 1 - home))


@pytest.mark.rule("DEV-4")
@pytest.mark.guests
async def test_device_of_a_guest_that_was_not_verified_shows_as_such(cast: Cast) -> None:
    """A guest's signature, too, tells their verified device from the other one, to them and to an agent; nobody else's does."""
    await _shows_as_such(cast, await cast.guest(), await cast.agent())


async def _shows_as_such(cast: Cast, owner: Person, friend: Person) -> None:
    first, theirs = await cast.device(owner), await cast.device(friend)
    await gathered(theirs, first, externals=True)
    signing = await CrossSigning.create(first.session, owner.identity.password)
    await signing.verify(first.session, first.session.device_id)
    second = await cast.device(owner)

    async def both_see(device: Device, wanted: Trust) -> None:
        for viewer in (first, second, theirs):

            async def sees(viewer: Device = viewer) -> bool | None:
                await viewer.machine.query([owner.user_id])
                found = viewer.machine.identities.trust(owner.user_id, device.session.device_id)
                return True if found is wanted else None

            missing = f"the device {device.session.device_id} as {wanted.value}, for {viewer.session.who}"
            await until(cast.transport, sees, deadline=20, missing=missing, pause=0.1)

    await both_see(first, Trust.VERIFIED)
    await both_see(second, Trust.UNVERIFIED)
    foreign = CrossSigning(owner.user_id)
    answer = ok(await theirs.session.post("/keys/query", {"device_keys": {owner.user_id: []}}))
    keys = foreign.signed(answer["device_keys"][owner.user_id][second.session.device_id])
    forged = await theirs.session.post("/keys/signatures/upload", {owner.user_id: {second.session.device_id: keys}})
    assert forged.status != 200 or forged.json().get("failures"), "the server takes another's signature for the owner's"
    await both_see(second, Trust.UNVERIFIED)
    # Who has the device and not the password would sign it by keys of their own making.
    replaced = await second.session.post("/keys/device_signing/upload", foreign.public())
    refused(replaced, "another identity, without the password", status=401)
    await both_see(second, Trust.UNVERIFIED)
    await signing.verify(second.session, second.session.device_id)
    await both_see(second, Trust.VERIFIED)


@pytest.mark.rule("DEV-5")
@pytest.mark.parametrize("home", [0, 1])
async def test_password_reset_by_mail_gives_the_account_and_not_the_past(cast: Cast, home: int) -> None:
    """By the mailed link somebody is let in again and their devices are out; old messages open by the recovery code alone.

    The link is good for once: whoever comes upon the mail later does not get in by it.
    """
    await _gives_the_account_alone(cast, *await cast.agents(home, 1 - home))


@pytest.mark.rule("DEV-5")
@pytest.mark.guests
async def test_password_reset_by_mail_gives_a_guest_the_account_and_not_the_past(cast: Cast) -> None:
    """A guest, too, is let in again by the mailed link, their devices are out, and old messages open by the code alone."""
    await _gives_the_account_alone(cast, await cast.guest(), await cast.agent())


async def _gives_the_account_alone(cast: Cast, owner: Person, friend: Person) -> None:
    mailbox = cast.mailbox
    old, theirs = await cast.devices([owner, friend])
    room_id = await gathered(theirs, old, externals=True)
    event_id = await theirs.say(room_id, text := cast.word("autrefois"))
    await old.wait_to_read(room_id, event_id)
    backup, code = await Backup.create(old.session, old.machine)
    await backup.store(old.machine.room_keys())

    password = "Retrouve-3-Portes!"
    anyone = anonymous(cast.transport, owner.home, owner.name)
    response, validation = await accounts.ask_to_reset(anyone, owner.identity.address)
    ok(response)
    answer = await accounts.reset_password(anyone, password, validation)
    assert answer.status == 401, f"before the link is followed the password should stay, but: {answer}"
    ok(await accounts.log_in(cast.transport, owner, device="témoin"))
    mail = await mailbox.wait_for(owner.identity.address)
    await accounts.follow_link(cast.transport, accounts.link_of(mail), owner.name)
    ok(await accounts.reset_password(anyone, password, validation))
    answer = await accounts.reset_password(anyone, "Encore-1-Autre-Mot!", validation)
    refused(answer, "a second new password by the same link", status=401)

    refused(await old.session.get("/sync"), "a sync of the device from before", "M_UNKNOWN_TOKEN", status=401)
    refused(await accounts.log_in(cast.transport, owner), "the old password", "M_FORBIDDEN")
    accounts.admit(owner, ok(await accounts.log_in(cast.transport, owner, password)), cast.transport)
    new = await Device(owner.sessions[-1]).start()
    await new.wait_for("the old message", lambda seen: event_id in seen.room(room_id).events)
    message = new.message(room_id, event_id)
    assert message is not None and not message.readable, "after a reset by mail the past is readable without any means"
    new.machine.import_room_keys(await (await Backup.current(new.session)).restore(code))
    assert (await new.wait_to_read(room_id, event_id)).body == text
