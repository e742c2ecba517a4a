"""A rule that is probed under load is judged by the same checks, and no answer is not a violation."""

import json

import pytest

from load.errors import ProfileError
from load.probes import PROBES, ProbeContext, ensure_known, run_probe
from scenarios.session import Session
from scenarios.wire import Request, Response, Unreachable
from tests.load.simulated import TEXT, profile


class Answering:
    """A transport that answers each path as it was told; only for what a probe makes of an answer."""

    def __init__(self, answers: dict[str, tuple[int, dict[str, object]]]) -> None:
        self.answers = answers

    async def send(self, request: Request) -> Response:
        for part, (status, body) in self.answers.items():
            if part in request.url:
                return Response(status, {}, json.dumps(body).encode(), request)
        raise Unreachable(request.url)

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"a probe waits {seconds} s")

    def now(self) -> float:
        return 0.0


WHOAMI: dict[str, tuple[int, dict[str, object]]] = {"whoami": (200, {"user_id": "@guest:x"})}


def context(answers: dict[str, tuple[int, dict[str, object]]]) -> ProbeContext:
    one = Session(Answering(answers), "https://x", "x", "@anne.durand:x")
    return ProbeContext(one, one, one, "!room:x")


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ((403, {"errcode": "M_FORBIDDEN"}), "held"),
        ((200, {"room_id": "!new:x"}), "violated"),
        ((404, {"errcode": "M_NOT_FOUND"}), "violated"),
        ((403, {"errcode": "M_CONSENT_NOT_GIVEN"}), "violated"),
        ((429, {"errcode": "M_LIMIT_EXCEEDED"}), "broken"),
        ((502, {}), "broken"),
    ],
)
async def test_a_guest_who_creates_a_room_is_a_violation_and_a_tired_server_is_not(
    answer: tuple[int, dict[str, object]], result: str
) -> None:
    found, message = await run_probe("guest-creates-no-room", context({**WHOAMI, "createRoom": answer}))
    assert found == result, message
    assert bool(message) == (result != "held")


async def test_a_refusal_to_somebody_whose_session_is_gone_is_no_proof() -> None:
    refused: tuple[int, dict[str, object]] = (401, {"errcode": "M_UNKNOWN_TOKEN"})
    found, _ = await run_probe(
        "guest-creates-no-room", context({"whoami": refused, "createRoom": (403, {"errcode": "M_FORBIDDEN"})})
    )
    assert found == "broken"


async def test_without_a_guest_or_without_an_answer_a_probe_comes_to_nothing() -> None:
    without = context(WHOAMI)
    assert (await run_probe("guest-creates-no-room", ProbeContext(without.agent, without.other)))[0] == "broken"
    assert (await run_probe("stranger-reads-nothing", context({})))[0] == "broken"


async def test_a_guest_who_finds_somebody_is_a_violation() -> None:
    for results, expected in (([], "held"), ([{"user_id": "@anne:x"}], "violated")):
        found, _ = await run_probe("guest-searches-in-vain", context({**WHOAMI, "user_directory": (200, {"results": results})}))
        assert found == expected


def test_a_profile_that_asks_for_an_unknown_probe_is_refused() -> None:
    with pytest.raises(ProfileError, match=r"simulated\.toml:1: probes\.0\.name: no probe 'dance'; probes are"):
        ensure_known(profile('probes = [{ name = "dance", every = 1 }]\n' + TEXT))
    for name in PROBES:
        ensure_known(profile(f'probes = [{{ name = "{name}", every = 1 }}]\n' + TEXT))
