"""What a dishonest coordinator can and cannot do: the lines of docs/trust.md, each tried."""

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chain.yard import CIRCUIT, DAY, TOKEN, Yard, light_circuit

from proofyard.chain import (
    Batch,
    Bearer,
    Choice,
    Client,
    Kind,
    Mandate,
    Offer,
    Order,
    Payment,
    Reverted,
    statement_of,
    toolbox,
)
from proofyard.chain.signing import sign
from proofyard.core.errors import BadInput
from proofyard.rollup.batch import commit_joined

nonces: Iterator[int] = itertools.count(1)
heads: Iterator[bytes] = (number.to_bytes(32, "big") for number in itertools.count(1))


def now(yard: Yard) -> int:
    return int(yard.chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)  # noqa: FBT003 - JSON-RPC


def proof_of(inputs: list[bytes]) -> bytes:
    return statement_of(inputs, Kind.PLAIN)


@pytest.fixture
def people(yard: Yard) -> tuple[Client, Client, Client]:
    """Coordinator, a requester and a prover with money and stake."""
    coordinator, requester, prover = (yard.client(k) for k in range(3))
    for client in (requester, prover):
        client.mint(100 * TOKEN)
        client.deposit(100 * TOKEN)
    prover.stake(10 * TOKEN)
    return coordinator, requester, prover


@pytest.fixture(scope="module")
def apart(make_yard: Callable[..., Yard]) -> Yard:
    """A market for tests that leave something open; its coordinator has money to lend."""
    yard = make_yard()
    for number in range(7):
        client = yard.client(number)
        client.mint(10 * TOKEN)
        client.deposit(10 * TOKEN)
    return yard


def order_by(yard: Yard, requester: Client, *, ceiling: int = TOKEN, seconds: int = 3_600) -> tuple[Order, list[bytes]]:
    nonce = next(nonces)
    inputs = [nonce.to_bytes(32, "big")]
    return Order(
        requester.address, CIRCUIT, statement_of(inputs, Kind.PLAIN), ceiling, now(yard) + seconds, nonce
    ), inputs


def settle(
    people: tuple[Client, Client, Client], order: Order, inputs: list[bytes], *, price: int = TOKEN,
    proof: bytes | None = None, signature: bytes | None = None,
) -> None:  # fmt: skip
    coordinator, requester, prover = people
    signed = requester.sign(order, "Settlement") if signature is None else signature
    batch = Batch(
        coordinator.read("Settlement", "head"),
        next(heads),
        CIRCUIT,
        proof_of(inputs) if proof is None else proof,
        inputs,
    )
    coordinator.settle(batch, [Payment(order, signed, prover.address, price)], {})


def refused(error: str) -> "pytest.RaisesExc[Reverted]":
    return pytest.raises(Reverted, match=f"refused: {error}")


def test_the_page_names_tests_that_exist() -> None:
    here = Path(__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in here.parent.rglob("test_*.py"))
    solidity = toolbox.CONTRACTS / "test"
    text += "".join(path.read_text(encoding="utf-8").replace("function ", "def ") for path in solidity.glob("*.t.sol"))
    page = (here.parents[1] / "docs" / "trust.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test\w+)`", page))
    assert len(named) >= 23
    assert not {name for name in named if f"def {name}(" not in text}


def test_a_good_proof_pays(yard: Yard, people: tuple[Client, Client, Client]) -> None:
    _, requester, prover = people
    before = requester.free(), prover.free()
    order, inputs = order_by(yard, requester)
    settle(people, order, inputs)
    assert (requester.free(), prover.free()) == (before[0] - TOKEN, before[1] + TOKEN)


def test_no_pay_without_a_good_proof(yard: Yard, people: tuple[Client, Client, Client]) -> None:
    order, inputs = order_by(yard, people[1])
    with refused("BadProof"):
        settle(people, order, inputs, proof=b"none")
    with refused("WrongStatement"):
        settle(people, order, [b"\1" * 32])


def test_no_price_above_what_was_signed(yard: Yard, people: tuple[Client, Client, Client]) -> None:
    order, inputs = order_by(yard, people[1])
    with refused("TooDear"):
        settle(people, order, inputs, price=TOKEN + 1)


