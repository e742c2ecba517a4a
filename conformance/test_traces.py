"""E2E-4, E2E-5, E2E-6: what the server and the wire must not show ("Confidentialité et sécurité des échanges")."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from conformance.cast import Cast
from conformance.journeys import gathered
from conformance.outcome import untestable
from conformance.traces.needles import Mark
from conformance.traces.places import Folder, Place, missing_from, places_of
from conformance.traces.planting import search_proven
from conformance.traces.search import Found, Trace, search
from conformance.transport import AsyncTransport
from fixtures.cache import locked
from fixtures.interceptor import tapped
from scenarios import conversations, files
from scenarios.backup import Backup, recovery_key
from scenarios.devices import Device


@dataclass
class Spoken:
    """A conversation that was held: what was secret in it, and what was not."""

    devices: list[Device]
    secrets: list[Mark] = field(default_factory=list)
    open: list[Mark] = field(default_factory=list)
    recovery: bytes = b""
    code: str = ""

    @property
    def keys(self) -> list[Mark]:
        """Every private and room key that the devices hold, and the backup's."""
        held = [
            Mark(f"{device.session.device_id} {name}", value, "key")
            for device in self.devices
            for name, value in device.machine.secrets()
        ]
        # As the person has it, too: in groups of four, or typed without them.
        code = [Mark.of("the recovery code", self.code), Mark.of("the recovery code in one", self.code.replace(" ", ""))]
        return [*held, *code, Mark("the backup's private key", self.recovery, "key")]


async def _hold(cast: Cast) -> Spoken:
    """Have two agents and a guest exchange messages and a file, one with a backup, and say something in public too."""
    people = [*await cast.agents(0, 1), await cast.guest()]
    devices = await cast.devices(people)
    return await _speak(cast, devices)


async def _speak(cast: Cast, devices: list[Device]) -> Spoken:
    host, other, guest = devices
    spoken = Spoken(devices)

    def secret(about: str) -> str:
        word = cast.word(about)
        spoken.secrets.append(Mark.of(about, word))
        return word

    room_id = await gathered(host, other, guest, externals=True)
    for speaker in devices:
        event_id = await speaker.say(room_id, f"Confidentiel : {secret('message')}.")
        for reader in devices:
            if reader is not speaker:
                await reader.wait_to_read(room_id, event_id)
    content = f"Texte de la pièce : {secret('contenu')}\n".encode() * 20
    shared = await files.share_encrypted(host, room_id, content, f"{secret('nom')}.txt", "text/plain")
    message = await other.wait_to_read(room_id, shared)
    body = await files.for_scanner(other.session, message.content["file"])
    fetched = await files.download_encrypted(other.session, body)
    assert fetched.status == 200, f"the file should be delivered, but: {fetched}"
    assert files.decrypt_file(fetched.body, message.content["file"]) == content
    backup, code = await Backup.create(host.session, host.machine)
    await backup.store(host.machine.room_keys())
    spoken.recovery, spoken.code = recovery_key(code), code

    public, attached = cast.word("parole publique"), cast.word("tract public")
    forum = await conversations.open_public(host.session, "forum")
    await host.say(forum, public)
    await files.upload(host.session, attached.encode() * 5, "text/plain")
    spoken.open += [Mark.of("public message", public), Mark.of("public file", attached)]
    return spoken


def _places(cast: Cast) -> list[Place]:
    storage = cast.deployment.storage
    if storage is None or not (storage.postgres or storage.sqlite or storage.state):
        raise untestable("access to what the deployment stores ([storage] in its TOML)")
    if absent := missing_from(storage):
        raise untestable(f"what the deployment is said to store, and is not there: {', '.join(absent)}")
    return places_of(storage)


def _told(traces: Sequence[Trace]) -> str:
    shown = "; ".join(str(trace) for trace in traces[:5])
    return f"{len(traces)} traces, among them: {shown}"


@contextlib.contextmanager
def _alone(cast: Cast) -> Iterator[None]:
    """Let one search at a time into a deployment's stores: what one plants and takes away would disturb another."""
    storage = cast.deployment.storage
    folder = storage.processes if storage and storage.processes else Path(tempfile.gettempdir())
    with locked(folder / f"{cast.deployment.name}.search.lock"):
        yield


def _searched(cast: Cast, marks: Sequence[Mark]) -> Found:
    """Search, and prove by marks that are planted in every place and form that this search would have found them."""
    with _alone(cast):
        found, overlooked = search_proven(_places(cast), marks)
    assert not overlooked, f"the search would not find: {', '.join(overlooked[:8])}"
    return found


