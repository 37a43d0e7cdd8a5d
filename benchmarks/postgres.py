"""A real PostgreSQL, started as a user without rights in a folder of its own: for benchmarks, and for the tests."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg

FOLDERS = (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/local/bin"), Path("/usr/bin"))
NOBODY = "nobody"


def binaries() -> Path | None:
    """Find the folder of its programs, None if it is not installed."""
    return next((folder for folder in FOLDERS if (folder / "initdb").exists()), None)


class Server:
    """A PostgreSQL that can be stopped and started; one that is not durable is quicker, until the power fails."""

    def __init__(self, folder: Path, programs: Path, *, durable: bool = True) -> None:
        self.folder, self._programs, self._durable = folder, programs, durable
        self._user = NOBODY if os.geteuid() == 0 else None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None
        if self._user:
            shutil.chown(folder, self._user)
        self._run("initdb", "-D", str(folder / "data"), "-U", "market", "-A", "trust", "--no-sync")

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            [str(self._programs / command[0]), *command[1:]],
            check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, user=self._user, cwd="/",
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stdout)

    def start(self) -> None:
        """Start it; returns once it answers."""
        for _ in range(1_200):
            if self._process is None or self._process.poll() is not None:  # at first, and while old memory is in use
                sync = "on" if self._durable else "off"  # recovery would sync every file there is
                self._process = subprocess.Popen(
                    [str(self._programs / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), "-k", "",
                     "-h", "127.0.0.1", "-c", f"fsync={sync}"],
                    user=self._user, cwd="/", stderr=subprocess.DEVNULL,
                )  # fmt: skip
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=1).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        message = "PostgreSQL did not start within 60 s"
        raise RuntimeError(message)

    def stop(self) -> None:
        """Stop it at once, as when the machine loses power."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()

    def url(self, database: str) -> str:
        """Return where a database is."""
        return f"postgresql://market@127.0.0.1:{self.port}/{database}"

    def database(self, name: str) -> str:
        """Make a database anew; return where it is."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)


@contextmanager
def running(programs: Path, *, durable: bool = True) -> Generator[Server]:
    """Run one in a folder that goes with it."""
    # Not below pytest's own folder: another pytest that starts meanwhile takes its other users' rights away.
    with tempfile.TemporaryDirectory(prefix="proofyard-postgres-", ignore_cleanup_errors=True) as place:
        server = Server(Path(place), programs, durable=durable)
        server.start()
        yield server
        server.stop()
