"""The proof's judgement: what counts as caught, and everything that does not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conformance.catalogue import load
from conformance.fingerprint import fingerprint
from conformance.markers import checks_by_rule
from conformance.proof import SAMPLE, ProofRun, UnknownFault, batches, choose, code_of, others_for
from conformance.proving.configs import altered
from conformance.proving.healthy import Healthy, NotTheSame, healthy_by
from conformance.proving.judging import chosen, judge
from fixtures.faults.model import Config, Fault, Module
from fixtures.faults.registry import all_faults
from fixtures.service import Endpoint as Address
from fixtures.service import File, Service, TcpAccepts
from reports.proof import Proof, Tried, make_proof, proved_by
from reports.verdict import Asked, Check, Deployment, Rule, Statement, Status, Verdict, conclude, rule_status

OWN, OTHER = "GST-2/guest-creates-no-room[plain]", "REG-1/agent-registers-by-mail[0]"
SPACE = "GST-2/guest-creates-no-room[space]"
FAULT = Fault(
    id="guest-makes-rooms",
    rule="GST-2",
    says="guests make rooms",
    effects=(Module("tchap_guests.Guests.may_create_room", lambda call: call()),),
    checks=(OWN,),
    reason="room should be refused",
)
HEALTHY = {OWN: {"status": "pass", "message": ""}, OTHER: {"status": "pass", "message": ""}}


def told(own: str, message: str = "", other: str = "pass", **more: Any) -> dict[str, Any]:
    """Give what a worker tells."""
    results = {OWN: {"status": own, "message": message}, OTHER: {"status": other, "message": "something else"}}
    return {"results": results, "in_force": "", "notes": ["let a guest"], "problem": "", "seconds": 1.0, **more}


def test_a_failure_for_the_rules_reason_is_caught() -> None:
    tried = judge(FAULT, told("fail", "a guest's room should be refused with 403"), HEALTHY)
    assert tried.caught
    assert tried.checks_turned == (OWN,)
    assert tried.others == (OTHER,)
    assert "let a guest" in tried.in_force


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (told("pass"), "nobody noticed"),
        (told("error", "KeyError: 'room'"), "turned error, not fail"),
        (told("untestable", "needs mail"), "turned untestable, not fail"),
        (told("fail", "no answer came"), "for another reason"),
        (told("fail", "a room should be refused", other="fail"), "turned others too"),
        (told("fail", "a room should be refused", notes=[]), "nothing shows that the fault was in force"),
        (told("fail", "a room should be refused", problem="worker 0 ended"), "worker 0 ended"),
    ],
)
def test_anything_else_is_not(what: dict[str, Any], why: str) -> None:
    tried = judge(FAULT, what, HEALTHY)
    assert not tried.caught
    assert why in tried.reason


def test_what_searches_stores_and_what_takes_long_comes_first(tmp_path: Path) -> None:
    """After what changes configurations: stores grow, and whoever waits long at the end has the other workers wait."""
    faults = all_faults()
    run = ProofRun(faults, tmp_path)
    order = [[job["fault"] for job in batch] for batch in batches(faults, run.jobs())]
    assert order.index(["recovery-code-in-account-data"]) < order.index(["link-never-runs-out"])
    waits = order.index(["receipt-withheld-from-other-servers"])
    assert order.index(["link-never-runs-out"]) < waits < order.index(["guest-makes-spaces"])
    assert sorted(fault for batch in order for fault in batch) == sorted(fault.id for fault in faults)


def test_every_check_that_is_named_must_turn() -> None:
    """A fault's name beside a check says that the check was seen to fail, in all its variants where it names none."""
    both = dataclasses.replace(FAULT, checks=("GST-2/guest-creates-no-room", OTHER))
    healthy = {**HEALTHY, SPACE: {"status": "pass", "message": ""}}
    what = told("fail", "a room should be refused")
    for left in (OTHER, SPACE):
        what["results"] |= {each: {"status": "fail", "message": "the room should be refused"} for each in (OTHER, SPACE)}
        assert judge(both, what, healthy).caught
        what["results"][left] = {"status": "pass", "message": ""}
        tried = judge(both, what, healthy)
        assert not tried.caught
        assert f"{left} did not turn for /room should be refused/, it is pass" in tried.reason


def test_a_check_that_was_red_before_proves_nothing() -> None:
    ill = {**HEALTHY, OWN: {"status": "fail", "message": "broken already"}}
    tried = judge(FAULT, told("fail", "a room should be refused"), ill)
    assert not tried.caught
    assert "not green without a fault: broken already" in tried.reason
    assert code_of(_proof(tried)) == 3


