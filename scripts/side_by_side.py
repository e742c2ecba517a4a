"""Run commands side by side: ``python scripts/side_by_side.py NAME=COMMAND NAME=COMMAND …``.

Each line that a command says comes with its name before it. All of them run to their ends, whatever becomes of the others;
the exit code is the first that is not 0. They end with this process, however it ends, as they do by Ctrl-C: pytest takes that
for the time to tidy up what its tests started, and dies of any other signal.
"""

from __future__ import annotations

import ctypes
import shlex
import signal
import subprocess
import sys
import threading
import time

_SET_PARENT_DEATH_SIGNAL = 1


def _ends_with_its_parent() -> None:
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGINT)
    # A shell has what it starts in the background ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _tell(name: str, process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        print(f"{name} | {line}", end="", flush=True)


def main(arguments: list[str]) -> int:
    """Run them; gives the exit code."""
    named = [argument.partition("=") for argument in arguments]
    if not named or any(not separator or not command.strip() for _, separator, command in named):
        print("side_by_side: write NAME=COMMAND for each", file=sys.stderr)
        return 4
    began = time.monotonic()
    running = [
        (
            name,
            subprocess.Popen(
                shlex.split(command),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                preexec_fn=_ends_with_its_parent,  # noqa: PLW1509 -- no thread has begun, and it takes no lock
            ),
        )
        for name, _, command in named
    ]

    ended: list[int] = []

    def end(number: int, _frame: object) -> None:
        ended.append(128 + number)
        for _, process in running:
            process.send_signal(signal.SIGINT)

    # Ctrl-C reaches them as it reaches this process: what is left to do is to wait until they have ended what they started.
    signal.signal(signal.SIGINT, lambda _number, _frame: None)
    signal.signal(signal.SIGTERM, end)
    telling = [threading.Thread(target=_tell, args=each) for each in running]
    for thread in telling:
        thread.start()
    codes = {name: process.wait() for name, process in running}
    for thread in telling:
        thread.join()
    print(f"side by side, {time.monotonic() - began:.0f} s: {', '.join(f'{name} {code}' for name, code in codes.items())}")
    # Cut short it is no success, whatever they say.
    return next((code for code in [*codes.values(), *ended] if code), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
