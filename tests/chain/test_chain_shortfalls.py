"""Who can stop everybody's settlement: each thing that somebody else than the coordinator can do to a batch."""

import itertools
from collections.abc import Callable, Iterator

import pytest
from chain.yard import CIRCUIT, DAY, TOKEN, Yard

from proofyard.chain import Batch, Client, Kind, Mandate, Order, Payment, Reverted, statement_of
from proofyard.chain.client import BURNT

heads: Iterator[bytes] = (number.to_bytes(32, "big") for number in itertools.count(1))
nonces: Iterator[int] = itertools.count(1)
MANDATE = 50 * TOKEN


@pytest.fixture(scope="module")
def own(make_yard: Callable[..., Yard]) -> Yard:
    yard = make_yard()
    coordinator = yard.client(0)
    coordinator.mint(100 * TOKEN)
    coordinator.deposit(100 * TOKEN)
    coordinator.grant(Mandate(coordinator.address, 2**61, 2**62))
    return yard


def now(yard: Yard) -> int:
    return int(yard.chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)  # noqa: FBT003 - JSON-RPC


def person(yard: Yard, number: int, *, gwei: int = 10 * TOKEN, lasts_s: int = 30 * DAY) -> Client:
    """Somebody with money in the vault and a mandate, both as at first."""
    client = yard.client(number)
    more = gwei - client.free()
    if more > 0:
        client.mint(more)
        client.deposit(more)
    if lasts_s:
        limit, _, until, _ = client.read("Settlement", "granted", client.address)
        client.grant(Mandate(client.address, limit + MANDATE, max(until, now(yard) + lasts_s) + 1))
    return client


def settle(
    yard: Yard, changes: dict[str, int], payments: list[Payment] | None = None, inputs: list[bytes] | None = None
) -> None:
    coordinator = yard.client(0)
    proof = statement_of(inputs, Kind.PLAIN) if inputs else b""
    circuit = CIRCUIT if inputs else bytes(32)
    batch = Batch(coordinator.read("Settlement", "head"), next(heads), circuit, proof, inputs or [])
    coordinator.settle(batch, payments or [], changes)


def left_open(yard: Yard, *clients: Client) -> list[int]:
    return [yard.client(0).read("Settlement", "granted", client.address)[3] for client in clients]


def take_out(yard: Yard, client: Client) -> None:
    client.leave(client.free())
    yard.pass_time(DAY + 1)
    client.withdraw()


def job(yard: Yard, requester: Client, prover: Client, price: int, *, seconds: int = 3_600) -> tuple[Payment, Order]:
    nonce = next(nonces)
    statement = statement_of([nonce.to_bytes(32, "big")], Kind.PLAIN)
    order = Order(requester.address, CIRCUIT, statement, TOKEN, now(yard) + seconds, nonce)
    return Payment(order, requester.sign(order, "Settlement"), prover.address, price), order


def pay(yard: Yard, payment: Payment) -> None:
    settle(yard, {}, [payment], [payment.order.nonce.to_bytes(32, "big")])


def test_money_that_has_left_the_vault_stops_nobody_and_is_taken_when_it_is_back(own: Yard) -> None:
    house, leaver, other, payee = own.client(0), person(own, 1), person(own, 2), person(own, 3)
    take_out(own, leaver)
    before = [client.free() for client in (house, other, payee)]
    settle(own, {leaver.address: -600, other.address: -100, payee.address: 700})
    # Everybody has its own, the coordinator what it has lent; all of it is written down.
    assert [client.free() for client in (house, other, payee)] == [before[0] - 600, before[1] - 100, before[2] + 700]
    assert left_open(own, leaver, house, payee) == [-600, 600, 0]
    settle(own, dict.fromkeys((leaver.address, house.address), 0))  # nothing is there yet
    assert left_open(own, leaver, house) == [-600, 600]
    leaver.mint(TOKEN)
    leaver.deposit(TOKEN)
    settle(own, dict.fromkeys((leaver.address, house.address), 0))
    assert (leaver.free(), house.free()) == (TOKEN - 600, before[0])
    assert left_open(own, leaver, house) == [0, 0]


def test_nobody_pays_for_what_would_have_been_burnt(own: Yard) -> None:
    house, leaver = own.client(0), person(own, 1)
    take_out(own, leaver)
    before = house.free()
    settle(own, {leaver.address: -600, house.address: 200, BURNT: 400})
    assert house.free() == before
    assert left_open(own, leaver, house) == [-600, 200]
    person(own, 1, gwei=500)  # of what comes back the coordinator has its part first
    settle(own, dict.fromkeys((leaver.address, house.address, BURNT), 0))
    assert (leaver.free(), house.free()) == (0, before + 200)
    assert left_open(own, leaver, house) == [-100, 0]
    assert own.client(0).read("Settlement", "granted", BURNT)[3] == 100
    person(own, 1, gwei=100)
    settle(own, dict.fromkeys((leaver.address, BURNT), 0))
    assert left_open(own, leaver) == [0]


