"""Programs end with whoever started them: the end of a pipe that only they hold is the fact to wait for."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PATIENCE_S = 120  # far less than the program lasts by itself
HOLD = "exec sleep 1000"
GROUP = "sleep 1000 & exec sleep 1000"  # one that starts another
PROOFS = """
import subprocess, sys
from proofyard.proofs import process
process.start(["sh", "-c", sys.argv[1]], {}, stdin=subprocess.DEVNULL)
process.reap(process.start(["true"], {}, stdin=subprocess.DEVNULL), 0.0)
print("begun", flush=True)
sys.stdin.read()
"""
LIVE = """
import sys
from pathlib import Path
from proofyard.network import processes
processes.COMMAND = ("sh", "-c", sys.argv[1])
processes.Processes(Path(sys.argv[2])).start("one", key=b"")
print("begun", flush=True)
sys.stdin.read()
"""
SHELL_GONE = """
import os, subprocess, sys
from proofyard.proofs import process
from proofyard.tools import children
reads, children._guard._into = os.pipe()
os.close(reads)  # as if somebody had ended the shell
process.start(["sh", "-c", sys.argv[1]], {}, stdin=subprocess.DEVNULL)
print("begun", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(("parent", "program"), [(PROOFS, HOLD), (PROOFS, GROUP), (LIVE, HOLD), (SHELL_GONE, HOLD)])
def test_a_program_ends_when_its_parent_is_killed(parent: str, program: str, tmp_path: Path) -> None:
    held = tmp_path / "held"
    os.mkfifo(held)
    command = [sys.executable, "-c", parent, f"exec 3>'{held}'; {program}", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"begun\n"
        with held.open("rb") as end:  # opens once the program has its own end of it
            killed.send_signal(signal.SIGKILL)
            ended, _, _ = select.select([end], [], [], PATIENCE_S)  # once nobody has
            assert ended, "the program goes on"
            assert end.read() == b""
