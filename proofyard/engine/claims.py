"""Claims that may be wrong, compiled: what a proof claims, who looks at it, who contests it and who decides.

The truth is 0, the word of a PROVE in this engine; another word is a wrong transition and says whose (`claimed`).
Whoever watches looks at a share of the claims of others, some time after they were made, and its policy contests or
does not. A contested claim is decided by the first judge of a higher tier whose proof the rule accepts; it proves the
truth. Where nobody errs, lies or watches, `World.claims` is empty and nothing here is called.
"""

from typing import Any

import numpy as np

from proofyard.core.event import Phase
from proofyard.engine import dice, queue
from proofyard.engine.compile import aside, integer
from proofyard.engine.layout import JUDGE, PPM, WATCHER, World
from proofyard.engine.mind import CLAIM, CLAIM_SHOWN, CONTEST, asked, decides
from proofyard.engine.work import is_online
from proofyard.policies.view import Moment

_ERR, _LOOK = np.uint64(0xE77), np.uint64(0x100C)  # streams of the dice: of mistakes, of looks


@aside
def _die(w: World, stream: Any, job: int, index: int) -> int:
    """Throw the die of a job and one of those concerned: parts per million."""
    start = dice.mix(np.uint64(w.registers[0].seed) + stream * dice.STREAM + np.uint64(job + 1) * dice.GAMMA)
    return integer(dice.mix(start + np.uint64(index + 1) * dice.STREAM) % np.uint64(PPM))


@aside
def tier_of(w: World, job: int, prover: int) -> int:
    """Tier of the proof `prover` hands in: a judge's where the claim is contested, else 0, the least that counts."""
    if w.book.phase[job] == Phase.CONTESTED:
        for k in range(0, len(w.judges), JUDGE):
            if w.judges[k] == prover:
                return w.judges[k + 1]
    return 0


@aside
def claimed(w: World, job: int, prover: int) -> int:
    """Word of the proof `prover` hands in: 0 the truth, `2 prover + 2` wrong by mistake, one more on purpose.

    Mistakes are those of a set-up: all of a class make one on the same jobs.
    """
    p = w.provers[prover]
    if w.book.phase[job] == Phase.CONTESTED:
        return 0
    if decides(p, CLAIM) and asked(w, p, integer(Moment.CLAIM), prover, job, w.registers[0].now, 0) != 0:
        return 2 * prover + 3
    return 2 * prover + 2 if _die(w, _ERR, job, p.model) < w.errs[prover] else 0


@aside
def stands(w: World, now: int, job: int, prover: int) -> None:
    """Note the claim that stands from now on, its event being at hand, and queue the looks that will be had at it."""
    r = w.registers[0]
    c = w.claims[job]
    if c.contests > 0:
        c.held += now - c.since
        c.overturned += c.claim != 0
    else:
        c.first = now
    c.tier, c.claim = w.event[5], w.event[6]
    for k in range(0, len(w.watchers), WATCHER):
        watcher, share, at = w.watchers[k], w.watchers[k + 1], now + w.watchers[k + 2]
        looks = _die(w, _LOOK + np.uint64(c.contests), job, watcher) < share
        if looks and watcher != prover and at <= w.book.deadline[job]:
            r.heap_size = queue.push(w.heap, r.heap_size, at, queue.pack(queue.LOOK, job, watcher), r.salt)


@aside
def contests(w: World, job: int, watcher: int) -> bool:
    """Let `watcher` look at the claim that stands, which costs it something, and say whether it contests it."""
    now = w.registers[0].now
    p = w.provers[watcher]
    c = w.claims[job]
    if w.book.phase[job] != Phase.PROVEN or not is_online(w, p, now):
        return False
    for k in range(0, len(w.watchers), WATCHER):
        if w.watchers[k] == watcher:
            w.spent[watcher] += w.watchers[k + 3]
    if not decides(p, CONTEST):
        return c.claim != 0
    w.shown[CLAIM_SHOWN] = c.claim
    answer = asked(w, p, integer(Moment.CONTEST), watcher, job, queue.NEVER, 0)
    w.shown[CLAIM_SHOWN] = 0
    return answer != 0


@aside
def call_judge(w: World, now: int, job: int) -> None:
    """Let the next judge of a higher tier than what stands make its proof; nobody judges itself."""
    r = w.registers[0]
    c = w.claims[job]
    while c.judge < len(w.judges):
        k = c.judge
        c.judge += JUDGE
        judge = w.judges[k]
        if w.judges[k + 1] > c.tier and judge != w.book.prover[job] and is_online(w, w.provers[judge], now):
            w.spent[judge] += w.judges[k + 3]
            at = now + w.judges[k + 2]
            r.heap_size = queue.push(w.heap, r.heap_size, at, queue.pack(queue.DECIDE, job, judge), r.salt)
            return


@aside
def contested(w: World, now: int, job: int) -> None:
    """Note that the standing claim is contested, and call the first judge."""
    c = w.claims[job]
    c.contests += 1
    c.since = now
    c.judge = 0
    call_judge(w, now, job)


@aside
def closed(w: World, now: int, job: int, phase: int) -> None:
    """Count the time of a contest that nobody decided."""
    c = w.claims[job]
    if phase == Phase.CONTESTED:
        c.held += now - c.since
        c.failed += 1
