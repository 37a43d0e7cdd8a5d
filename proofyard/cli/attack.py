"""`proofyard attack`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from proofyard.cli.shared import Json, Settings, Whole, changes, check_workers, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proofyard.lab.attack.catalogue import Attack
    from proofyard.lab.attack.deviate import Tree
    from proofyard.lab.attack.search import Budget, Find
    from proofyard.lab.runner import Runner

KEPT = "runs"  # folder of finished runs, in the one of the results
Flag = Annotated[bool, Parameter(negative="")]
Names = Annotated[list[str] | None, Parameter(negative="", consume_multiple=False)]


def attack(
    scenario: Path,
    *,
    attack: Names = None,
    all_: Annotated[bool, Parameter(name="--all", negative="")] = False,
    by: Annotated[str | None, Parameter(name="--as")] = None,
    mechanism: Annotated[str | None, Parameter(name=["--mechanism", "-m"])] = None,
    settings: Settings = None,
    equilibrium: Flag = False,
    fix: Names = None,
    out: Path = Path("attacks"),
    trials: Whole = 12,
    search_seeds: Whole = 4,
    seeds: Whole = 24,
    workers: Whole | None = None,
    ray: str | None = None,
    json: Json = False,
) -> None:
    """Search for deviations that pay: what they earn, who pays, and a file that replays each.

    Example: proofyard attack scenarios/taiko-pool-32.toml -m staked_pool --set horizon=12h --attack overstate

    What was run is kept in OUT/runs as it comes in: the same command goes on where it stopped, also after Ctrl-C or a
    crash.

    Parameters
    ----------
    scenario
        TOML file that describes the world.
    attack
        An attack to try; give the option once per attack. Without it, all are.
    all_
        Try all attacks.
    by
        Name of the class that deviates; without it, every class is tried.
    mechanism
        Another rule than the scenario's, with parameters.
    settings
        key=value, put over the scenario's own.
    equilibrium
        Let two provers of a class choose among strategies until none pays more: the mixture, and what is left to gain.
    fix
        A parameter of the rule with a range, NAME=LOW..HIGH or NAME=a,b,c: where do attacks pay least? Once each.
    out
        Folder for the page (report.html, fix.html, equilibrium.html) and a scenario for each attack that pays.
    trials
        Settings tried for each attack and class.
    search_seeds
        Seeds of each setting while searching.
    seeds
        Fresh seeds on which the best settings are judged.
    workers
        Processes at most; as many as there are cores by default.
    ray
        Address of a Ray cluster to run on.
    json
        Print the result as JSON.
    """
    from proofyard import scenario as scenarios
    from proofyard.core.errors import BadInput
    from proofyard.lab import runs, store
    from proofyard.lab.attack import catalogue, search
    from proofyard.lab.runner import Runner

    for name, value in (("--trials", trials), ("--search-seeds", search_seeds), ("--seeds", seeds)):
        least = 2 if name == "--seeds" else 1
        if value < least:
            raise BadInput(name, f"a whole number from {least}", value)
    check_workers(workers)
    for names, both in ((("--all", "--attack"), all_ and attack), (("--equilibrium", "--fix"), equilibrium and fix)):
        if both:
            raise BadInput(names[0], f"either {names[0]} or {names[1]}", "both")
    world = scenarios.read(scenario, changes(settings), mechanism)
    tree = scenarios.tree_of(scenario, changes(settings), mechanism)
    picked = [(a, catalogue.targets(a, tree, by)) for a in catalogue.chosen(attack)]
    picked = [(a, places) for a, places in picked if places]
    if not picked:
        raise BadInput("--attack", f"an attack that applies to {world.mechanism}", ", ".join(attack or []))
    runs.say_cold()
    budget = search.Budget(trials, search_seeds, seeds)
    with Runner(workers=workers, ray=ray, folder=out / KEPT, quiet=json, ahead="proofyard.lab.attack.tell") as runner:
        if equilibrium or fix:
            _settle_or_mend(runner, tree, world.claim, picked, budget, by=by, fix=fix, out=out, json=json)
        else:
            finds, count = search.attack_all(runner, tree, picked, budget)
            from proofyard.lab.attack import tell

            files = tell.write(finds, out)
            store.write_files(out, {"report.html": tell.page(world.name, finds, world.claim)})
            result = tell.as_json(finds, len(picked), count, files) | {"reused": runner.reused}
            _show(finds, result, files, out, json=json)
        if runner.store is not None:
            runner.store.finish()


def _settle_or_mend(
    runner: "Runner", tree: "Tree", claim: str, picked: "list[tuple[Attack, list[int]]]", budget: "Budget", *,
    by: str | None, fix: list[str] | None, out: Path, json: bool,
) -> None:  # fmt: skip
    """Do what `--equilibrium` or `--fix` asks for, and leave its page."""
    from proofyard.lab import store
    from proofyard.lab.attack import tell_more

    told = (
        tell_more.front(runner, tree, fix, picked, budget) if fix else tell_more.equilibrium(runner, tree, by, budget)
    )
    store.write_files(out, {told.file: told.page(str(tree.get("name", "scenario")), claim)})
    if json:
        print_json(told.json)
        return
    told.show()
    print(f"report: {out / told.file}")


def _show(finds: "Sequence[Find]", result: dict[str, Any], files: dict[str, Path], out: Path, *, json: bool) -> None:
    """Print what a search found."""
    if json:
        print_json(result)
        return
    from rich.console import Console

    from proofyard.lab.attack import tell

    console = Console()
    console.print(tell.in_words(finds), style="green", highlight=False)
    console.print("", tell.finds_table(finds, console.width), "", tell.note(finds), highlight=False)
    for file in files.values():
        console.print(f"replay: proofyard simulate {file}", highlight=False, soft_wrap=True)
    again = f", {result['reused']:,} of its runs from before" if result["reused"] else ""
    console.print(f"report: {out / 'report.html'}{again}", highlight=False)
