"""Draw the picture of the README from a run of a shipped scenario: `python -m proofyard.lab.pictures`."""

from pathlib import Path

from proofyard import scenario
from proofyard.engine.simulate import simulate
from proofyard.lab import output

ROOT = Path(__file__).parents[2]
SCENARIOS = ("race-fitted",)


def main() -> None:
    """Write docs/pictures/NAME.png and NAME-dark.png."""
    folder = ROOT / "docs" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    for name in SCENARIOS:
        run = simulate(scenario.read(ROOT / "scenarios" / f"{name}.toml"))
        for dark in (False, True):
            path = folder / f"{name}{'-dark' if dark else ''}.png"
            path.write_bytes(output.picture(run, dark=dark, scale=1.5))
            print(f"wrote {path.relative_to(ROOT)}")  # noqa: T201 - a command


if __name__ == "__main__":
    main()
