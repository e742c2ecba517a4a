"""`vigie compare` and `vigie gate` from the command line: the exit codes on which a release hangs."""

import json
import subprocess
from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from reports.compare import read_side
from reports.files import ReportError
from reports.load import Capacity, LoadReport, write_load
from reports.proof import Proof, Tried, make_proof
from reports.proof import write as write_proof
from reports.redaction import Redactor
from reports.verdict import Outcome, Status, write
from tests.reports.sample_runs import load_run, verdict
from vigie.commands import WrongUse
from vigie.comparing import gate

Vigie = Callable[..., "subprocess.CompletedProcess[str]"]


def runs(folder: Path, *reports: LoadReport) -> Path:
    for number, report in enumerate(reports):
        write_load(report, folder / f"run-{number}" / "load.json")
    return folder


def checked(folder: Path, **statuses: Status) -> Path:
    write(verdict(**statuses), folder / "verdict.json", Redactor())
    return folder


def proof(*caught: bool, doubt: str = "") -> Proof:
    tried = [
        Tried(
            id=f"fault-{number}",
            rule="REG-1",
            how="module",
            caught=each,
            checks_turned=("check",) if each else (),
            reason="" if each else "no check turned",
            in_force="it was asked for",
        )
        for number, each in enumerate(caught)
    ]
    return make_proof(tried, started=datetime.now(UTC), seconds=1.0, baseline=1, doubt=doubt)


def opened(*folders: Path, baseline: Path | None = None) -> tuple[int, str]:
    out = StringIO()
    code = gate(Namespace(runs=list(folders), baseline=baseline, margin=0.1), Console(file=out, width=200))
    return code, out.getvalue()


def test_a_slower_side_exits_with_2_and_says_what_is_slower(vigie: Vigie, tmp_path: Path) -> None:
    before = runs(tmp_path / "before", *(load_run(100 + n) for n in range(4)))
    after = runs(tmp_path / "after", *(load_run(200 + n) for n in range(4)))
    done = vigie("compare", str(before), str(after), "--out", str(tmp_path / "told"))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "WORSE" in done.stdout
    content = json.loads((tmp_path / "told" / "comparison.json").read_text())
    assert (content["schema"], content["judgement"]) == ("vigie.comparison/1", "worse")
    assert "intended-acknowledged p99 ms" in (tmp_path / "told" / "comparison.md").read_text()


def test_wrong_use_is_one_line_and_exits_with_4(vigie: Vigie, tmp_path: Path) -> None:
    done = vigie("compare", str(tmp_path), str(tmp_path))
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_the_gate_opens_for_runs_that_hold(tmp_path: Path) -> None:
    checks = checked(tmp_path / "checks", **{"REG-1": Status.PASS})
    assert opened(checks, runs(tmp_path / "loads", load_run(100)))[0] == 0


@pytest.mark.parametrize(("status", "code"), [(Status.PASS, 0), (Status.FAIL, 1), (Status.UNTESTABLE, 3), (Status.NOT_RUN, 3)])
def test_the_gate_closes_for_a_rule_that_fails_or_cannot_be_told(status: Status, code: int, tmp_path: Path) -> None:
    found, said = opened(checked(tmp_path, **{"REG-1": status, "REG-2": Status.PASS}))
    assert found == code
    assert ("OPEN" in said) == (code == 0)


def test_the_gate_closes_for_a_load_run_that_cannot_be_believed(tmp_path: Path) -> None:
    code, said = opened(runs(tmp_path, load_run(100), load_run(100, sick="schedule slip")))
    assert code == 3
    assert "schedule slip" in said


def test_the_gate_tells_of_a_search_what_the_search_told(tmp_path: Path) -> None:
    """Its report shows one rate, which held; the limit that was looked for may be unknown all the same."""
    shown = load_run(100)
    for low, high, confirmed, cut, code in (
        (2.0, 4.0, True, "", 0),
        (2.0, None, False, "", 3),
        (2.0, 4.0, False, "", 3),
        (2.0, 4.0, True, "interrupted", 3),
    ):
        outcome = Outcome.CANNOT_TELL if cut else Outcome.HOLDS
        capacity = Capacity(low=low, high=high, confirmed=confirmed)
        write_load(
            shown.model_copy(update={"capacity": capacity, "cut_short": cut, "outcome": outcome}), tmp_path / "load.json"
        )
        found, said = opened(tmp_path)
        assert found == code, (low, high, confirmed, cut)
        assert (cut or "not confirmed") in said or not code


