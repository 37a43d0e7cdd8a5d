"""What an actor may see when it has to decide something, and what it may be asked.

A policy is a module with `Params` and `decide(params, memory, view) -> int`. It is called at each `Moment` it lists in
`MOMENTS`; at all others the actor does what the honest do. Like a rule it is plain Python in the subset that Numba
compiles: the engine calls it compiled, a prover node calls it as it is. `memory` is the actor's own, `MEMORY` integers
that are 0 at first; nobody else sees it.
"""

from enum import IntEnum
from typing import NamedTuple

from proofyard.core.spec import spec

MEMORY = 64  # integers each actor may remember
NEVER = 2**62  # ms: not at all
BIPS = 10_000


class Moment(IntEnum):
    """The questions. The first four are asked on entering the market and at every epoch, the others about one job."""

    PRICE = 0  # which price to offer: gwei per proof, or per unit where the rule has it so
    CAPACITY = 1  # how many proofs at once to declare
    STAKE = 2  # how many gwei of free money to put to stake, or, negative, to take out
    AWAY = 3  # for how many ms to leave the market, 0 stay
    BID = 4  # a job takes bids: how many gwei to bid, 0 none
    ACCEPT = 5  # a job was assigned: 1 keep it, 0 give it back, where the rule takes it back
    SUBMIT = 6  # when to hand the proof in, ms; earlier than `ready` means then, NEVER: don't even make it
    PART = 7  # an open job of several parts, each of which counts: how many to prove, from the first on, 0 all
    COPY = 8  # another's proof of an open job is about to be handed in: 1 hand it in as its own, 0 don't
    CLAIM = 9  # a proof is handed in: 0 it claims the true transition, 1 another, where claims may be wrong
    CONTEST = 10  # it has looked at another's claim: 1 contest it, 0 don't


class View(NamedTuple):
    """What an actor sees. Money gwei, times ms; what has no meaning at a moment is 0."""

    moment: int  # Moment
    now: int
    actor: int  # its own number
    word: int  # its own die, uniform in [0, 2**62)
    cash: int  # own free money
    stake: int  # own stake
    ask: int  # what one proof (or unit) costs it: the honest price
    price: int  # the price it offers now
    rival: int  # the lowest price of another: offered until now; to whom `first_look` favours also bid; 0 none
    capacity: int  # proofs it can truly make at once
    profit: int  # earned less spent since it was last asked
    place: int  # its number within its class, from 0
    peers: int  # size of its class
    job: int
    size: int  # of the job, in the unit of the workload
    ceiling: int  # the most the requester pays
    paid: int  # what it has been paid for this job already
    deadline: int
    ready: int  # when the proof would be done, counting the queue it has
    work: int  # ms of work
    cost: int  # gwei this work costs it
    claim: int  # what the claim it has looked at says: 0 the true transition


@spec
def honest(v: View) -> int:
    """Do what the honest do: offer and bid the cost, declare and claim the truth, keep what it gets, prove at once."""
    if v.moment == Moment.PRICE:
        return v.ask
    if v.moment == Moment.CAPACITY:
        return v.capacity
    if v.moment == Moment.BID:
        return v.cost
    if v.moment == Moment.ACCEPT:
        return 1
    if v.moment == Moment.SUBMIT:
        return v.ready
    if v.moment == Moment.CONTEST:
        return 1 if v.claim != 0 else 0
    return 0


@spec
def chance(v: View, bips: int) -> bool:
    """Say yes with a probability of `bips` / 10,000, by the actor's own die."""
    return v.word % BIPS < bips
