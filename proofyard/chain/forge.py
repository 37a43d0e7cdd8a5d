"""Run the contracts' own suite: `python -m proofyard.chain.forge`, `make contracts-test`; arguments go to forge."""

import subprocess
import sys
from collections.abc import Sequence

from proofyard.chain import toolbox
from proofyard.tools.cache import root


def run(arguments: Sequence[str], *, capture: bool = False) -> "subprocess.CompletedProcess[str]":
    """Run forge on the contracts, in a project folder of the cache. Raises Fault where there is no forge."""
    folder = root() / "forge"
    toolbox.write_forge_project(folder)
    return subprocess.run(  # noqa: S603 - our own command
        [toolbox.native("forge"), *arguments], cwd=folder, check=False, text=True, capture_output=capture
    )


if __name__ == "__main__":
    raise SystemExit(run(["test", *sys.argv[1:]]).returncode)
