"""Work for the tests of the runner: functions of a module, so that worker processes find them."""

import os
import signal
import time
from pathlib import Path

from proofyard.core.errors import BadInput


def square(number: int) -> int:
    return number * number


def slow_square(number: int) -> int:
    time.sleep(0.02)
    return number * number


def sleep_long(number: int) -> int:
    time.sleep(3_600)
    return number


def row(number: int) -> dict[str, int]:
    return {"number": number, "square": number * number}


def note(task: tuple[str, int]) -> dict[str, int]:
    """Leave a file for each time this is done."""
    folder, number = task
    with (Path(folder) / f"{number}").open("a", encoding="utf-8") as file:
        file.write("x")
    time.sleep(0.02)
    return {"number": number}


def hang_on_victim(task: tuple[str, int]) -> dict[str, int]:
    """Leave a file for each time this is done, once the node that is to be killed has work, which it never finishes."""
    import ray  # noqa: PLC0415 - heavy

    folder = Path(task[0])
    hanging = folder / "hanging"
    if ray.get_runtime_context().get_node_id() == (folder / "victim").read_text(encoding="utf-8"):
        hanging.touch()
        time.sleep(600)
    while not hanging.exists():
        time.sleep(0.05)
    return note(task)


def die_once(task: tuple[str, int]) -> int:
    """End the worker at number 7, the first time."""
    folder, number = task
    mark = Path(folder) / "died"
    time.sleep(0.02)
    if number == 7 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die(number: int) -> int:
    time.sleep(0.02)
    if number == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def refuse(number: int) -> int:
    if number == 30:
        raise BadInput("number", "another one", number)
    return slow_square(number)
