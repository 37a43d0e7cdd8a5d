"""Look ahead, compiled: what the next events will read is on its way from memory before they need it.

With hundreds of thousands of provers nothing that an event needs is in the cache any more: a draw waits for its leaves
of the tree, then for the prover it finds. The words of draws are known beforehand and weights change little from one
request to the next, so the way through the tree is gone twice, first by a guess that has two requests' time to wait. A
guess only fetches: no result depends on it.
"""

from proofyard.core.arith import ticket_of
from proofyard.core.book import Ints
from proofyard.core.sumtree import FAN, LEVELS, TOTAL
from proofyard.engine import dice, queue
from proofyard.engine.compile import aside, inlined, integer
from proofyard.engine.layout import GUESSES, World, prefetch


@inlined
def fetch(w: World, key: int) -> None:
    """Fetch what the event `key`, the next in the queue, reads and writes."""
    prover = queue.prover_of(key)
    prefetch(w.jobs, queue.job_of(key))
    if len(w.stake) > 0:
        prefetch(w.stake, prover)
    if len(w.lots) > 0:
        prefetch(w.lots, w.lots[LEVELS] + prover)
        if queue.what_of(key) == queue.ALARM:
            prefetch(w.provers, prover)
            prefetch(w.book.slashed, prover)


@aside
def look_ahead(w: World, job: int) -> None:
    """At the request `job`: fetch the prover that the next one finds, and the leaves that the one after that reads."""
    r, tree = w.registers[0], w.lots
    if tree[TOTAL] == 0:  # the rule draws in some other way
        return
    near, far = 2 * ((job + 1) % GUESSES), 2 * ((job + 2) % GUESSES)
    found, _ = _pass_by(tree, tree[LEVELS], w.guess[near], w.guess[near + 1])
    prefetch(w.provers, found)
    prefetch(w.slots, found * r.slots_each)
    if len(w.stake) > 0:
        prefetch(w.stake, found)
    ticket = ticket_of(dice.word_of(dice.job_die(r.seed, job + 2, dice.WORD)), tree[TOTAL])
    block = integer(0)
    for level in range(tree[0] - 1, 0, -1):
        found, ticket = _pass_by(tree, tree[LEVELS + level], block, ticket)
        block = found * FAN
    prefetch(tree, tree[LEVELS] + block)
    prefetch(tree, tree[LEVELS] + block + FAN // 2)
    w.guess[far], w.guess[far + 1] = block, ticket


@inlined
def _pass_by(tree: Ints, level: int, first: int, ticket: int) -> tuple[int, int]:
    """Find who holds `ticket` among the 16 from `first` on of the level that begins at `level`, and what is left."""
    k = first
    while k < first + FAN - 1 and ticket >= tree[level + k]:
        ticket -= tree[level + k]
        k += 1
    return k, ticket
