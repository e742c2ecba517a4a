"""Rules probed while the crowd is at work: a limit that only holds on a quiet day does not hold.

A probe is a story of a few acts over `scenarios`, held to be true by `conformance.checks`. Each has its control: whoever is
refused was let in where they belong a moment before. An answer that is no judgement (429, 5xx, none at all) is no violation
either: the probe came to no answer, which is counted apart.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from conformance.checks.answers import accepted, refused
from conformance.checks.encryption import is_encrypted
from load.errors import ProfileError
from load.measuring.measures import ProbeResult
from load.profile import Profile
from scenarios import conversations, directory
from scenarios.session import Session, path
from scenarios.wire import NotInTime, Response, UnexpectedAnswer, WireError

__all__ = ["PROBES", "Probe", "ProbeContext", "ensure_known", "run_probe"]


@dataclass(frozen=True)
class ProbeContext:
    """Who is at hand: two agents, a guest, and a private room which `agent` is in and `other` is not."""

    agent: Session
    other: Session
    guest: Session | None = None
    room_id: str = ""


Probe = Callable[[ProbeContext], Awaitable[None]]


class _Unanswered(Exception):
    """What the probe needs is not there."""


def _guest(context: ProbeContext) -> Session:
    if context.guest is None:
        raise _Unanswered("no guest is at hand")
    return context.guest


def _judged(response: Response) -> Response:
    """Give an answer that says yes or no."""
    if response.status == 429 or response.status >= 500:
        raise UnexpectedAnswer(response)
    return response


def _control(response: Response, what: str) -> None:
    """Hold what makes a refusal mean something; without it the probe has no answer."""
    try:
        accepted(_judged(response), what)
    except AssertionError as error:
        raise _Unanswered(str(error)) from None


async def _is_in(session: Session) -> None:
    """The control: the session is a valid one."""
    _control(await session.get("/account/whoami"), f"{session.who or session.user_id}'s own session")


async def guest_creates_no_room(context: ProbeContext) -> None:
    """GST-2: a guest asks for a room and is refused."""
    guest = _guest(context)
    await _is_in(guest)
    answer = _judged(await conversations.ask_for_room(guest, preset="private_chat"))
    refused(answer, "a guest's room under load", "M_FORBIDDEN")


async def guest_starts_no_direct_conversation(context: ProbeContext) -> None:
    """GST-1: a guest asks for a conversation with an agent and is refused."""
    guest = _guest(context)
    await _is_in(guest)
    answer = _judged(await conversations.ask_for_direct(guest, context.agent.user_id))
    refused(answer, "a guest's direct conversation under load", "M_FORBIDDEN")


async def guest_searches_in_vain(context: ProbeContext) -> None:
    """GST-5: a guest searches for an agent and finds nobody."""
    guest = _guest(context)
    await _is_in(guest)
    name = context.agent.user_id[1:].partition(":")[0].split(".")[0].split("-")[0]
    answer = _judged(await directory.search(guest, name))
    if answer.status == 200:
        assert answer.json().get("results") == [], f"a guest's search for {name!r} under load shows somebody"
    else:
        refused(answer, "a guest's search under load")


async def stranger_reads_nothing(context: ProbeContext) -> None:
    """An agent who is not in a private room asks for its messages and is refused; a member gets them."""
    if not context.room_id:
        raise _Unanswered("no private room is at hand")
    where = path("rooms", context.room_id, "messages")
    _control(await context.agent.get(where, {"dir": "b", "limit": 1}), "a member's look into their room")
    answer = _judged(await context.other.get(where, {"dir": "b", "limit": 1}))
    refused(answer, "a stranger's look into a private room under load", "M_FORBIDDEN")


async def conversation_is_encrypted(context: ProbeContext) -> None:
    """The room in which people talk asks every client for encryption."""
    if not context.room_id:
        raise _Unanswered("no private room is at hand")
    await is_encrypted(context.agent, context.room_id)


PROBES: dict[str, Probe] = {
    "guest-creates-no-room": guest_creates_no_room,
    "guest-starts-no-direct-conversation": guest_starts_no_direct_conversation,
    "guest-searches-in-vain": guest_searches_in_vain,
    "stranger-reads-nothing": stranger_reads_nothing,
    "conversation-is-encrypted": conversation_is_encrypted,
}
"""By the name under which a profile asks for it."""


def ensure_known(profile: Profile) -> None:
    """Raise `ProfileError` when a profile asks for a probe that there is not."""
    for number, plan in enumerate(profile.probes):
        if plan.name not in PROBES:
            where = profile.where("probes", number, "name")
            raise ProfileError(f"{where}: no probe {plan.name!r}; probes are {', '.join(PROBES)}")


async def run_probe(name: str, context: ProbeContext) -> tuple[ProbeResult, str]:
    """Run a probe; gives what it found, and why when it did not hold."""
    try:
        await PROBES[name](context)
    except AssertionError as violation:
        return "violated", str(violation)
    except (_Unanswered, WireError, UnexpectedAnswer, NotInTime) as error:
        return "broken", f"{type(error).__name__.lstrip('_')}: {error}"
    return "held", ""