class _Hands:
    """A crew whose every check is green without a fault, and whose fault is caught; it keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def run(self, batches: Sequence[Sequence[dict[str, Any]]], done: Callable[[Any, dict[str, Any]], None]) -> None:
        for job in (job for batch in batches for job in batch):
            self.asked += job["checks"]
            done(job, {"results": {check: {"status": "pass", "message": ""} for check in job["checks"]}, "problem": ""})


OWN_DEPLOYMENT = "--deployment here.toml --breakable own --database postgresql"


def _verdict(*checks: Check, **other: Any) -> Verdict:
    rule = load().rule("GST-2")
    told = Rule(
        id=rule.id,
        chapter=rule.chapter,
        level=rule.level,
        statement=Statement(en=rule.en, fr=rule.fr),
        source=rule.source,
        status=rule_status(checks),
        checks=checks,
    )
    known: dict[str, Any] = {
        "rules": [told],
        "asked": Asked(rules=(rule.id,)),
        "deployment": Deployment(kind="embedded", name="run-1"),
        "profile": "guide",
        "started": datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
        "seconds": 9.0,
        "seed": 42,
        "suite": fingerprint(),
        "command": f"pytest conformance {OWN_DEPLOYMENT}",
    }
    return conclude(**known | other)


def _looked(tmp_path: Path, healthy: Healthy | None) -> tuple[Proof, list[str]]:
    """Have the baseline of FAULT and of one for a whole check alone done; gives the proof that follows, and what was asked."""
    run = ProofRun([FAULT, dataclasses.replace(FAULT, id="another", checks=("GST-2/guest-creates-no-room",))], tmp_path)
    run.healthy, hands = healthy, _Hands()
    run._baseline(hands)  # type: ignore[arg-type]
    return run._proof([]), hands.asked


def test_what_a_run_said_without_a_fault_need_not_be_seen_again(tmp_path: Path) -> None:
    """The proof's own deployments are looked at by the sample alone; the proof says which run it relies on."""
    own = [Check(id=check, status=Status.PASS) for check in (OWN, SPACE)]
    proof, asked = _looked(tmp_path, healthy_by(_verdict(*own)))
    assert set(asked) == {*others_for(FAULT), *others_for(dataclasses.replace(FAULT, id="another"))}
    assert proof.baseline == len({*asked, OWN, SPACE})
    assert proof.healthy == "the run of 2026-03-04T05:06:07+00:00 with seed 42"
    assert proof.doubt == "2 faults were not tried, among them guest-makes-rooms"
    proof, asked = _looked(tmp_path, None)
    assert "GST-2/guest-creates-no-room" in asked and not proof.healthy


def test_a_check_that_was_not_green_in_that_run_proves_nothing(tmp_path: Path) -> None:
    ill = Check(id=OWN, status=Status.FAIL, message="broken already")
    proof, _ = _looked(tmp_path, healthy_by(_verdict(ill)))
    assert f"without a fault, {OWN} is fail" in proof.doubt
    other = Check(id="GST-2/guest-keeps-to-chats", status=Status.PASS)
    proof, _ = _looked(tmp_path, healthy_by(_verdict(other)))
    assert f"without a fault, {OWN} did not run" in proof.doubt


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"suite": "0123456789abcdef"}, "another state of the code"),
        ({"suite": ""}, "another state of the code"),
        ({"deployment": Deployment(kind="remote", name="somebody's")}, "made on remote"),
        ({"profile": "tchap-2026"}, "by the profile tchap-2026"),
        ({"command": OWN_DEPLOYMENT.replace("--breakable own", "")}, "none of its own"),
        ({"command": OWN_DEPLOYMENT.replace("postgresql", "sqlite")}, "none of its own, on SQLite"),
        ({"command": f"{OWN_DEPLOYMENT} --overlay agents-1=own.yaml"}, "or with an overlay"),
        ({"doubt": "the run was interrupted"}, "it cannot tell: the run was interrupted"),
    ],
)
def test_a_run_of_something_else_is_refused(other: dict[str, Any], why: str) -> None:
    good = Check(id=OWN, status=Status.PASS)
    assert healthy_by(_verdict(good)).results[OWN]["status"] == "pass"
    with pytest.raises(NotTheSame, match=why):
        healthy_by(_verdict(good, **other))


