"""What the command says of itself: how it is asked again, and that a mistake is no verdict."""

import subprocess
import sys
from pathlib import Path

import pytest

from load.options import parser, told_options


@pytest.mark.parametrize("seed", ["20250711", "1234567890123456789", "9" * 400])
def test_the_command_that_is_told_asks_for_the_same_again(seed: str) -> None:
    asked = ["--profile", "smoke", "--rate", "1234567.5", "--seed", seed, "--find-capacity", "--precision", "0.25"]
    told = told_options(parser().parse_args(["--deployment", "somewhere.toml", *asked]))
    again = parser().parse_args(["--deployment", "somewhere.toml", *told])
    assert (again.rate, again.seed, again.find_capacity, again.precision) == (1234567.5, int(seed), True, 0.25)


def test_a_search_ends_at_an_answer_as_wide_as_half_of_its_lower_end_unless_asked_otherwise() -> None:
    assert parser().parse_args(["--deployment", "somewhere.toml", "--find-capacity"]).precision == 0.5


# In a process of its own: the command makes everything it imports gevent's.
_GOES_WRONG = """
import sys
from load import run
from reports.files import ReportError

def goes_wrong(options, stop):
    raise {what}

run._run = goes_wrong
sys.exit(run.main(["--deployment", "somewhere.toml"]))
"""


@pytest.mark.parametrize(
    ("what", "code", "says"),
    [
        ("ReportError('out/load.json: cannot be written: the disk is full')", 4, "out/load.json: cannot be written"),
        ("FileExistsError(17, 'File exists', 'out')", 4, "vigie load: out: File exists"),
        ("OSError(98, 'Address already in use')", 4, "vigie load: Address already in use"),
        ("ZeroDivisionError('of ours')", 3, "ZeroDivisionError"),
    ],
)
def test_what_goes_wrong_here_is_never_told_as_a_server_that_does_not_hold(what: str, code: int, says: str) -> None:
    """A disk that is full, a folder that is a file, a port that is taken: one line and 4; a mistake of ours: 3."""
    root = Path(__file__).parent.parent.parent
    command = [sys.executable, "-W", "ignore", "-c", _GOES_WRONG.format(what=what)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=root, check=False)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert code == 3 or done.stderr.count("\n") == 1
