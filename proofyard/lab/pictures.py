"""Draw the pictures of the README from runs of shipped scenarios: `python -m proofyard.lab.pictures`."""

from pathlib import Path

from proofyard import scenario
from proofyard.engine.simulate import simulate
from proofyard.lab import metrics, output, rulemap

ROOT = Path(__file__).parents[2]
SCENARIOS = ("race-fitted",)
RULES = "one-rollup-many-rules"


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
    world = scenario.read_variants(ROOT / "scenarios" / f"{RULES}.toml")
    found = [metrics.summary([simulate(chosen)]) | {"variant": name} for name, chosen in world]
    for dark in (False, True):
        path = folder / f"{RULES}{'-dark' if dark else ''}.png"
        path.write_bytes(output.picture_of([rulemap.rule_map(found)], dark=dark, width=rulemap.WIDTH, scale=1.3))
        print(f"wrote {path.relative_to(ROOT)}")  # noqa: T201 - a command


if __name__ == "__main__":
    main()