def test_an_order_pays_once_and_in_time(apart: Yard) -> None:
    yard, owner, prover = apart, apart.client(1), apart.client(2)
    paying = (yard.client(0), owner, prover)
    order, inputs = order_by(yard, owner, ceiling=600)
    settle(paying, order, inputs, price=600)
    before = owner.free(), prover.free()
    owner.grant(Mandate(owner.address, 150, now(yard) + 120))
    settle(paying, order, inputs, price=100)  # once more: as any change, by the mandate
    assert (owner.free(), prover.free()) == (before[0] - 100, before[1] + 100)
    late, inputs = order_by(yard, owner, seconds=60)
    yard.pass_time(61)
    settle(paying, late, inputs, price=100)
    assert (owner.free(), prover.free()) == (before[0] - 150, before[1] + 150)  # and no more than that
    settle(paying, late, inputs, price=100)
    assert (owner.free(), prover.free()) == (before[0] - 150, before[1] + 150)


def test_nothing_signed_elsewhere_counts(yard: Yard, people: tuple[Client, Client, Client]) -> None:
    requester = people[1]
    order, inputs = order_by(yard, requester)
    with refused("BadSignature"):  # signed for the other contract of this market
        settle(people, order, inputs, signature=requester.sign(order, "Market"))
    with refused("BadSignature"):  # for another chain
        settle(people, order, inputs, signature=sign(requester.account, order, 1, requester.at("Settlement")))
    with refused("BadSignature"):  # by somebody else
        settle(people, order, inputs, signature=people[2].sign(order, "Settlement"))
    with refused("BadSignature"):
        settle(people, order, inputs, signature=b"")
    good = requester.sign(order, "Settlement")
    half = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    other = good[:32] + (half - int.from_bytes(good[32:64])).to_bytes(32) + bytes([27 + (28 - good[64])])
    with refused("BadSignature"):  # the same signature, written the other way
        settle(people, order, inputs, signature=other)
    settle(people, order, inputs, signature=good)


def change(people: tuple[Client, Client, Client], changes: dict[str, int]) -> None:
    coordinator = people[0]
    coordinator.settle(Batch(coordinator.read("Settlement", "head"), next(heads)), [], changes)


def test_nobody_loses_more_than_its_mandate(apart: Yard) -> None:
    yard, requester, stranger = apart, apart.client(3), apart.client(4)
    people, had = (yard.client(0), requester, stranger), stranger.free()
    change(people, {stranger.address: -1, requester.address: 1})
    assert stranger.free() == had
    stranger.grant(Mandate(stranger.address, 1_000, now(yard) + 60))
    change(people, {stranger.address: -600, requester.address: 600})
    assert stranger.free() == had - 601  # what was open, too
    change(people, {stranger.address: -401, requester.address: 401})
    assert stranger.free() == had - 1_000
    with refused("NotRaised"):
        stranger.grant(Mandate(stranger.address, 600, now(yard) + 600))
    yard.pass_time(61)
    change(people, {stranger.address: -400, requester.address: 400})
    assert stranger.free() == had - 1_000


def test_a_mandate_can_be_used_up_by_a_lie(yard: Yard, people: tuple[Client, Client, Client]) -> None:
    friend, honest = yard.client(5), people[2]
    honest.grant(Mandate(honest.address, 700, now(yard) + 60))
    before = friend.free()
    change(people, {honest.address: -700, friend.address: 700})
    assert friend.free() == before + 700


def test_leaving_money_is_taken_until_it_has_left(apart: Yard) -> None:
    yard, requester, leaver = apart, apart.client(5), apart.client(6)
    people = (yard.client(0), requester, leaver)
    leaver.grant(Mandate(leaver.address, TOKEN, now(yard) + 9 * DAY))
    leaver.leave(leaver.free())
    before = requester.free()
    change(people, {leaver.address: -600, requester.address: 600})
    assert requester.free() == before + 600
    yard.pass_time(DAY + 1)
    leaver.withdraw()
    change(people, {leaver.address: -1, requester.address: 1})
    assert requester.free() == before + 601  # the coordinator lends it
    assert leaver.read("Settlement", "granted", leaver.address)[3] == -1  # that is owed


