"""Runs as they are compared: a load run with one latency, a verdict with a few rules."""

from datetime import UTC, datetime

from reports import load as told
from reports.load import LoadReport
from reports.verdict import Asked, Check, Deployment, Level, Rule, Statement, Status, Verdict, conclude

STARTED = datetime(2026, 3, 2, 9, tzinfo=UTC)
DEPLOYMENT = Deployment(kind="embedded", name="tried")


def load_run(
    p99: float, *, lost: int = 0, seed: int = 1, rate: float = 10.0, sick: str = "", deliveries: float = 40.0
) -> LoadReport:
    health = told.Health(ailments=(sick,) if sick else ())
    objective = told.Objective(
        id="acknowledged-p99", statement="p99", figure="latency", value=p99, bound=10_000, bound_is="at-most", met=True
    )
    return LoadReport(
        outcome=told.load_outcome((objective,), health, ""),
        started=STARTED,
        seconds=60,
        profile=told.ProfileTold(name="smoke", seed=seed, content={"factor": rate}),
        deployment=DEPLOYMENT,
        objectives=(objective,),
        latencies=(
            told.Latency(of="message", name="intended-acknowledged", window="measured", count=400, p50=p99 / 4, p99=p99),
            told.Latency(of="message", name="intended-decrypted", window="measured", count=400, p50=p99 / 2, p99=p99 * 2),
        ),
        windows=(
            told.WindowFigures(
                window="measured",
                seconds=40,
                offered=400,
                done=400,
                dropped=0,
                offered_per_second=10,
                achieved_per_second=10,
                sends_per_second=10,
                deliveries_per_second=deliveries,
            ),
        ),
        counts={"lost": lost},
        health=health,
    )


def verdict(**statuses: Status) -> Verdict:
    rules = []
    for number, (name, status) in enumerate(statuses.items()):
        checks = () if status is Status.NOT_RUN else (Check(id=f"{name}/{number}", status=status),)
        said = Statement(en=name, fr=name)
        rules.append(Rule(id=name, chapter="c", level=Level.MUST, statement=said, source="s", status=status, checks=checks))
    return conclude(rules=rules, asked=Asked(), deployment=DEPLOYMENT, profile="guide", started=STARTED, seconds=1)
