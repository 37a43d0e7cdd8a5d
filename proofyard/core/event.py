"""What can happen, and what the market answers.

An event is seven integers. What `amount` and `detail` mean depends on the kind:

| kind       | actor     | amount                     | detail                       | timer |
| ---------- | --------- | -------------------------- | ---------------------------- | ----- |
| OFFER      | prover    | price asked per unit       | capacity, proofs at once     |       |
| STAKE      | prover    | gwei                       |                              |       |
| UNSTAKE    | prover    | gwei                       |                              |       |
| WITHDRAW   | prover    | gwei, 0 = all that matured |                              |       |
| DELEGATE   | delegator | gwei                       | prover                       |       |
| UNDELEGATE | delegator | gwei                       | prover                       |       |
| TRANSFER   | payer     | gwei                       | payee                        |       |
| REQUEST    | requester | gwei, the most it will pay | size of the job, e.g. gas    |       |
| BID        | prover    | gwei                       |                              |       |
| CLOSE      | -         |                            |                              | yes   |
| DECLINE    | prover    |                            |                              |       |
| PROVE      | prover    |                            | tier of the proof            |       |
| CONTEST    | contester |                            |                              |       |
| EXPIRE     | -         |                            |                              | yes   |
| SETTLE     | -         |                            |                              | yes   |
| VOTE       | voter     |                            | ballot, e.g. round and step  |       |

A timer has no author: whoever runs the market makes it once `deadline[job]` has passed. `word` is uniform in
[0, 2**62), drawn by the caller and recorded; for PROVE it names what was proven (the claimed result), for VOTE what
is voted for, 0 for nothing.
"""

from enum import IntEnum
from typing import NamedTuple


class Kind(IntEnum):
    """What happened. The numbers are part of the trace format and never change."""

    OFFER = 0
    STAKE = 1
    UNSTAKE = 2
    WITHDRAW = 3
    DELEGATE = 4
    UNDELEGATE = 5
    TRANSFER = 6
    REQUEST = 7
    BID = 8
    CLOSE = 9
    DECLINE = 10
    PROVE = 11
    CONTEST = 12
    EXPIRE = 13
    SETTLE = 14
    VOTE = 15


class Phase(IntEnum):
    """How far a job is."""

    NONE = 0  # not asked for yet
    BIDDING = 1  # asked for; CLOSE decides who proves
    ASSIGNED = 2  # `prover[job]` must prove by the deadline
    OPEN = 3  # anybody may prove
    PROVEN = 4  # a proof stands; SETTLE makes it final after a cooldown
    CONTESTED = 5  # the standing proof is challenged; a proof of a higher tier decides
    SETTLED = 6  # final, proven
    LOST = 7  # final, never proven; what was escrowed went back


class Verdict(IntEnum):
    """What the market answers. Any verdict but OK leaves the state untouched."""

    OK = 0
    POOR = 1  # the actor has not that much money
    NOT_YOURS = 2  # another prover holds this job, or it is not the actor's to act on
    EARLY = 3  # the timer has not run out, or a delay has not passed
    LATE = 4  # the deadline has passed
    WRONG_PHASE = 5  # the job is not at a point of its life where this can happen
    NO_PROVER = 6  # nobody can be given the job
    UNKNOWN = 7  # this rule has no such event
    BAD_AMOUNT = 8  # not positive, or beyond `MAX_GWEI`
    BAD_DETAIL = 9  # capacity, size, tier or peer out of range
    FULL = 10  # no seat or no place is free
    TOO_DEAR = 11  # the price is above what is allowed


class Event(NamedTuple):
    """One thing that happened, seven integers; see the table above."""

    kind: int
    time: int  # ms since genesis
    actor: int
    job: int
    amount: int
    detail: int
    word: int