def _judged(who: str, leaked: Sequence[Trace], cut: Sequence[str]) -> None:
    """Hold that nothing leaked, and that nothing was left unopened in which it might have."""
    assert not leaked, f"{who} {_told(leaked)}"
    if cut:
        raise untestable(f"all that is packed to be opened, and {len(cut)} were not, among them: {'; '.join(cut[:5])}")


@dataclass
class Leaks:
    """What one search told of one conversation, by the kind of mark, and what it left unopened.

    The checks of a run share it, for it takes long.
    """

    told: dict[str, list[Trace]] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def leaks() -> Leaks:
    """Give what the search of this run told: a session's, so that no fault of a proof is judged by another's search."""
    return Leaks()


async def _leaked(cast: Cast, leaks: Leaks, kind: str) -> list[Trace]:
    """Give the traces of a kind of mark, once what was said in public is seen to be found where it must be."""
    _places(cast)
    if not leaks.told:
        spoken = await _hold(cast)
        kinds = {"open": spoken.open, "secret": spoken.secrets, "key": spoken.keys}
        found = await asyncio.to_thread(_searched, cast, [mark for marks in kinds.values() for mark in marks])
        in_tables = {trace.mark for trace in found.traces if "table " in trace.where}
        assert "public message" in in_tables, "what was said in public is not found in a table of any database"
        in_media = {trace.mark for trace in found.traces if trace.place.startswith("media")}
        assert "public file" in in_media, "what was shared in public is not found in a media store"
        for name, marks in kinds.items():
            names = {mark.name for mark in marks}
            leaks.told[name] = [trace for trace in found.traces if trace.mark in names]
        leaks.cut = found.cut
    return leaks.told[kind]


@pytest.mark.rule("E2E-4")
async def test_server_holds_no_message(cast: Cast, leaks: Leaks) -> None:
    """Nothing in databases, media, mails, logs or state shows what two agents and a guest said and shared."""
    leaked = await _leaked(cast, leaks, "secret")
    _judged("the server holds", leaked, leaks.cut)


@pytest.mark.rule("E2E-5")
async def test_server_holds_no_key(cast: Cast, leaks: Leaks) -> None:
    """Nothing in databases, media, mails, logs or state shows a key that the devices or the backup's owner hold."""
    leaked = await _leaked(cast, leaks, "key")
    _judged("the server holds", leaked, leaks.cut)


@pytest.mark.rule("E2E-5")
async def test_backup_is_ciphertext_to_the_server(cast: Cast) -> None:
    """What the server keeps of a backup names rooms and sessions, and shows no key; its owner's code opens it."""
    device, other = await cast.devices(await cast.agents(0, 1))
    room_id = await gathered(device, other)
    await other.wait_to_read(room_id, await device.say(room_id, "à sauvegarder"))
    backup, code = await Backup.create(device.session, device.machine)
    await backup.store(device.machine.room_keys())

    stored = (await device.session.get("/room_keys/keys", {"version": backup.version})).body
    assert room_id.encode() in stored, "the backup holds nothing of the room"
    with_keys = [Mark(name, value, "key") for name, value in device.machine.secrets()]
    shown = [mark.name for mark in with_keys if mark.value in stored]
    assert not shown, f"the backup shows {shown}"
    kept = [key.session_key.encode() for key in device.machine.room_keys()]
    assert not any(key[:40] in stored for key in kept), "the backup shows a room key"
    restored = {key.session_id for key in await backup.restore(code)}
    assert restored == {key.session_id for key in device.machine.room_keys()}


@pytest.mark.rule("E2E-6")
async def test_intercepted_traffic_is_unreadable(cast: Cast) -> None:
    """All that passes between clients and homeservers, taken down inside TLS, shows no message, file or key.

    The same record does show what was said in public, so it is of this conversation and can be read.
    """
    people = [*await cast.agents(0, 1), await cast.guest()]
    with tapped(cast.deployment) as tap:
        transport = AsyncTransport(tap.ca, cast.transport.observers)
        devices = []
        for person in people:
            session = replace(person.session, transport=transport, base_url=tap.urls[person.home.name])
            devices.append(await Device(session).start())
        spoken = await _speak(cast, devices)
        await transport.close()
        passed = Folder("state wire", tap.folder)
        found = await asyncio.to_thread(search, [passed], [*spoken.open, *spoken.secrets, *spoken.keys])

    assert {trace.mark for trace in found.traces} >= {mark.name for mark in spoken.open}, "the record lacks what was public"
    told = {mark.name for mark in spoken.open}
    leaked = [trace for trace in found.traces if trace.mark not in told]
    _judged("the wire shows", leaked, found.cut)
