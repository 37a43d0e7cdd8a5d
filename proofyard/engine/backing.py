"""Provers that delegate to a rival: at the start, out of their cash, for as long as the market runs."""

from typing import TYPE_CHECKING

import numpy as np

from proofyard.core.book import Ints
from proofyard.core.errors import BadInput
from proofyard.core.event import Kind
from proofyard.engine.events import Inject, events_of

if TYPE_CHECKING:
    from proofyard.engine.world import Stage


def enter(st: "Stage", inject: Inject) -> None:
    """Let classes that back another delegate to the first of it. Raises BadInput."""
    cast, scenario = st.cast, st.scenario
    names = [group.name for group in cast.classes]
    for k, group in enumerate(cast.classes):
        if not group.backs:
            continue
        if group.backs not in names:
            raise BadInput(f"provers[{k}].backs", f"the name of a class ({', '.join(names)})", group.backs)
        if st.optional("held") is None or st.optional("operator_of") is None:
            raise BadInput(f"provers[{k}].backs", "a rule under which anybody may delegate", st.rule.name)
        amount = scenario.gwei(group.backing, f"provers[{k}].backing")
        rival = int(np.flatnonzero(cast.group == names.index(group.backs))[0])
        mine = np.flatnonzero(cast.group == k)
        if amount > 0:
            inject(events_of(Kind.DELEGATE, 0, mine, np.full(len(mine), amount), rival))


def holdings(st: "Stage") -> Ints:
    """Value what provers hold in pools of others, gwei by actor; where a pool counts as its operator's, less that."""
    state = st.state
    found = np.zeros(len(state.book.cash), np.int64)
    if not any(group.backs for group in st.cast.classes):
        return found
    for prover in np.flatnonzero(state.held[: st.cast.count]).tolist():
        operator = int(state.operator_of[prover])
        value = int(state.held[prover]) * int(state.pool[operator]) // max(1, int(state.shares[operator]))
        found[prover] += value
        if not st.delegators:
            found[operator] -= value
    return found


def gain(st: "Stage") -> int:
    """Say what provers gained by delegating to others, gwei, all together."""
    cast, found = st.cast, holdings(st)
    backers = [k for k, group in enumerate(cast.classes) if group.backs]
    mine = np.flatnonzero(np.isin(cast.group, backers))
    put = sum(st.scenario.gwei(cast.classes[k].backing, "backing") * cast.classes[k].count for k in backers)
    return int(found[mine].sum()) - put if backers else 0
