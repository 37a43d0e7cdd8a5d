"""Policies, compiled: show an actor what it may see and let it decide about one job. The honest are not asked.

Where somebody has a first look, three things lie behind the words of the view: the job bid for last plus 1, the lowest
amount named for it, and for each prover whether it is shown that.
"""

from typing import Any

import numpy as np

from proofyard.engine import dice, queue
from proofyard.engine.compile import aside, inlined
from proofyard.engine.layout import World, call
from proofyard.policies.view import Moment, View

ACCEPT, SUBMIT, PART = 1 << Moment.ACCEPT, 1 << Moment.SUBMIT, 1 << Moment.PART
CLAIM, CONTEST = 1 << Moment.CLAIM, 1 << Moment.CONTEST
MS_PER_HOUR = 3_600_000
_AT = {name: k for k, name in enumerate(View._fields)}  # where each field of a view lies
_MOMENT, _NOW, _ACTOR, _WORD, _CASH, _STAKE = (_AT[k] for k in ("moment", "now", "actor", "word", "cash", "stake"))
_JOB, _SIZE, _CEILING, _PAID = (_AT[k] for k in ("job", "size", "ceiling", "paid"))
_DEADLINE, _READY, _WORK, _COST = (_AT[k] for k in ("deadline", "ready", "work", "cost"))
_CAPACITY, _PLACE, _PEERS, _ASK, _RIVAL = (_AT[k] for k in ("capacity", "place", "peers", "ask", "rival"))
CLAIM_SHOWN = _AT["claim"]  # 0 unless a claim is looked at
FIELDS = len(_AT)
_BID_FOR, _LOWEST = FIELDS, FIELDS + 1
BEHIND = FIELDS + 2  # words before those of the provers


@inlined
def decides(p: Any, moment: int) -> bool:
    """Say whether `p` has a mind of its own about this moment (a bit of `decides`)."""
    return p.special != 0 and (p.decides & moment) != 0


@aside
def asked(w: World, p: Any, moment: int, prover: int, job: int, ready: int, work: int) -> int:
    """Show the policy of `p` the job and return what it decides; `ready` NEVER: nobody knows yet."""
    r = w.registers[0]
    v = w.shown
    turn = dice.job_die(r.seed, job + w.jobs[job].turns * r.jobs, dice.WORK)
    die = dice.mix(turn + np.uint64(prover + 1) * dice.STREAM)
    v[_MOMENT], v[_NOW], v[_ACTOR], v[_WORD] = moment, r.now, prover, dice.word_of(die)
    v[_CASH] = w.book.cash[prover]
    v[_STAKE] = w.stake[prover] if len(w.stake) > 0 else 0
    v[_CAPACITY] = p.capacity
    v[_PLACE], v[_PEERS] = w.place[2 * prover], w.place[2 * prover + 1]
    v[_ASK] = w.ask[prover]
    v[_JOB], v[_SIZE], v[_CEILING] = job, w.size[job & r.size_mask], w.max_fee[job & r.fee_mask]
    v[_PAID], v[_DEADLINE] = w.book.paid[job], w.book.deadline[job]
    v[_READY] = ready if ready < queue.NEVER else r.now + work
    v[_WORK], v[_COST] = work, work * p.rate // MS_PER_HOUR + r.gas
    if len(v) == FIELDS:
        return call(w.minds[2 * p.mind], w.minds[2 * p.mind + 1], v)
    return _with_first_look(w, p, moment, prover, job)


@aside
def _with_first_look(w: World, p: Any, moment: int, prover: int, job: int) -> int:
    """Show who is favoured the lowest bid for the job, let it decide, and note what it bids."""
    v = w.shown
    if v[_BID_FOR] != job + 1:
        v[_BID_FOR], v[_LOWEST] = job + 1, 0
    v[_RIVAL] = v[_LOWEST] if moment == Moment.BID and v[BEHIND + prover] != 0 else 0
    answer = call(w.minds[2 * p.mind], w.minds[2 * p.mind + 1], v)
    if moment == Moment.BID and answer > 0 and (v[_LOWEST] == 0 or answer < v[_LOWEST]):
        v[_LOWEST] = answer
    return answer
