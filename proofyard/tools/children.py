"""No program we start outlives us, not even where we are killed: a shell waits for our end and ends what is left.

The kernel's own way (PR_SET_PDEATHSIG) ends a program with the thread that started it, and only on Linux.
"""

import os
import subprocess
import threading

NONE = -1  # no file
# Reads `+ pid` and `- pid`; its input ends when we do. A program that leads a group takes the group with it.
SCRIPT = """
all=' '
while read -r sign pid; do
    case $sign in
    +) all="$all$pid " ;;
    -) case $all in *" $pid "*) all="${all%%" $pid "*} ${all#*" $pid "}" ;; esac ;;
    esac
done
for pid in $all; do kill -9 "-$pid" || kill -9 "$pid"; done
"""


class _Guard:
    """The shell of this process, started with the first program."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[int] = set()
        self._into = NONE  # where the shell reads

    def tell(self, sign: str, pid: int) -> None:
        """Say that a program has begun (+) or ended (-)."""
        with self._lock:
            (self._known.add if sign == "+" else self._known.discard)(pid)
            try:
                os.write(self._into, f"{sign} {pid}\n".encode())
            except OSError:  # no shell yet, or somebody ended it
                self._begin()

    def _begin(self) -> None:
        self.forget()
        reads, self._into = os.pipe()
        shell = subprocess.Popen(  # noqa: S603 - no words of others in it
            ["/bin/sh", "-c", SCRIPT],
            stdin=reads, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        shell.returncode = 0  # it ends after us: nobody waits for it
        os.close(reads)
        os.write(self._into, "".join(f"+ {pid}\n" for pid in sorted(self._known)).encode())

    def forget(self) -> None:
        """Let go of the shell."""
        if self._into != NONE:
            os.close(self._into)
            self._into = NONE


def _in_copy() -> None:
    """Begin anew in a copy of this process: the programs are not the copy's, and must end even if it goes on."""
    global _guard  # noqa: PLW0603
    _guard.forget()
    _guard = _Guard()


_guard = _Guard()
os.register_at_fork(after_in_child=_in_copy)


def began(pid: int) -> None:
    """Have a program of ours ended when we end, however that is."""
    _guard.tell("+", pid)


def ended(pid: int) -> None:
    """Forget a program that has been waited for."""
    _guard.tell("-", pid)