def test_changes_that_make_money_are_refused(yard: Yard, people: tuple[Client, Client, Client]) -> None:
    coordinator, requester, _ = people
    with pytest.raises(BadInput, match="sum to zero"):
        change(people, {requester.address: 1})
    batch = (coordinator.read("Settlement", "head"), next(heads), bytes(32), b"", [], [])
    with refused("Unbalanced"):  # past the client
        coordinator.do("Settlement", "settle", batch, [], [(requester.address, 1)])
    assert yard.chain.profile.chain_id == 31337


def test_a_batch_follows_the_last_one(people: tuple[Client, Client, Client]) -> None:
    coordinator = people[0]
    with refused("WrongHead"):
        coordinator.settle(Batch(b"\xff" * 32, next(heads)), [], {})


def test_an_offer_is_for_one_order(yard: Yard, people: tuple[Client, Client, Client]) -> None:
    coordinator, requester, prover = people
    order, _ = order_by(yard, requester)
    other, _ = order_by(yard, requester)
    offer = Offer(requester.hash(order), prover.address, TOKEN, 0, order.deadline)
    with refused("BadOffer"):
        coordinator.assign(other, requester.sign(other), offer, prover.sign(offer))
    with refused("BadSignature"):
        coordinator.assign(order, requester.sign(order), offer._replace(bond=TOKEN), prover.sign(offer))
    with refused("TooDear"):
        dear = offer._replace(price=TOKEN + 1)
        coordinator.assign(order, requester.sign(order), dear, prover.sign(dear))


def test_only_the_coordinator_assigns_and_settles(yard: Yard, people: tuple[Client, Client, Client]) -> None:
    _, requester, prover = people
    order, _ = order_by(yard, requester)
    offer = Offer(requester.hash(order), prover.address, TOKEN, 0, order.deadline)
    signed = requester.sign(order), prover.sign(offer)
    with pytest.raises(BadInput, match="wanted the coordinator's"):
        prover.assign(order, signed[0], offer, signed[1])
    with refused("NotCoordinator"):  # past the client
        prover.do("Market", "assign", tuple(order), signed[0], tuple(offer), signed[1])
    with refused("NotCoordinator"):
        prover.do("Settlement", "settle", (bytes(32), bytes(32), bytes(32), b"", [], []), [], [])


def test_a_choice_once_signed_can_be_sent_by_anybody(yard: Yard, people: tuple[Client, Client, Client]) -> None:
    coordinator, requester, prover = people
    stranger = yard.client(6)
    order, inputs = order_by(yard, requester)
    offer, other = (Offer(requester.hash(order), prover.address, price, 0, order.deadline) for price in (TOKEN, 1))
    signed = requester.sign(order), prover.sign(offer)
    chosen = coordinator.choose(offer)
    with pytest.raises(BadInput, match="wanted the coordinator's"):
        stranger.choose(offer)
    with refused("BadSignature"):  # nobody else's choice counts
        stranger.assign_signed(order, signed[0], offer, signed[1], stranger.sign(Choice(stranger.hash(offer))))
    with refused("BadSignature"):  # and not for another offer
        stranger.assign_signed(order, signed[0], other, prover.sign(other), chosen)
    with refused("BadSignature"):  # nor on another chain
        elsewhere = sign(coordinator.account, Choice(requester.hash(offer)), 1, requester.at("Market"))
        stranger.assign_signed(order, signed[0], offer, signed[1], elsewhere)
    stranger.assign_signed(order, signed[0], offer, signed[1], chosen)
    with refused("WrongPhase"):
        stranger.assign_signed(order, signed[0], offer, signed[1], chosen, name="again")
    prover.prove(order, proof_of(inputs), inputs)
    assert prover.job(order)["price"] == TOKEN


def test_nobody_names_a_keeper_later(people: tuple[Client, Client, Client]) -> None:
    coordinator, _, prover = people
    with refused("AlreadySealed"):
        coordinator.do("Vault", "seal", [coordinator.address])
    with refused("NotKeeper"):
        prover.do("Vault", "transfer", people[1].address, prover.address, 1)
    with refused("NotOwner"):
        prover.do("Vault", "setPaused", True)  # noqa: FBT003 - the contract's argument