def test_what_changes_in_the_suite_changes_its_fingerprint(tmp_path: Path) -> None:
    for part in ("conformance", "fixtures", "scenarios", "requirements", "docs"):
        (tmp_path / part).mkdir()
    (tmp_path / "conformance" / "test_guests.py").write_text("how guests are checked")
    before = fingerprint(tmp_path)
    (tmp_path / "docs" / "a.md").write_text("what is said of it is none of it")
    fingerprint.cache_clear()
    assert fingerprint(tmp_path) == before
    for change in ("conformance/test_guests.py", "fixtures/b.py", "requirements/vigie.txt"):
        (tmp_path / change).write_text("and otherwise")
        fingerprint.cache_clear()
        assert fingerprint(tmp_path) != before
        before = fingerprint(tmp_path)


def test_other_rules_may_turn_where_the_fault_says_so() -> None:
    fault = dataclasses.replace(FAULT, also=("REG-1",))
    assert judge(fault, told("fail", "a room should be refused", other="fail"), HEALTHY).caught


def _proof(*tried: Tried, doubt: str = "") -> Proof:
    return make_proof(tried, started=datetime.now(UTC), seconds=1.0, baseline=2, doubt=doubt)


def test_the_exit_code_follows() -> None:
    good = judge(FAULT, told("fail", "room should be refused"), HEALTHY)
    bad = judge(FAULT, told("pass"), HEALTHY)
    assert code_of(_proof(good)) == 0
    assert code_of(_proof(good, bad)) == 1
    assert code_of(_proof(good, doubt="interrupted")) == 3
    assert code_of(_proof()) == 3
    assert proved_by(_proof(good, bad)) == {"GST-2": ("guest-makes-rooms",)}


def test_a_proof_refuses_what_does_not_add_up() -> None:
    good = judge(FAULT, told("fail", "room should be refused"), HEALTHY)
    with pytest.raises(ValueError, match="counts"):
        Proof.model_validate(_proof(good).model_dump(by_alias=True) | {"counts": {"faults": 2, "caught": 2}})
    with pytest.raises(ValueError, match="nothing says so"):
        Tried(id="x", rule="GST-2", how="wire", caught=True)


def test_every_fault_names_a_rule_and_checks_that_are_there() -> None:
    faults = choose(load(), [], [])
    assert len(faults) == len(all_faults())
    for fault in faults:
        assert fault.id == fault.id.lower()
        assert not set(fault.checks) & set(others_for(fault))
    for bad in (["NIX-1"], []):
        with pytest.raises(UnknownFault):
            choose(load(), bad, [] if bad else ["no-such-fault"])


def test_every_rule_has_a_fault_and_the_guides_chapters_two() -> None:
    """Each rule with a check is proved by a fault; of REG, GST, VIS, E2E and AV each by two, of different kinds

    What clients alone keep, clients alone break.
    """
    faults: dict[str, list[Fault]] = {}
    for fault in all_faults():
        faults.setdefault(fault.rule, []).append(fault)
    assert set(faults) == set(checks_by_rule())
    twice = {rule: found for rule, found in faults.items() if rule.split("-")[0] in ("REG", "GST", "VIS", "E2E", "AV")}
    assert not [rule for rule, found in twice.items() if len(found) < 2]
    of_one_kind = {rule for rule, found in twice.items() if len({fault.how for fault in found}) < 2}
    assert of_one_kind == {"E2E-5", "E2E-8", "E2E-9", "E2E-11"}


def test_the_sample_is_of_checks_that_are_there() -> None:
    known = {check for checks in checks_by_rule().values() for check in checks}
    assert not [check for check in SAMPLE if check.split("[")[0] not in known]


def test_a_check_without_brackets_stands_for_its_variants() -> None:
    assert chosen(["GST-2/guest-creates-no-room"], OWN)
    assert not chosen(["GST-2/guest-creates-no-room[space]"], OWN)


def test_a_configuration_is_changed_or_it_is_said_that_it_cannot_be() -> None:
    files = (File.text("homeserver.yaml", "a: {b: 1, c: 2}\nmodules: [{module: x.X}, {module: y.Y}]\n"),)
    service = Service("agents-1", "synapse", "1", ["true"], TcpAccepts(Address("127.0.0.1", 1)), files=files)
    change = Config("agents-1", overlay={"a": {"b": None}}, without=("x.X",))
    content = altered(service, [change]).files[0].content.decode()
    assert "x.X" not in content
    assert "y.Y" in content
    assert "c: 2" in content
    assert "b:" not in content
    for impossible in (
        Config("agents-1", without=("z.Z",)),
        Config("agents-1", file="no"),
        Config("agents-1", replace=(("q", ""),)),
    ):
        with pytest.raises(LookupError):
            altered(service, [impossible])


def test_a_fault_that_could_not_be_judged_is_refused() -> None:
    with pytest.raises(ValueError, match="in_force"):
        dataclasses.replace(FAULT, effects=(Config("agents-1", overlay={"a": 1}),))