def test_a_margin_that_is_no_share_is_refused_without_a_baseline_too(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="--margin -3: give a share"):
        gate(Namespace(runs=[runs(tmp_path, load_run(100))], baseline=None, margin=-3.0), Console(file=StringIO()))


def test_the_gate_closes_for_what_is_worse_than_the_baseline_though_it_holds(tmp_path: Path) -> None:
    before = runs(tmp_path / "before", *(load_run(100 + n) for n in range(4)))
    after = runs(tmp_path / "after", *(load_run(200 + n) for n in range(4)))
    assert opened(after)[0] == 0
    assert opened(after, baseline=before)[0] == 2
    assert opened(before, baseline=after)[0] == 0


def test_a_broken_rule_is_told_before_a_slower_one(tmp_path: Path) -> None:
    before = runs(tmp_path / "before", *(load_run(100 + n) for n in range(4)))
    after = runs(tmp_path / "after", *(load_run(200 + n) for n in range(4)))
    broken = checked(tmp_path / "broken", **{"REG-1": Status.FAIL})
    runs(broken, *(load_run(200 + n) for n in range(4)))
    assert opened(after, broken, baseline=before)[0] == 1


@pytest.mark.parametrize(("begun", "missing"), [("server-metrics.jsonl", "load.json"), ("evidence/a.json", "verdict.json")])
def test_the_gate_closes_for_a_run_that_was_killed_beside_those_that_hold(begun: str, missing: str, tmp_path: Path) -> None:
    """It told nothing, and passed for one that was not there."""
    runs(tmp_path, load_run(100))
    killed = tmp_path / "run-1"
    (killed / begun).parent.mkdir(parents=True)
    (killed / begun).touch()
    code, said = opened(tmp_path)
    assert code == 3
    assert f"{killed}: cannot-tell, its run never wrote its {missing}" in said
    assert opened(killed)[0] == 3
    assert read_side(tmp_path).notes == [f"run-1 is left out: it never wrote its {missing}"]


@pytest.mark.parametrize(
    ("caught", "doubt", "code"),
    [
        ([True, True], "", 0),
        ([True, False], "", 1),
        ([], "", 3),
        ([True], "interrupted; 252 faults were not tried", 3),
    ],
)
def test_a_proof_with_a_hole_closes_the_gate(caught: list[bool], doubt: str, code: int, tmp_path: Path) -> None:
    write_proof(proof(*caught, doubt=doubt), tmp_path / "proof.json")
    found, said = opened(checked(tmp_path, **{"REG-1": Status.PASS}))
    assert found == code
    assert doubt in said


def test_a_proof_of_which_only_the_counts_are_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "proof.json").write_text(json.dumps({"counts": {"faults": 120, "caught": 120}}))
    with pytest.raises(ReportError, match=r"proof\.json"):
        opened(checked(tmp_path, **{"REG-1": Status.PASS}))


def test_the_gate_is_asked_as_a_pipeline_asks_it(vigie: Vigie, tmp_path: Path) -> None:
    """By its command line, for two folders: one holds, and with one that does not it closes."""
    good = checked(tmp_path / "good", **{"REG-1": Status.PASS})
    bad = checked(tmp_path / "bad", **{"REG-1": Status.FAIL})
    held, broken = vigie("gate", str(good)), vigie("gate", str(good), str(bad))
    assert (held.returncode, broken.returncode) == (0, 1), held.stderr + broken.stderr
    assert "gate OPEN" in held.stdout
    assert "gate CLOSED" in broken.stdout


def test_no_run_and_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="is this a run"):
        opened(tmp_path)
    (tmp_path / "proof.json").write_text("[]")
    with pytest.raises(ReportError, match=r"proof\.json"):
        opened(tmp_path)