def test_a_dead_coordinator_and_a_pause_trap_nothing(yard: Yard, people: tuple[Client, Client, Client]) -> None:
    coordinator, requester, prover = people
    order, _ = order_by(yard, requester)
    offer = Offer(requester.hash(order), prover.address, TOKEN, TOKEN, order.deadline)
    coordinator.assign(order, requester.sign(order), offer, prover.sign(offer))
    requester.mint(TOKEN)
    coordinator.do("Vault", "setPaused", True)  # noqa: FBT003 - the contract's argument
    try:
        with refused("IsPaused"):
            requester.deposit(1)
        yard.pass_time(3_601)
        requester.expire(order)
        prover.unstake(prover.pool()["own"])
        yard.pass_time(8 * DAY + 1)
        prover.exit()
        for client in (requester, prover):
            client.leave(client.free())
        yard.pass_time(DAY + 1)
        for client in (requester, prover):
            client.withdraw()
            assert client.free() == 0
    finally:
        coordinator.do("Vault", "setPaused", False)  # noqa: FBT003 - the contract's argument


def test_an_order_nobody_is_given_comes_back(yard: Yard, people: tuple[Client, Client, Client]) -> None:
    requester = people[1]
    before = requester.free()
    order, _ = order_by(yard, requester)
    requester.request(order)
    assert requester.free() == before - TOKEN
    requester.do("Market", "cancel", requester.hash(order))
    assert requester.free() == before
    order, _ = order_by(yard, requester, seconds=60)
    requester.request(order)
    yard.pass_time(61)
    people[2].expire(order)
    assert requester.free() == before


def test_the_coordinator_can_choose_a_dearer_offer(yard: Yard, people: tuple[Client, Client, Client]) -> None:
    coordinator, requester, prover = people
    order, inputs = order_by(yard, requester)
    cheap, dear = (Offer(requester.hash(order), prover.address, price, 0, order.deadline) for price in (1, TOKEN))
    assert prover.sign(cheap) != prover.sign(dear)
    coordinator.assign(order, requester.sign(order), dear, prover.sign(dear))
    prover.prove(order, proof_of(inputs), inputs)
    assert prover.job(order)["price"] == TOKEN


def test_an_assignment_can_come_late(yard: Yard, people: tuple[Client, Client, Client]) -> None:
    coordinator, requester, prover = people
    order, _ = order_by(yard, requester)
    offer = Offer(requester.hash(order), prover.address, TOKEN, 0, order.deadline - 1_800)
    signed = requester.sign(order), prover.sign(offer)
    yard.pass_time(1_700)
    coordinator.assign(order, signed[0], offer, signed[1])  # 100 s are left
    late, _ = order_by(yard, requester)
    offer = Offer(requester.hash(late), prover.address, TOKEN, 0, late.deadline - 1_800)
    yard.pass_time(1_801)
    with refused("Late"):
        coordinator.assign(late, requester.sign(late), offer, prover.sign(offer))


def test_a_batch_can_come_too_late(apart: Yard) -> None:
    yard, requester, prover = apart, apart.client(5), apart.client(6)
    before = requester.free(), prover.free()
    order, inputs = order_by(yard, requester, seconds=60)
    yard.pass_time(61)
    settle((yard.client(0), requester, prover), order, inputs)
    assert (requester.free(), prover.free()) == before  # the order is over, and there is no mandate


