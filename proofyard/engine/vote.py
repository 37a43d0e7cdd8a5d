"""Ballots, compiled: whenever a rule calls its committee to one, everybody who has a seat and is on line votes.

A rule with votes has `ballot` and `choice` in its state: per job the number of the ballot it is called to and what an
honest member votes for. One ballot is open at a time; who has not voted when the next is called votes in that one.
"""

import numpy as np

from proofyard.engine import dice, queue
from proofyard.engine.compile import aside
from proofyard.engine.layout import World
from proofyard.engine.work import is_online, silent


@aside
def call_ballot(w: World, now: int, job: int) -> None:
    """Let the votes of everybody with a seat arrive, each after a delay of its own; who withholds stays silent."""
    r = w.registers[0]
    ballot = w.ballot[job]
    w.called[job] = ballot
    row = np.uint64(r.seed) + dice.RACE_KEY + np.uint64(job * r.provers + 1) * dice.GAMMA
    row += np.uint64(ballot) * dice.STREAM
    for k in range(r.provers):
        p = w.provers[k]
        w.vote_at[k] = -1
        die = dice.mix(row + np.uint64(k) * dice.GAMMA)
        if ballot == 0 or w.seat[k] == 0 or not is_online(w, p, now):
            continue
        if silent(w, p, k, job):
            continue
        arrives = now + w.vote_delay[k] // 2 + ((w.vote_delay[k] * dice.column_of(die)) >> 10)
        w.vote_at[k] = arrives
        r.heap_size = queue.push(w.heap, r.heap_size, arrives, queue.pack(queue.VOTE, job, k), r.salt)
