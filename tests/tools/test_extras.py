"""Whoever installs an extra has all that its part imports; whoever has not is told which one it takes."""

import ast
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGE = Path(__file__).parents[2] / "proofyard"
TAKES = {  # what each part may take beyond a plain installation
    "chain": ["chain"], "cli": ["chain"], "env": ["attack"], "explorer": ["live"], "lab": ["attack", "ray"],
    "network": ["live"], "proofs": ["prove", "ray"],
}  # fmt: skip


@cache
def brought(extra: str, name: str = "proofyard") -> frozenset[str]:
    """Distributions that installing one brings, with all that these bring."""
    found: set[str] = {canonicalize_name(name)}
    for line in metadata.requires(name) or []:
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue
        for more in wanted.extras or {""}:
            if (canonicalize_name(wanted.name), more) != (canonicalize_name(name), extra):
                found |= brought(more, wanted.name)
    return frozenset(found)


def imported(path: Path) -> set[str]:
    """Top-level modules that a file imports, at its top or within."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names |= {str(name.value) for name in node.args if isinstance(name, ast.Constant)}
    tops = {name.split(".")[0] for name in names}
    return tops - set(sys.stdlib_module_names) - {"proofyard"}


@pytest.mark.parametrize("part", sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()))
def test_each_part_imports_only_what_its_extra_brings(part: str) -> None:
    ours = frozenset.union(*(brought(extra) for extra in ["", *TAKES.get(part, [])]))
    owners = metadata.packages_distributions()
    for path in (PACKAGE / part).rglob("*.py"):
        for module in imported(path):
            assert {canonicalize_name(name) for name in owners[module]} & ours, f"{path.name} imports {module}"


@pytest.mark.parametrize(
    ("module", "extra", "command"),
    [
        ("optuna", "attack", ["attack", "scenarios/minimal.toml"]),
        ("eth_account", "chain", ["chain", "deploy"]),
        ("coincurve", "live", ["market", "x.db", "-m", "race"]),
        ("fastapi", "live", ["explore", "x.db"]),
    ],
)
def test_what_is_not_installed_is_named_with_the_extra_that_brings_it(
    module: str, extra: str, command: list[str], tmp_path: Path
) -> None:
    hidden = f"import sys; sys.modules[{module!r}] = None; sys.argv = {['proofyard', *command]!r}"
    scenarios = PACKAGE.parent / "scenarios"
    (tmp_path / "scenarios").symlink_to(scenarios)
    done = subprocess.run(
        [sys.executable, "-c", f"{hidden}; from proofyard.cli import main; main()"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    wanted = f"wanted the Python package {module}, it is not installed: pip install 'proofyard[{extra}]'."
    assert wanted in done.stderr