def test_what_the_coordinator_cannot_lend_is_waited_for(own: Yard) -> None:
    house, leaver, payee = own.client(0), person(own, 1), person(own, 3)
    held = house.free()
    take_out(own, leaver)
    before = payee.free()
    settle(own, {leaver.address: -held - 50, payee.address: held + 50})
    assert (house.free(), payee.free()) == (0, before + held)
    assert left_open(own, leaver, house, payee) == [-held - 50, held, 50]
    person(own, 1, gwei=held + 50)
    settle(own, dict.fromkeys((leaver.address, house.address, payee.address), 0))
    assert (house.free(), payee.free()) == (held, before + held + 50)
    assert left_open(own, leaver, house, payee) == [0, 0, 0]


def test_a_mandate_that_is_used_up_or_has_ended_stops_nobody(own: Yard) -> None:
    payee, poor, late = person(own, 3), person(own, 4, lasts_s=0), person(own, 5, lasts_s=0)
    poor.grant(Mandate(poor.address, 1_000, now(own) + DAY))
    late.grant(Mandate(late.address, 1_000, now(own) + 60))
    own.pass_time(61)
    before = payee.free()
    settle(own, {poor.address: -1_500, late.address: -500, payee.address: 2_000})
    assert payee.free() == before + 2_000  # the coordinator lends what is missing
    assert left_open(own, poor, late) == [-500, -500]
    poor.grant(Mandate(poor.address, 1_500, now(own) + DAY))
    late.grant(Mandate(late.address, 500, now(own) + DAY))
    settle(own, dict.fromkeys((poor.address, late.address, own.client(0).address), 0))
    assert left_open(own, poor, late, own.client(0)) == [0, 0, 0]


@pytest.mark.parametrize("how", ["out of time", "used before"])
def test_an_order_that_no_longer_pays_leaves_it_to_the_mandate(own: Yard, how: str) -> None:
    requester, prover = person(own, 1), person(own, 2)
    payment, order = job(own, requester, prover, TOKEN, seconds=60)
    if how == "used before":
        pay(own, payment)
    else:
        own.pass_time(61)
    before, (_, used, _, _) = prover.free(), requester.read("Settlement", "granted", requester.address)
    pay(own, payment)
    assert prover.free() == before + TOKEN
    assert requester.read("Settlement", "granted", requester.address)[1] == used + TOKEN
    assert requester.read("Settlement", "isProven", CIRCUIT, order.statement)


def test_a_requester_without_money_or_mandate_owes_the_prover(own: Yard) -> None:
    requester, prover = person(own, 6, lasts_s=0), person(own, 2)
    payment, order = job(own, requester, prover, TOKEN)
    take_out(own, requester)
    before = prover.free()
    payment = payment._replace(order=order._replace(deadline=now(own) + 60))
    payment = payment._replace(signature=requester.sign(payment.order, "Settlement"))
    pay(own, payment)  # the order is good, the money is gone
    assert left_open(own, requester, prover) == [-TOKEN, TOKEN]
    settle(own, dict.fromkeys((requester.address, prover.address, own.client(0).address), 0))
    assert prover.free() == before + TOKEN  # the coordinator lends it
    person(own, 6)
    settle(own, dict.fromkeys((requester.address, own.client(0).address), 0))
    assert left_open(own, requester, prover, own.client(0)) == [0, 0, 0]


def test_a_retired_circuit_a_pause_and_an_account_that_reverts_stop_no_batch(own: Yard) -> None:
    coordinator, requester, prover = own.client(0), person(own, 1), person(own, 2)
    payment, _ = job(own, requester, prover, TOKEN)
    token = coordinator.at("Token")  # a contract that takes no call it does not know
    before = prover.free(), coordinator.free(token)
    coordinator.do("Verifier", "retire", CIRCUIT)
    coordinator.do("Vault", "setPaused", True)  # noqa: FBT003 - the contract's argument
    try:
        pay(own, payment)
        settle(own, {requester.address: -5, token: 5})
    finally:
        coordinator.do("Vault", "setPaused", False)  # noqa: FBT003 - the contract's argument
    assert (prover.free(), coordinator.free(token)) == (before[0] + TOKEN, before[1] + 5)


def test_money_under_a_mandate_is_called_back_while_that_lasts_and_by_nobody_else(own: Yard) -> None:
    coordinator, owner = own.client(0), person(own, 7, lasts_s=0)
    owner.leave(owner.free())
    with pytest.raises(Reverted, match="NoMandate"):
        coordinator.recall(owner.address, 1)
    limit = 2 * TOKEN
    owner.grant(Mandate(owner.address, limit, now(own) + 2 * DAY))
    with pytest.raises(Reverted, match="NotCoordinator"):
        owner.do("Settlement", "recall", owner.address, 1)
    with pytest.raises(Reverted, match="NotKeeper"):
        owner.do("Vault", "recall", owner.address, 1)
    with pytest.raises(Reverted, match="NoMandate"):
        coordinator.recall(owner.address, limit + 1)
    own.pass_time(DAY + 1)  # it could be withdrawn, and was not yet
    coordinator.outbox.wait(coordinator.recall(owner.address, limit))
    owner.withdraw()
    assert owner.free() == limit  # no more than was mandated is kept in
    owner.leave(limit)
    own.pass_time(DAY + 1)
    with pytest.raises(Reverted, match="NoMandate"):  # it has ended
        coordinator.recall(owner.address, 1)
    owner.withdraw()
    assert owner.free() == 0
