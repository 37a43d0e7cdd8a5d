"""Where a job goes and what moves with it: bidding, proof, settled, lost, a bond forfeited."""

import numpy as np

from proofyard.core import (
    ANYONE,
    Book,
    Phase,
    accept_proof,
    assign,
    forfeit_bond,
    lose_job,
    open_bidding,
    settle_job,
    shape,
)

REQUESTER, PROVER = 0, 1


def market() -> Book:
    """One job of 40 gwei, assigned."""
    b = shape.zeros(Book, actors=2, jobs=1)
    b.escrow[0] = 40
    assign(b, 0, PROVER, 9)
    return b


def test_bidding_is_anybodys_until_it_is_closed() -> None:
    b = market()
    open_bidding(b, 0, 30)
    assert (b.phase[0], b.prover[0], b.deadline[0]) == (Phase.BIDDING, ANYONE, 30)


def test_a_proof_that_may_still_be_contested_names_its_prover() -> None:
    b = market()
    accept_proof(b, 0, PROVER, 30)
    assert (b.phase[0], b.prover[0], b.deadline[0], b.escrow[0]) == (Phase.PROVEN, PROVER, 30, 40)


def test_settled_pays_all_that_is_in_escrow() -> None:
    b = market()
    settle_job(b, 0)
    assert (b.phase[0], b.escrow[0], b.cash[PROVER], b.paid[0]) == (Phase.SETTLED, 0, 40, 40)


def test_lost_returns_all_that_is_in_escrow() -> None:
    b = market()
    lose_job(b, 0)
    assert (b.phase[0], b.escrow[0], b.cash[REQUESTER], b.paid[0]) == (Phase.LOST, 0, 40, 0)


def test_a_forfeited_bond_is_the_requesters_in_part_and_burns() -> None:
    b, bond = market(), np.array([15])
    forfeit_bond(b, 0, bond, 5_000)
    assert (b.cash[REQUESTER], b.burnt[0], bond[0], b.slashed[PROVER]) == (7, 8, 0, 15)