def test_sixteen_jobs_settle_under_one_joined_proof(make_yard: Callable[..., Yard]) -> None:
    yard = make_yard({CIRCUIT: light_circuit(Kind.ROLLUP)})
    coordinator, requester, prover = (yard.client(k) for k in range(3))
    requester.mint(100 * TOKEN)
    requester.deposit(100 * TOKEN)
    payee, chain = int(prover.address, 16).to_bytes(32, "big"), (31337).to_bytes(32, "big")
    words = [number.to_bytes(32, "big") for number in range(17)]
    commitments = [1_000 + k for k in range(16)]
    parts = [(words[k], words[k + 1], commitments[k].to_bytes(32, "big"), 5) for k in range(16)]
    payments: list[Payment] = []
    for old, new, commitment, fees in parts:
        statement = statement_of([old, new, commitment, fees.to_bytes(32, "big"), chain], Kind.ROLLUP)
        order = Order(requester.address, CIRCUIT, statement, TOKEN, now(yard) + 3_600, next(nonces))
        payments.append(Payment(order, requester.sign(order, "Settlement"), prover.address, TOKEN))
    level = commitments
    while len(level) > 1:
        level = [commit_joined(left, right) for left, right in zip(level[::2], level[1::2], strict=True)]
    inputs = [words[0], words[16], level[0].to_bytes(32, "big"), (80).to_bytes(32, "big"), chain, payee, b"\7" * 32]
    good = Batch(bytes(32), b"\1" * 32, CIRCUIT, proof_of(inputs), inputs, parts)
    bad = [*inputs[:6], b"\6" * 32]
    with refused("WrongStatement"):  # joined under another key
        coordinator.settle(good._replace(inputs=bad, proof=proof_of(bad)), payments, {})
    with refused("WrongStatement"):  # in another order
        coordinator.settle(good, payments[::-1], {}, name="reversed")
    with refused("WrongStatement"):  # one job more than was proven
        coordinator.settle(good, [*payments, payments[0]], {}, name="one more")
    receipt = coordinator.settle(good, payments, {}, name="good")
    assert prover.free() == 16 * TOKEN
    assert requester.free() == 84 * TOKEN
    assert receipt.gas_used < 16 * 60_000
    assert prover.read("Settlement", "isProven", CIRCUIT, statement_of(inputs, Kind.ROLLUP))


def test_a_proof_for_another_market_is_refused_and_not_sent(yard: Yard, people: tuple[Client, Client, Client]) -> None:
    _, requester, prover = people
    order, inputs = order_by(yard, requester)  # a job of another market: this one was never asked for it
    with refused("WrongPhase"):
        prover.prove(order, proof_of(inputs), inputs, name="stray")
    with pytest.raises(BadInput, match="public inputs of the order's statement"):
        prover.prove(order, proof_of(inputs), [b"\1" * 32], name="stray")
    assert not prover.outbox.knows("stray")


def test_a_circuit_never_changes_and_retiring_it_stops_only_new_orders(make_yard: Callable[..., Yard]) -> None:
    yard = make_yard()
    owner, requester, prover = people = yard.client(0), yard.client(1), yard.client(2)
    requester.mint(10 * TOKEN)
    requester.deposit(10 * TOKEN)
    order, inputs = order_by(yard, requester)
    offer = Offer(requester.hash(order), prover.address, TOKEN, 0, order.deadline)
    owner.assign(order, requester.sign(order), offer, prover.sign(offer))
    entry = owner.read("Verifier", "circuits", CIRCUIT)
    with refused("KnownCircuit"):
        owner.do("Verifier", "add", CIRCUIT, entry)
    with refused("NotOwner"):
        prover.do("Verifier", "retire", CIRCUIT)
    owner.do("Verifier", "retire", CIRCUIT)
    late, _ = order_by(yard, requester)
    with refused("UnknownCircuit"):
        requester.request(late)
    prover.prove(order, proof_of(inputs), inputs)
    settled, inputs = order_by(yard, requester)
    settle(people, settled, inputs)
    assert prover.free() == 2 * TOKEN


def test_whoever_sends_a_copied_proof_pays_the_assigned_prover(
    yard: Yard, people: tuple[Client, Client, Client]
) -> None:
    coordinator, requester, prover = people
    thief = yard.client(5)
    order, inputs = order_by(yard, requester)
    offer = Offer(requester.hash(order), prover.address, TOKEN, 0, order.deadline)
    coordinator.assign(order, requester.sign(order), offer, prover.sign(offer))
    before = prover.free(), thief.free()
    thief.prove(order, proof_of(inputs), inputs)
    assert (prover.free(), thief.free()) == (before[0] + TOKEN, before[1])


def test_stake_that_delegators_do_not_bear_is_the_operators_alone(yard: Yard) -> None:
    operator, delegator = yard.client(6), yard.client(7)
    for client in (operator, delegator):
        client.mint(10 * TOKEN)
        client.deposit(10 * TOKEN)
    operator.set_terms(500, Bearer.OPERATOR)
    operator.stake(2 * TOKEN)
    delegator.delegate(operator.address, 5 * TOKEN)
    assert operator.read("Vault", "unbound", operator.address) == 2 * TOKEN
    with refused("BadTerms"):
        operator.set_terms(500, Bearer.EVERYONE)
