import json
import subprocess
from pathlib import Path

import pytest

from proofyard.core.errors import Fault
from proofyard.tools import npm


def pin(folder: Path, dependencies: dict[str, str], locked: dict[str, str]) -> Path:
    """Write a package file, and a lock file that may say something else."""
    package = {"name": "of-a-test", "dependencies": dependencies}
    lock = {"name": "of-a-test", "lockfileVersion": 3, "packages": {"": {"name": "of-a-test", "dependencies": locked}}}
    (folder / "package.json").write_text(json.dumps(package))
    (folder / "package-lock.json").write_text(json.dumps(lock))
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROOFYARD_CACHE", str(tmp_path / "cache"))


def test_node_is_the_program_itself() -> None:
    assert npm.node().read_bytes()[:4] in {b"\x7fELF", b"\xcf\xfa\xed\xfe"}
    done = subprocess.run([npm.node(), "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "v24.19.0"


def test_packages_are_installed_once(tmp_path: Path) -> None:
    lines: list[str] = []
    lock = pin(tmp_path, {}, {})
    assert npm.installed(lock, lines.append) == npm.installed(lock, lines.append)
    assert lines == ["installing the npm packages of of-a-test (once)"]


def test_a_lock_that_does_not_fit_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    lock = pin(tmp_path, {"left-pad": "1.3.0"}, {})
    with pytest.raises(Fault, match=r"npm could not install the packages pinned in of-a-test-.*: code EUSAGE"):
        npm.installed(lock, lambda _: None)
    assert not [path for path in (tmp_path / "cache" / "npm").iterdir() if path.is_dir()]
