"""The vocabulary every mechanism is written in: Book, Event, Verdict, and the few functions that change money."""

from proofyard.core.arith import BIPS, bips_of, mul_div, mul_shift, ticket_of
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
    ask,
    assign,
    move,
    open_to_all,
    pay,
    refund,
    slash,
)
from proofyard.core.errors import BadInput, Fault, MarketError
from proofyard.core.event import Event, Kind, Phase, Verdict
from proofyard.core.lifecycle import FINAL, TRANSITIONS, check, diagram
from proofyard.core.spec import spec
from proofyard.core.sumtree import add_weight, find, find_by_scan, set_weight, total_weight, weight_of

__all__ = [
    "ANYONE", "BIPS", "FINAL", "MAX_GWEI", "TRANSITIONS",
    "BadInput", "Book", "ByActor", "ByJob", "Event", "Fault", "GweiByActor", "GweiByJob", "GweiOnce", "Ints",
    "Kind", "MarketError", "Once", "Phase", "Tree", "Verdict",
    "add_weight", "ask", "assign", "bips_of", "check", "diagram", "find", "find_by_scan", "move", "mul_div",
    "mul_shift", "open_to_all", "pay", "refund", "set_weight", "slash", "spec", "ticket_of", "total_weight",
    "weight_of",
]  # fmt: skip
