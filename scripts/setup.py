"""Make ``.venv`` in the project's root: everything that ``requirements/vigie.txt`` pins, and the project itself.

Run by any Python from 3.11 on, with the standard library alone. Nothing is done when what went in is unchanged; a set-up
that was interrupted is begun anew. Where the distribution keeps `ensurepip` apart (Debian's ``python3-venv``), its pip is
fetched without root. Ends with 4, and one line, when the machine lacks something.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from fixtures import apt  # noqa: E402
from fixtures.cache import digest, kept_in_cache, locked  # noqa: E402
from fixtures.errors import SetupError  # noqa: E402
from fixtures.pip import Pip, requirements, run  # noqa: E402

VENV = ROOT / ".venv"
STAMP = VENV / "vigie-inputs"
OLDEST = (3, 11)
WRONG_USE = 4


def main() -> int:
    """Set up; give the exit code."""
    if sys.version_info < OLDEST:
        return _refuse(f"Vigie needs Python {OLDEST[0]}.{OLDEST[1]} or newer, this is {sys.version.split()[0]}")
    try:
        with locked(ROOT / ".vigie" / "setup.lock"):
            return _set_up()
    except SetupError as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        return _refuse("interrupted; the next one begins anew")
    except OSError as error:
        return _refuse(f"{error.filename or ROOT}: {error.strerror or error}")


def _refuse(line: str) -> int:
    print(f"setup: {line}", file=sys.stderr)
    return WRONG_USE


def _set_up() -> int:
    inputs = [*map(requirements, ("vigie", "build", "pip")), ROOT / "pyproject.toml", Path(__file__)]
    wanted = digest(str(ROOT), *(path.read_bytes() for path in inputs))
    if STAMP.is_file() and STAMP.read_text() == wanted:
        return 0
    began = time.monotonic()
    # From nothing each time: pip takes a package that was half written for an installed one.
    if VENV.exists():
        _say("removing the environment that was there: it is another, or was interrupted")
        STAMP.unlink(missing_ok=True)
        shutil.rmtree(VENV)
    _say(f"making {VENV.name} with Python {sys.version.split()[0]}")
    run([sys.executable, "-m", "venv", "--without-pip", str(VENV)], "making the environment")
    with _any_pip() as command:
        Pip(command, VENV).install("pip")
    _say("installing what requirements/vigie.txt pins")
    own = Pip((str(VENV / "bin" / "python"), "-m", "pip"), VENV)
    own.install("vigie")
    own(["install", "--no-deps", "--no-build-isolation", "-e", str(ROOT)], "installing the project")
    own.compile("compiling the environment")
    STAMP.write_text(wanted)
    _say(f"ready after {time.monotonic() - began:.0f} s")
    return 0


@contextmanager
def _any_pip() -> Iterator[Sequence[str]]:
    """Give a command that is some pip, good enough to install the pinned one."""
    if importlib.util.find_spec("pip"):
        yield (sys.executable, "-m", "pip")
    elif importlib.util.find_spec("ensurepip"):
        with tempfile.TemporaryDirectory(dir=VENV, prefix=".pip-") as scratch:
            run([sys.executable, "-m", "venv", scratch], "making pip")
            yield (f"{scratch}/bin/python", "-m", "pip")
    else:
        yield (sys.executable, str(kept_in_cache(f"pip-{digest(apt.release())}", _unpack_pip) / "pip"))


def _unpack_pip(folder: Path) -> None:
    """Unpack the pip of the distribution's packages: a wheel, which works where it was unzipped."""
    _say("fetching pip from the distribution's packages")
    apt.unpack(["python3-pip-whl"], folder)
    wheels = sorted(folder.glob("usr/share/python-wheels/pip-*.whl"))
    if not wheels:
        raise SetupError("the package python3-pip-whl holds no pip: install python3-venv")
    with zipfile.ZipFile(wheels[-1]) as wheel:
        wheel.extractall(folder)


def _say(line: str) -> None:
    print(f"setup: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
