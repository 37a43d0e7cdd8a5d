"""Claims that may be wrong: who errs, who looks, who decides, as the engine's arrays; and what became of them."""

from typing import Any, NamedTuple

import numpy as np

from proofyard.core.book import Ints
from proofyard.core.errors import BadInput
from proofyard.engine import layout
from proofyard.engine.cast import Cast
from proofyard.engine.result import ON_PURPOSE, Claims
from proofyard.policies.view import Moment
from proofyard.scenario import Scenario


class Disputes(NamedTuple):
    """Fields of `layout.World`; all are empty where nobody errs, lies or looks."""

    claims: layout.Rows
    errs: Ints
    spent: Ints
    watchers: Ints
    judges: Ints


def disputes_of(scenario: Scenario, cast: Cast, state: Any, jobs: int) -> Disputes:
    """Lay out who may claim wrongly, and who looks and decides. Raises BadInput: the rule takes no contests."""
    none = np.zeros(0, np.int64)
    lies = [Moment.CLAIM in does.moments for does in cast.policies]
    lying = np.flatnonzero(np.array(lies)[cast.mind]).tolist()
    told = [(k, g) for k, g in enumerate(cast.classes) if g.wrong or g.watch is not None or g.decide is not None]
    if not told and not lying:
        return Disputes(np.zeros(0, layout.CLAIM), none, none, none, none)
    if not hasattr(state, "contester"):
        k, group = told[0] if told else (int(cast.group[lying[0]]), cast.classes[int(cast.group[lying[0]])])
        key = next((name for name in ("wrong", "watch", "decide") if getattr(group, name)), "policy")
        raise BadInput(f"provers[{k}].{key}", "a rule that takes contests (bonded, bought_proof)", scenario.mechanism)
    watchers, judges = list[int](), list[int]()
    for k, group in told:
        field = f"provers[{k}]"
        for prover in np.flatnonzero(cast.group == k).tolist():
            if group.watch is not None:
                cost = scenario.gwei(group.watch.cost, f"{field}.watch.cost")
                watchers += [prover, round(group.watch.share * layout.PPM), group.watch.delay, cost]
            if group.decide is not None:
                cost = scenario.gwei(group.decide.cost, f"{field}.decide.cost")
                judges += [prover, group.decide.tier, group.decide.delay, cost]
    errs = np.array([round(g.wrong * layout.PPM) for g in cast.classes], np.int64)[cast.group]
    rows = layout.rows(layout.CLAIM, jobs)
    return Disputes(
        rows, errs, np.zeros(cast.count, np.int64), np.array(watchers, np.int64), np.array(judges, np.int64)
    )


def claims_of(world: layout.World, worth_gwei: int) -> Claims | None:
    """Say what was claimed and contested, where a claim may be wrong or is looked at; a wrong one is worth that."""
    if not len(world.claims):
        return None
    word = world.claims["claim"]
    wrong = np.where(word > 0, 1 + word % 2, 0)
    return Claims(
        wrong=wrong,
        claimant=np.where(word > 0, word // 2 - 1, -1),
        won_gwei=np.where(wrong == ON_PURPOSE, worth_gwei, 0),
        contests=world.claims["contests"].copy(),
        overturned=world.claims["overturned"].copy(),
        failed=world.claims["failed"].copy(),
        held_ms=world.claims["held"].copy(),
    )
