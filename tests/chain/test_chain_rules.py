"""The rules as markets: money from the vault, dice from the block, refusals by name; all in them is always backed."""

from collections.abc import Callable

import pytest
from chain.yard import CIRCUIT, TOKEN, Yard, light_circuit

from proofyard.chain import Client, Kind, Reverted, statement_of
from proofyard.core import Kind as Event
from proofyard.core import Phase
from proofyard.mechanisms import rule

RULES = {
    "ContestMarket": "contest(bidding_ms = 10_000, window_ms = 60_000)",
    "SecondPriceMarket": "sealed_bid(min_stake_gwei = 1_000_000_000, self_stake_gwei = 1_000_000_000)",
    "BondedMarket": "bonded(liveness_gwei = 5_000_000_000, tee_validity_gwei = 2_000_000_000, fee_rate = 10_000)",
    "StakedPoolMarket": "staked_pool(supply_gwei = 0, min_stake_per_capacity_gwei = 1, cooldown_ms = 30_000)",
}


@pytest.fixture(scope="module")
def ruled(make_yard: Callable[..., Yard]) -> Yard:
    rules = {name: [*rule(text, "rule").params] for name, text in RULES.items()}
    yard = make_yard({CIRCUIT: light_circuit(Kind.ROLLUP)}, rules)
    for number in range(1, 4):
        client = yard.client(number)
        client.mint(1_000 * TOKEN)
        client.deposit(1_000 * TOKEN)
        for name in RULES:
            client.do(name, "enter", 100 * TOKEN)
    return yard


def backed(yard: Yard, contract: str) -> bool:
    """All money in a rule's market, as it counts, is what the vault holds for it."""
    client = yard.client(1)
    return client.read(contract, "money") == client.free(client.at(contract))


def request(client: Client, contract: str, amount: int, size: int = 1) -> tuple[int, list[bytes]]:
    """Ask for a proof of something new."""
    job = client.read(contract, "jobs")
    words = [job.to_bytes(32, "big"), *[bytes(32)] * 6]
    client.do(contract, "request", CIRCUIT, statement_of(words, Kind.ROLLUP), amount, size)
    client.do(contract, "draw")
    return job, words


def close(client: Client, contract: str, job: int) -> None:
    """Fire a timer that draws lots."""
    client.do(contract, "timer", job)
    client.do(contract, "draw")


def prove(client: Client, contract: str, job: int, words: list[bytes], tier: int = 0) -> None:
    mine = [*words[:5], int(client.address, 16).to_bytes(32, "big"), words[6]]
    client.do(contract, "prove", job, tier, statement_of(mine, Kind.PLAIN), mine)


def phase(yard: Yard, contract: str, job: int) -> Phase:
    return Phase(yard.client(1).read(contract, "jobOf", job)[3])


def winner(yard: Yard, contract: str, job: int) -> Client:
    number = yard.client(1).read(contract, "jobOf", job)[5]
    return next(c for c in map(yard.client, range(1, 4)) if c.read(contract, "numberOf", c.address) == number + 1)


def test_a_contest_takes_bids_draws_pays_and_slashes(ruled: Yard) -> None:
    requester, *provers = (ruled.client(k) for k in range(1, 4))
    for prover in provers:
        prover.do("ContestMarket", "act", int(Event.STAKE), 50 * TOKEN, 0)
    job, words = request(requester, "ContestMarket", 10 * TOKEN)
    provers[0].do("ContestMarket", "bid", job, 2 * TOKEN, 0)
    with pytest.raises(Reverted, match="Early"):
        requester.do("ContestMarket", "timer", job)
    ruled.pass_time(12)
    close(requester, "ContestMarket", job)
    with pytest.raises(Reverted, match="NotYours"):
        prove(provers[1], "ContestMarket", job, words)
    prove(provers[0], "ContestMarket", job, words)
    assert provers[0].read("ContestMarket", "balances", provers[0].address) == (60 * TOKEN, 48 * TOKEN)
    job, words = request(requester, "ContestMarket", 10 * TOKEN)
    provers[1].do("ContestMarket", "bid", job, TOKEN, 0)
    ruled.pass_time(12)
    close(requester, "ContestMarket", job)
    ruled.pass_time(61)
    with pytest.raises(Reverted, match="Late"):
        prove(provers[1], "ContestMarket", job, words)
    requester.do("ContestMarket", "timer", job)
    assert phase(ruled, "ContestMarket", job) == Phase.LOST
    assert backed(ruled, "ContestMarket")


