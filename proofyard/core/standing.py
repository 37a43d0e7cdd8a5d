"""What an actor has standing in a market besides jobs: the offer it made, and money it may take out again.

Most rules answer OFFER, STAKE, UNSTAKE and WITHDRAW alike; one that differs says so in its own words.
"""

from proofyard.core.book import Book, ByActor, GweiByActor, move
from proofyard.core.event import Event, Kind, Verdict
from proofyard.core.spec import spec

MAX_CAPACITY = 2**31  # proofs at once: the capacities of all actors add up to far less than 2**63


@spec
def post_offer(price: ByActor, capacity: ByActor, e: Event, least: int, most: int) -> Verdict:
    """Note what `e.actor` asks per proof, gwei, and how many it takes at once: BAD_DETAIL outside `least` to `most`."""
    if e.detail < least or e.detail > most:
        return Verdict.BAD_DETAIL
    price[e.actor] = e.amount
    capacity[e.actor] = e.detail
    return Verdict.OK


@spec
def move_stake(b: Book, stake: GweiByActor, e: Event) -> Verdict:
    """STAKE: put `e.amount` gwei of the actor's cash at stake. UNSTAKE: back at once; POOR if there is not so much."""
    if e.kind == Kind.STAKE:
        move(b.cash, e.actor, stake, e.actor, e.amount)
        return Verdict.OK
    if e.amount > stake[e.actor]:
        return Verdict.POOR
    move(stake, e.actor, b.cash, e.actor, e.amount)
    return Verdict.OK


@spec
def take_out(b: Book, source: GweiByActor, e: Event) -> Verdict:
    """Pay the actor `e.amount` gwei of what it has in `source`, all for 0; POOR if there is not so much, or nothing."""
    if source[e.actor] == 0 or e.amount > source[e.actor]:
        return Verdict.POOR
    move(source, e.actor, b.cash, e.actor, e.amount if e.amount > 0 else source[e.actor])
    return Verdict.OK


@spec
def take_out_matured(b: Book, exiting: GweiByActor, matures: ByActor, e: Event) -> Verdict:
    """Pay the actor `e.amount` gwei of what is on its way out, all for 0; EARLY before it `matures` (ms)."""
    if exiting[e.actor] == 0 or e.amount > exiting[e.actor]:
        return Verdict.POOR
    if e.time < matures[e.actor]:
        return Verdict.EARLY
    move(exiting, e.actor, b.cash, e.actor, e.amount if e.amount > 0 else exiting[e.actor])
    return Verdict.OK
