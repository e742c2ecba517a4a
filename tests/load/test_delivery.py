"""What became of messages is told as it was: what a stream drops, doubles or reorders is counted, and nothing else."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from load.measuring.delivery import Delivery
from load.measuring.room import size_class
from load.measuring.tally import Tally
from load.windows import Windows

ROOM = "!salon:un"
ANNE, BASILE, CLAIRE = 1, 2, 3


def books(**limits: float) -> Delivery:
    return Delivery(Tally(Windows(warm_up=0, measured=100_000, cool_down=0), 0.0), **limits)  # type: ignore[arg-type]


def at_work(**limits: float) -> Delivery:
    delivery = books(**limits)
    delivery.room(ROOM, "private", {ANNE: "un", BASILE: "un", CLAIRE: "deux"})
    return delivery


def test_a_message_that_all_see_and_decrypt_is_told_by_stage() -> None:
    delivery = at_work()
    delivery.acknowledged(ROOM, ANNE, "$1", intended=10.0, actual=10.1, acknowledged=10.3)
    for device, at in ((BASILE, 10.4), (CLAIRE, 10.5), (ANNE, 10.35)):
        delivery.seen(ROOM, device, "$1", at, decrypts=device != ANNE)
    for device, at in ((BASILE, 10.41), (CLAIRE, 10.52)):
        delivery.decrypted(device, "$1", at)
    assert delivery.outstanding() == 0
    delivery.finish()
    tally = delivery.tally
    for stage, highest in (
        ("intended-acknowledged", 0.3),
        ("actual-acknowledged", 0.2),
        ("acknowledged-seen", 0.2),
        ("seen-decrypted", 0.02),
        ("intended-seen", 0.5),
        ("intended-decrypted", 0.52),
    ):
        assert tally.stage(stage, "measured").maximum() == pytest.approx(highest, rel=0.002), stage
    assert tally.total("expected") == tally.total("delivered") == tally.total("decrypted-crowd") == 2
    assert not tally.offences


def test_a_message_may_be_seen_and_decrypted_before_its_sender_has_the_answer() -> None:
    delivery = at_work()
    delivery.seen(ROOM, BASILE, "$1", 10.2, decrypts=True)
    delivery.decrypted(BASILE, "$1", 10.25)
    delivery.seen(ROOM, ANNE, "$1", 10.2, decrypts=True)
    delivery.seen(ROOM, CLAIRE, "$1", 10.21)
    delivery.acknowledged(ROOM, ANNE, "$1", intended=10.0, actual=10.0, acknowledged=10.3)
    assert delivery.outstanding() == 0
    before = delivery.tally.stage("acknowledged-seen", "measured")
    assert (before.total, before.negative) == (2, 2)
    assert delivery.tally.stage("intended-decrypted", "measured").maximum() == pytest.approx(0.25, rel=0.002)


def test_what_is_not_seen_in_the_time_of_grace_is_lost_by_event_and_device() -> None:
    delivery = at_work()
    delivery.acknowledged(ROOM, ANNE, "$1", 10, 10, 10.1)
    delivery.seen(ROOM, CLAIRE, "$1", 10.2)
    assert delivery.outstanding() == 1
    delivery.finish()
    assert [(o.event_id, o.device) for o in delivery.tally.offences["lost"]] == [("$1", BASILE)]
    assert delivery.outstanding() == 0


def test_a_message_sent_again_by_the_same_transaction_is_one_message() -> None:
    delivery = at_work()
    delivery.acknowledged(ROOM, ANNE, "$1", 10, 10, 10.1)
    delivery.acknowledged(ROOM, ANNE, "$1", 10, 10, 10.9)
    assert delivery.tally.total("expected") == 2


def test_what_nobody_acknowledged_is_told_apart_and_is_no_loss() -> None:
    delivery = at_work()
    delivery.seen(ROOM, BASILE, "$unanswered", 10)
    delivery.finish()
    assert delivery.tally.total("unclaimed") == 1
    assert not delivery.tally.offences


def test_a_device_without_the_key_is_told_with_its_reason_unless_the_key_comes_late() -> None:
    delivery = at_work()
    delivery.canaries.add(BASILE)
    for event in ("$1", "$2"):
        delivery.acknowledged(ROOM, ANNE, event, 10, 10, 10.1)
        for device in (BASILE, CLAIRE):
            delivery.seen(ROOM, device, event, 10.2, decrypts=True)
            delivery.undecryptable(device, event, "no session")
    delivery.decrypted(BASILE, "$1", 11)
    delivery.decrypted(CLAIRE, "$1", 11)
    delivery.finish()
    told = delivery.tally
    assert [(o.event_id, o.device, o.reason) for o in told.offences["undecryptable-canaries"]] == [("$2", BASILE, "no session")]
    assert [(o.event_id, o.device) for o in told.offences["undecryptable-crowd"]] == [("$2", CLAIRE)]
    assert told.total("decrypted-canaries") == told.total("decrypted-crowd") == 1


def test_a_device_that_is_away_owes_nothing_and_what_it_shows_again_is_no_duplicate() -> None:
    delivery = at_work()
    delivery.acknowledged(ROOM, ANNE, "$0", 9, 9, 9.1)
    delivery.seen(ROOM, BASILE, "$0", 9.2)
    delivery.acknowledged(ROOM, ANNE, "$1", 10, 10, 10.1)
    delivery.away(BASILE)
    delivery.acknowledged(ROOM, ANNE, "$2", 11, 11, 11.1)
    delivery.back(BASILE, 12)
    for event in ("$0", "$1", "$2"):
        delivery.seen(ROOM, BASILE, event, 12.1)
    delivery.acknowledged(ROOM, ANNE, "$3", 13, 13, 13.1)
    delivery.finish()
    assert {(o.event_id, o.device) for o in delivery.tally.offences["lost"]} == {
        ("$0", CLAIRE), ("$1", CLAIRE), ("$2", CLAIRE), ("$3", CLAIRE), ("$3", BASILE),
    }  # fmt: skip
    assert "duplicated" not in delivery.tally.offences
    assert delivery.tally.total("excused") == 1


def test_who_leaves_or_joins_a_room_owes_what_was_sent_while_they_were_in_it() -> None:
    delivery = at_work()
    delivery.acknowledged(ROOM, ANNE, "$1", 10, 10, 10.1)
    delivery.leave(ROOM, BASILE)
    delivery.join(ROOM, 4, "un")
    delivery.acknowledged(ROOM, ANNE, "$2", 11, 11, 11.1)
    delivery.finish()
    assert {(o.event_id, o.device) for o in delivery.tally.offences["lost"]} == {("$1", CLAIRE), ("$2", CLAIRE), ("$2", 4)}


def test_who_joins_is_shown_what_was_said_before_and_need_not_read_it() -> None:
    """A newcomer's timeline shows what was sent before and while they came: seen late, no double, and its key nobody's debt."""
    delivery = at_work()
    delivery.acknowledged(ROOM, ANNE, "$before", 10, 10, 10.1)
    delivery.seen(ROOM, BASILE, "$before", 10.2, decrypts=True)
    delivery.decrypted(BASILE, "$before", 10.2)
    delivery.leave(ROOM, BASILE)
    delivery.join(ROOM, BASILE, "un", at=10.5)
    delivery.join(ROOM, 4, "un", at=10.5)
    for device in (BASILE, 4):
        delivery.seen(ROOM, device, "$before", 11, decrypts=True)
        # Sent before they were there, acknowledged after: not even its sender knew of them.
        delivery.seen(ROOM, device, "$meanwhile", 11, decrypts=True)
    delivery.acknowledged(ROOM, ANNE, "$meanwhile", 10.4, 10.4, 11.2)
    delivery.acknowledged(ROOM, ANNE, "$after", 12, 12, 12.1)
    for device in (BASILE, 4):
        delivery.seen(ROOM, device, "$after", 12.2, decrypts=True)
    delivery.finish()
    offences = delivery.tally.offences
    assert "duplicated" not in offences
    assert {(o.event_id, o.device) for o in offences["undecryptable-crowd"]} == {("$after", BASILE), ("$after", 4)}
    assert {(o.event_id, o.device) for o in offences["lost"]} == {(e, CLAIRE) for e in ("$before", "$meanwhile", "$after")}


def test_order_is_that_in_which_one_homeserver_acknowledged() -> None:
    delivery = at_work()
    delivery.acknowledged(ROOM, ANNE, "$1", 10, 10, 10.1)
    delivery.acknowledged(ROOM, BASILE, "$2", 10.2, 10.2, 10.3)
    delivery.acknowledged(ROOM, BASILE, "$meanwhile", 10.25, 10.25, 10.4)
    for event in ("$2", "$1", "$meanwhile"):
        delivery.seen(ROOM, CLAIRE, event, 11)
    assert [(o.event_id, o.device) for o in delivery.tally.offences["out-of-order"]] == [("$1", CLAIRE)]


def test_two_homeservers_owe_each_other_no_order() -> None:
    delivery = at_work()
    delivery.acknowledged(ROOM, CLAIRE, "$1", 10, 10, 10.1)
    delivery.acknowledged(ROOM, ANNE, "$2", 10.2, 10.2, 10.3)
    for event in ("$2", "$1"):
        delivery.seen(ROOM, BASILE, event, 11)
    assert "out-of-order" not in delivery.tally.offences


def test_a_message_that_overtakes_before_its_own_answer_is_out_of_order_too() -> None:
    delivery = at_work()
    delivery.acknowledged(ROOM, ANNE, "$1", 10, 10, 10.1)
    delivery.seen(ROOM, CLAIRE, "$2", 10.25)
    delivery.seen(ROOM, CLAIRE, "$1", 10.26)
    delivery.acknowledged(ROOM, ANNE, "$2", 10.2, 10.2, 10.3)
    assert [o.event_id for o in delivery.tally.offences["out-of-order"]] == ["$1"]


@settings(max_examples=60)
@given(
    st.integers(0, 2**32), st.sampled_from([0.0, 0.01, 0.1]), st.sampled_from([0.0, 0.02, 0.2]), st.sampled_from([0.0, 0.05])
)
def test_what_a_stream_drops_doubles_and_reorders_is_what_is_counted(
    seed: int, drop: float, double: float, late: float
) -> None:
    """A proxy does to the stream of each device what it likes; the books say exactly what it did."""
    random, injected = Random(seed), Counter[str]()
    delivery = at_work()
    streams: dict[int, list[str]] = {BASILE: [], CLAIRE: []}
    for number in range(120):
        delivery.acknowledged(ROOM, ANNE, f"${number}", number, number, number + 0.5)
        for stream in streams.values():
            stream.append(f"${number}")
    for device, stream in streams.items():
        given_ = [event for event in stream if random.random() >= drop]
        injected["lost"] += len(stream) - len(given_)
        held: list[str] = []
        shown: list[str] = []
        for position, event in enumerate(given_):
            if random.random() < late and position < len(given_) - 1 and not held:
                held.append(event)
                injected["out-of-order"] += 1
                continue
            shown += [event, *held]
            held = []
        for event in shown:
            again = random.random() < double
            injected["duplicated"] += again
            for _ in range(1 + again):
                delivery.seen(ROOM, device, event, 1000)
    delivery.finish()
    counted = {kind: delivery.tally.total(kind) for kind in ("lost", "duplicated", "out-of-order")}
    assert counted == {kind: injected[kind] for kind in counted}


def test_memory_stays_bounded_over_a_long_run_and_nothing_is_miscounted() -> None:
    delivery = at_work(remembered=500, unclaimed_for=50, most_missing=100)
    for number in range(20_000):
        event = f"${number}"
        delivery.seen(ROOM, BASILE, f"$never-{number}", number)
        delivery.acknowledged(ROOM, ANNE, event, number, number, number + 0.5)
        delivery.seen(ROOM, BASILE, event, number + 0.6, decrypts=True)
        delivery.decrypted(BASILE, event, number + 0.7)
        if number % 10:
            delivery.seen(ROOM, CLAIRE, event, number + 0.6)
    assert len(delivery._events) <= 800
    assert len(delivery._early) <= 600
    delivery.finish()
    assert delivery.tally.total("lost") == 2000
    assert delivery.tally.total("delivered") == 38_000
    assert delivery.tally.total("unclaimed") == 20_000
    assert len(delivery.tally.offences["lost"]) == 200, "all are counted, some are listed"


def test_what_workers_drain_in_parts_is_what_one_would_have_counted() -> None:
    windows = Windows(warm_up=5, measured=20, cool_down=5)
    whole, master = Delivery(Tally(windows, 0.0)), Tally(windows, 0.0)
    workers = [Delivery(Tally(windows, 0.0)) for _ in range(2)]
    for each in (whole, *workers):
        each.room(ROOM, "direct", {ANNE: "un", BASILE: "un"})
    for number in range(300):
        for books_ in (whole, workers[number % 2]):
            books_.acknowledged(ROOM, ANNE, f"${number}", number / 10, number / 10, number / 10 + 0.01 * (number % 7))
            if number % 50:
                books_.seen(ROOM, BASILE, f"${number}", number / 10 + 0.2)
        if number % 40 == 0:
            master.absorb(workers[0].tally.drain())
    for worker in workers:
        worker.finish()
        master.absorb(worker.tally.drain())
    whole.finish()
    assert master.counts == whole.tally.counts
    for window in ("warm-up", "measured", "cool-down"):
        expected = whole.tally.stage("intended-seen", window).counts
        assert master.stage("intended-seen", window).counts == expected
        assert expected
    assert sorted(master.slices) == sorted(whole.tally.slices)


def test_rooms_are_told_by_classes_of_size() -> None:
    assert [size_class(n) for n in (1, 2, 3, 10, 11, 200, 201, 5000)] == [
        "1-2", "1-2", "3-10", "3-10", "11-50", "51-200", "201-1000", "over-1000",
    ]  # fmt: skip