def test_a_sealed_bid_is_opened_and_paid_the_second_price(ruled: Yard) -> None:
    requester, low, high = (ruled.client(k) for k in range(1, 4))
    name = "SecondPriceMarket"
    for prover in (low, high):
        prover.do(name, "act", int(Event.STAKE), 50 * TOKEN, 0)
    job, words = request(requester, name, 10 * TOKEN)
    for prover, fee in ((low, 2 * TOKEN), (high, 5 * TOKEN)):
        prover.do(name, "bid", job, 0, prover.read(name, "sealOf", prover.address, job, fee, b"\1" * 32))
    ruled.pass_time(301)
    requester.do(name, "timer", job)
    with pytest.raises(Reverted, match="BadDetail"):
        low.do(name, "open", job, TOKEN, b"\1" * 32)
    for prover, fee in ((low, 2 * TOKEN), (high, 5 * TOKEN)):
        prover.do(name, "open", job, fee, b"\1" * 32)
    ruled.pass_time(601)
    requester.do(name, "timer", job)
    assert winner(ruled, name, job).address == low.address
    prove(low, name, job, words)
    assert low.read(name, "balances", low.address)[0] == 50 * TOKEN + 5 * TOKEN * 99 // 100
    assert backed(ruled, name)


def test_a_proposer_is_bonded_proves_and_settles(ruled: Yard) -> None:
    proposer = ruled.client(1)
    job, words = request(proposer, "BondedMarket", TOKEN)
    assert proposer.read("BondedMarket", "balances", proposer.address)[0] == 94 * TOKEN
    prove(proposer, "BondedMarket", job, words)
    ruled.pass_time(4 * 3_600 + 1)
    proposer.do("BondedMarket", "timer", job)
    assert phase(ruled, "BondedMarket", job) == Phase.SETTLED
    assert proposer.read("BondedMarket", "balances", proposer.address)[0] == 100 * TOKEN
    proposer.do("BondedMarket", "leave", 100 * TOKEN)
    with pytest.raises(Reverted, match="Poor"):
        proposer.do("BondedMarket", "leave", 1)
    assert backed(ruled, "BondedMarket")


def test_a_pool_draws_a_seat_pays_and_stays_backed(ruled: Yard) -> None:
    requester, *provers = (ruled.client(k) for k in range(1, 4))
    requester.do("StakedPoolMarket", "fund", 100 * TOKEN)
    for prover in provers:
        prover.do("StakedPoolMarket", "act", int(Event.OFFER), 10, 64)
        prover.do("StakedPoolMarket", "act", int(Event.STAKE), 50 * TOKEN, 0)
    job, words = request(requester, "StakedPoolMarket", 8 * 10**7, 10**6)
    prover = winner(ruled, "StakedPoolMarket", job)
    prove(prover, "StakedPoolMarket", job, words)
    ruled.pass_time(31)
    requester.do("StakedPoolMarket", "timer", job)
    assert phase(ruled, "StakedPoolMarket", job) == Phase.SETTLED
    assert prover.read("StakedPoolMarket", "balances", prover.address)[0] > 50 * TOKEN
    assert backed(ruled, "StakedPoolMarket")
    with pytest.raises(Reverted, match="Stranger"):
        ruled.client(5).do("StakedPoolMarket", "act", int(Event.STAKE), 1, 0)
