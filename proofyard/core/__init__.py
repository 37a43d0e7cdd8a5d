"""The vocabulary every mechanism is written in: Book, Event, Verdict, and the few functions that change money."""

from proofyard.core.arith import BIPS, bips_of, compute_root, mul_div, mul_shift, ticket_of
from proofyard.core.book import (
    ANYONE,
    MAX_GWEI,
    Book,
    ByActor,
    ByJob,
    GweiByActor,
    GweiByJob,
    GweiOnce,
    Ints,
    Once,
    Tree,
    accept_proof,
    ask,
    assign,
    forfeit_bond,
    lose_job,
    move,
    open_bidding,
    open_to_all,
    pay,
    refund,
    settle_job,
    slash,
)
from proofyard.core.dice import word_of
from proofyard.core.errors import BadInput, Fault, MarketError
from proofyard.core.event import Event, Kind, Phase, Verdict
from proofyard.core.lifecycle import FINAL, TRANSITIONS, check, diagram
from proofyard.core.limits import out_of_range
from proofyard.core.places import add_entry, chain_places, drop_entry
from proofyard.core.rounds import end_of_round, enqueue, highest_first, lowest_first, smallest_first, take_due
from proofyard.core.shares import MAX_SHARES, MIN_SHARES, WHOLE, cut_queue, left_of, shares_for, shares_worth
from proofyard.core.spec import spec
from proofyard.core.standing import MAX_CAPACITY, move_stake, post_offer, take_out, take_out_matured
from proofyard.core.sumtree import add_weight, find, find_by_scan, set_weight, total_weight, weight_of

__all__ = [
    "ANYONE", "BIPS", "FINAL", "MAX_CAPACITY", "MAX_GWEI", "MAX_SHARES", "MIN_SHARES", "TRANSITIONS", "WHOLE",
    "BadInput", "Book", "ByActor", "ByJob", "Event", "Fault", "GweiByActor", "GweiByJob", "GweiOnce", "Ints", "Kind",
    "MarketError", "Once", "Phase", "Tree", "Verdict",
    "accept_proof", "add_entry", "add_weight", "ask", "assign", "bips_of", "chain_places", "check", "compute_root",
    "cut_queue", "diagram", "drop_entry", "end_of_round", "enqueue", "find", "find_by_scan", "forfeit_bond",
    "highest_first", "left_of", "lose_job", "lowest_first", "move", "move_stake", "mul_div", "mul_shift",
    "open_bidding", "open_to_all", "out_of_range", "pay", "post_offer", "refund", "set_weight", "settle_job",
    "shares_for", "shares_worth", "slash", "smallest_first", "spec", "take_due", "take_out", "take_out_matured",
    "ticket_of", "total_weight", "weight_of", "word_of",
]  # fmt: skip
