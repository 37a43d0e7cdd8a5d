"""The scan state: what a block takes, what it buys, what a tree costs; and the price of work nobody has to do twice.

Section numbers are those of the field page on chains, section 3 (Mina), and what it says about tests is quoted.
"""

import random
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofyard.conformance import compiled
from proofyard.conformance.market import Market, Setup
from proofyard.core import ANYONE, BadInput, Event, Kind, Phase, Verdict
from proofyard.mechanisms import rule, scan_state
from proofyard.mechanisms.scan_state import Params

CASH = 10**12
SLOT = 1_000
MAINNET = Params()
SMALL = {"capacity_log_2": 3, "work_delay": 1, "coinbase_gwei": 720, "supply_gwei": 10**6, "slot_ms": SLOT}
WORKERS = 12  # the users come after them


class Chain:
    """An audited chain; the user asks for transactions in the order of their jobs."""

    def __init__(self, jobs: int = 200, **params: int) -> None:
        text = ", ".join(f"{name}={value}" for name, value in (SMALL | params).items())
        self.market = Market(Setup(rule(f"scan_state({text})"), jobs, (CASH,) * (WORKERS + 1)))
        self.s, self.b = self.market.sheet.state, self.market.book
        self.p: Params = self.market.setup.rule.params
        self.asked = self.now = 0

    def do(self, kind: Kind, actor: int = 0, job: int = 0, amount: int = 0) -> Verdict:
        return self.market.answer(Event(kind, self.now, actor, job, amount, 1, 0))

    def ok(self, kind: Kind, actor: int = 0, job: int = 0, amount: int = 0) -> None:
        assert self.do(kind, actor, job, amount) == Verdict.OK

    def ask(self, count: int, fee: int = 100) -> None:
        for _ in range(count):
            self.ok(Kind.REQUEST, WORKERS, self.asked, fee)
            self.asked += 1

    def jobs(self, phase: Phase) -> list[int]:
        return [job for job in range(self.asked) if self.b.phase[job] == phase]

    def prove(self, worker: int = 0, fee: int = 1, most: int = 10**9) -> int:
        """Let a worker prove the open bundles, the oldest first."""
        self.ok(Kind.OFFER, worker, amount=fee)
        todo = self.jobs(Phase.OPEN)[:most]
        return sum(self.do(Kind.PROVE, worker, job) == Verdict.OK for job in todo)

    def block(self) -> tuple[int, int]:
        """Go on to the next slot and make its block; returns leaves filled and bundles bought."""
        self.now += SLOT
        filled, paid = int(self.s.filled[0]), int((self.b.paid > 0).sum())
        waiting, proven = self.jobs(Phase.BIDDING), self.jobs(Phase.PROVEN)
        if waiting:
            self.ok(Kind.CLOSE, job=waiting[0])
        else:
            due = [job for job in proven if self.b.deadline[job] < self.now]
            if due:
                self.ok(Kind.SETTLE, job=due[0])
        return int(self.s.filled[0]) - filled, int((self.b.paid > 0).sum()) - paid

    def gain_of_user(self) -> int:
        return int(self.b.cash[WORKERS]) - CASH

    def settle(self) -> None:
        """Go on without new transactions until every job is over."""
        while any(self.b.phase[job] not in (Phase.SETTLED, Phase.LOST) for job in range(self.asked)):
            self.prove()
            self.block()


# --- the forest: parameters of mainnet, and an explicit one ---


def test_numbers_of_mainnet() -> None:
    """The table: D 7 (128 leaves), w 2, slot 180 s, coinbase 720, default fee .025; 25 trees, 255 proofs, 24 blocks."""
    d, w = MAINNET.capacity_log_2, MAINNET.work_delay
    assert (2**d, w, MAINNET.slot_ms, MAINNET.coinbase_gwei) == (128, 2, 180_000, 720 * 10**9)
    assert MAINNET.default_fee_gwei == 25 * 10**6
    assert (d + 1) * (w + 1) + 1 == 25  # max trees
    forest = Forest(d, w)
    forest.fill(128)
    assert (forest.proofs, forest.bundles, forest.single) == (255, 128, 1)
    assert (d + 1) * (w + 1) * MAINNET.slot_ms == 72 * 60_000  # emission delay 24 full blocks, at least 72 minutes


class Forest:
    """The forest of trees, job by job, full of work in steady state: what the rule's row of leaves stands for.

    A tree is how many jobs of each level are done: root, ..., base, and then how many transactions it has.
    """

    def __init__(self, d: int, w: int) -> None:
        self.d, self.w = d, w
        self.proofs = self.bundles = self.single = self.emitted = self.most = 0
        self.left = 0
        self.todo: deque[tuple[list[int], int]] = deque()
        self.trees: deque[list[int]] = deque()
        for age in range((d + 1) * (w + 1), 0, -1):  # the oldest first
            done = (age - 1) // (w + 1)  # levels proven, from the base
            self.trees.append([0 if level <= d - done else 2**level for level in range(d + 2)])
            self.trees[-1][d + 1] = 2**d
        self.by_stage: list[int] = []

    def new_tree(self) -> None:
        """Begin a tree; due with it are the leaves of the tree w + 1 older, ..., the root of the oldest."""
        self.trees.append([0] * (self.d + 2))
        self.most = max(self.most, len(self.trees))
        self.left = 2**self.d
        self.by_stage = []
        for level in range(self.d + 1):  # the root's tree is the oldest
            tree = self.trees[-1 - (self.d + 1 - level) * (self.w + 1)]
            self.todo.extend([(tree, level)] * 2**level)
            self.by_stage.append(2**level)

    def fill(self, leaves: int) -> None:
        for _ in range(leaves):
            if self.left == 0:
                self.new_tree()
            self.left -= 1
            self.trees[-1][self.d + 1] += 1
            self.bundles += 1
            self.single += len(self.todo) == 1
            for _ in range(min(2, len(self.todo))):
                tree, level = self.todo.popleft()
                below = tree[level + 1] if level == self.d else tree[level + 1] // 2
                assert tree[level] < below, "a job before its inputs"
                tree[level] += 1
                self.proofs += 1
                if level == 0:
                    assert tree is self.trees.popleft()
                    self.emitted += 1


def test_forest_in_steady_state() -> None:
    """Step 2: 128 + 64 + ... + 1 = 255 proofs, of trees (w+1), 2(w+1), ..., (D+1)(w+1) old; the root is out."""
    forest = Forest(7, 2)
    forest.fill(128)
    assert forest.by_stage == [1, 2, 4, 8, 16, 32, 64, 128]
    assert (forest.emitted, forest.most, len(forest.trees)) == (1, 25, 24)


@pytest.mark.parametrize(("d", "w"), [(7, 2), (2, 1), (3, 0), (4, 3)])
def test_row_of_leaves_is_the_forest(d: int, w: int) -> None:
    """Roots come out of the rule's count when they do in the forest, whatever is filled at once, after the start.

    The check case of the page is (2, 1): 7 trees, and the proof of block 1's tree leaves in block 7.
    """
    forest = Forest(d, w)
    s = rule(f"scan_state(capacity_log_2={d}, work_delay={w})").genesis(1, 1)
    p = Params(capacity_log_2=d, work_delay=w)
    delay = (d + 1) * (w + 1)
    scan_state.advance(p, s, delay << d)  # the trees the forest begins with
    dice = random.Random(d)
    for _ in range(60):
        leaves = dice.randrange(1, 2**d + 1)
        forest.fill(leaves)
        scan_state.advance(p, s, leaves)
        assert int(s.snarked[0]) == forest.emitted
    assert forest.most == delay + 1
    full = rule(f"scan_state(capacity_log_2={d}, work_delay={w})").genesis(1, 1)
    blocks = 0
    while full.snarked[0] == 0:
        scan_state.advance(p, full, 2**d)
        blocks += 1
    assert blocks == 1 + delay  # (2, 1): block 1's tree in block 7


def test_bundle_of_a_leaf_is_due_with_the_leaf_w_plus_1_trees_later() -> None:
    """A leaf of a full block needs what the block (w + 1) blocks ago left to prove."""
    c = Chain(coinbase_gwei=0)
    blocks: list[list[int]] = []
    for _ in range(6):
        c.ask(7)
        c.prove(fee=1)
        before = set(c.jobs(Phase.SETTLED))
        assert c.block()[0] == 8
        paid = set(c.jobs(Phase.SETTLED)) - before
        blocks.append([job for job in range(c.asked) if c.b.phase[job] == Phase.OPEN])
        assert sorted(paid) == (blocks[-3] if len(blocks) > 2 else [])


# --- throughput ---


@pytest.mark.parametrize("demand", [1, 4, 6, 7, 12])
@pytest.mark.parametrize("supply", [0, 3, 5, 6])
def test_throughput_is_the_least_of_demand_room_and_work(demand: int, supply: int) -> None:
    """Tests: throughput is min(tx demand, 128, completed bundles) per block, in leaves: here 8 instead of 128.

    Two of them are the coinbase's and the share of the producer and the worker. The last two bundles due are free.
    """
    c = Chain()
    for _ in range(2):
        c.ask(6)
        c.block()
    assert c.prove(fee=1, most=supply) == supply
    completed = supply if supply < 6 else 8
    c.ask(demand)
    leaves, _ = c.block()
    assert demand - len(c.jobs(Phase.BIDDING)) == max(0, min(demand + 2, 8, completed) - 2)
    assert leaves == min(demand + 2, 8, completed)


@pytest.mark.parametrize("outage", [1, 3, 10])
def test_backlog_of_an_outage_drains_at_a_full_block(outage: int) -> None:
    """Tests: a proving outage of X blocks leaves backlog that drains at <= 128 bundles per block, here 8."""
    c = Chain(400)
    for _ in range(4):
        c.ask(4)
        c.prove()
        c.block()
    filled: list[int] = []
    for _ in range(outage + 4):  # work done lasts w + 1 trees, four of these blocks
        c.ask(4)
        filled.append(c.block()[0])
    assert filled[-1] == 0  # with no completed work at the head not even the coinbase can be added
    backlog = len(c.jobs(Phase.BIDDING))
    assert backlog >= 4 * (outage - 1)
    drained: list[int] = []
    while len(c.jobs(Phase.BIDDING)) > 0:
        c.prove()
        leaves, bought = c.block()
        drained.append(leaves)
        assert bought <= 8
    assert max(drained) <= 8
    assert drained[:-1] == [8] * (len(drained) - 1)
    assert len(drained) == -(-backlog // 6)  # six transactions to a full block


def test_chain_without_transactions_hardly_advances_its_proofs() -> None:
    """Step 4: an idle chain emits proofs more slowly than a busy one."""
    busy, idle = Chain(400), Chain(400)
    for c, demand in ((busy, 6), (idle, 1)):
        for _ in range(20):
            c.ask(demand)
            c.prove()
            c.block()
    assert (busy.s.filled[0], busy.s.snarked[0]) == (160, 20 - 8)
    assert (idle.s.filled[0], idle.s.snarked[0]) == (60, 0)


# --- a block's money ---


def test_fees_pay_for_work_and_the_producer_keeps_the_rest() -> None:
    """Producer's packing rule: budget = sum of tx fees - sum of fees to other provers; the coinbase is minted."""
    c = Chain()
    for _ in range(2):
        c.ask(6, fee=50)
        c.block()
    c.prove(fee=7)
    before = int(c.s.purse[0])
    c.ask(6, fee=50)
    leaves, bought = c.block()
    assert (leaves, bought) == (8, 6)
    assert c.s.purse[0] - before == 720 + 6 * 50 - 6 * 7
    assert c.b.cash[0] - CASH == 6 * 7
    assert int(c.b.reserve[0]) == 10**6 - 3 * 720


@pytest.mark.parametrize(
    ("fee", "bought", "transactions"), [(220, 6, 6), (221, 4, 2), (230, 4, 2), (231, 3, 1), (360, 2, 0), (361, 0, 0)]
)
def test_dear_work_is_not_bought_beyond_what_the_block_earns(fee: int, bought: int, transactions: int) -> None:
    """Budget >= 0, the coinbase may pay for work up to 720; else the last work is dropped, and its leaf with it.

    Six bundles are due, one leaf each; with t leaves t - 2 transactions of 100 fit: min(t, 6) fee <= 720 + 100 (t - 2).
    """
    c = Chain()
    for _ in range(2):
        c.ask(6, fee=1)
        c.block()
    c.prove(fee=fee)
    c.ask(6, fee=100)
    leaves, paid = c.block()
    assert (paid, 6 - len(c.jobs(Phase.BIDDING))) == (bought, transactions)
    assert leaves == (8 if transactions == 6 else bought)
    assert c.b.cash[0] - CASH == bought * fee


def test_income_of_workers_is_at_most_coinbase_and_fees_of_the_block() -> None:
    """Tests: total prover income per block <= 720 + fees, under random fees and offers."""
    dice = random.Random(4)
    c = Chain(300)
    for _ in range(40):
        c.ask(dice.randrange(8), fee=dice.choice((1, 20, 300)))
        for worker in range(4):
            c.prove(worker, fee=dice.choice((1, 90, 500, 2_000)), most=2)
        purse, cash, reserve = int(c.s.purse[0]), int(c.b.cash[:WORKERS].sum()), int(c.b.reserve[0])
        escrow = int(c.b.escrow.sum())
        c.block()
        income = int(c.b.cash[:WORKERS].sum()) - cash
        minted, fees = reserve - int(c.b.reserve[0]), escrow - int(c.b.escrow.sum())
        assert income <= minted + fees <= 720 + fees
        assert int(c.s.purse[0]) - purse == minted + fees - income
    assert c.b.paid.sum() > 0


def test_many_workers_eat_leaves() -> None:
    """Economics: many distinct provers eat fee-transfer slots: leaves = commands + ceil(recipients / 2) + coinbase."""
    for workers, transactions in ((1, 14), (2, 13), (3, 13), (5, 12), (9, 10)):
        c = Chain(capacity_log_2=4)
        for _ in range(2):
            c.ask(14)
            c.block()
        for worker in range(workers):
            c.prove(worker, fee=1, most=1 if worker < workers - 1 else 99)
        c.ask(16)
        waiting = len(c.jobs(Phase.BIDDING))
        assert c.block()[0] == 16
        assert waiting - len(c.jobs(Phase.BIDDING)) == transactions == 16 - 1 - -(-(workers + 1) // 2)


@pytest.mark.parametrize("parts", [1, 2])
def test_each_part_of_a_coinbase_takes_a_leaf(parts: int) -> None:
    """Packing rule: slots = commands + ceil(paid / 2) + coinbase parts (0-2): no part where nothing is minted."""
    for coinbase, leaves in ((720, parts), (0, 0)):
        c = Chain(coinbase_leaves=parts, coinbase_gwei=coinbase)
        c.ask(9)
        assert c.block()[0] == 8
        assert 9 - len(c.jobs(Phase.BIDDING)) == 8 - 1 - leaves  # and one leaf for the producer's share


def test_highest_fees_first_and_of_equal_ones_the_earlier() -> None:
    c = Chain()
    for fee in (5, 9, 5, 7, 9, 5, 5, 5, 5):
        c.ask(1, fee)
    c.block()
    assert c.jobs(Phase.BIDDING) == [6, 7, 8]


def test_coinbases_end_with_the_supply() -> None:
    """Ours: the mint pays what is there."""
    c = Chain(supply_gwei=1_000)
    for _ in range(3):
        c.ask(1)
        c.block()
    assert (int(c.b.reserve[0]), int(c.s.purse[0])) == (0, 1_000 + 300)


# --- the price of work ---


def undercut(c: Chain, job: int, costs: list[int], start: int, tick: int = 1) -> tuple[int, int]:
    """Let workers undercut the standing offer by a tick, while that is not below their cost; the offer that stands."""
    c.ok(Kind.OFFER, 0, amount=start)
    c.ok(Kind.PROVE, 0, job)
    moved = True
    while moved:
        moved = False
        for worker, cost in enumerate(costs):
            fee = int(c.s.fee[job]) - tick
            if worker != c.b.prover[job] and fee >= cost:
                c.ok(Kind.OFFER, worker, amount=fee)
                c.ok(Kind.PROVE, worker, job)
                moved = True
    return int(c.b.prover[job]), int(c.s.fee[job])


@pytest.mark.parametrize("tick", [1, 2])
def test_standing_price_falls_to_just_under_the_second_lowest_cost(tick: int) -> None:
    """Tests: with c1 < c2 < ... the standing price falls to just under c2 (tick)."""
    c = Chain()
    c.ask(1)
    c.block()
    worker, fee = undercut(c, 0, [30, 20, 45], 100, tick)
    assert worker == 1
    assert 30 - tick <= fee < 30 + tick
    assert c.do(Kind.PROVE, 0, 0) == Verdict.TOO_DEAR


def test_standing_price_falls_to_the_lowest_cost_when_it_is_duplicated() -> None:
    """Tests: ... or to c1 when c1 is duplicated."""
    c = Chain()
    c.ask(1)
    c.block()
    assert undercut(c, 0, [20, 20, 45], 100)[1] == 20


def test_pool_keeps_the_earlier_of_equal_offers_or_the_one_of_the_lower_hash() -> None:
    """Pool rule: strictly cheaper (OCaml); the Rust node breaks exact ties by hash of (work, prover)."""
    for ties in (0, 1):
        replaced = 0
        for job in range(6):
            c = Chain(rust_ties=ties)
            c.ask(6)
            c.block()
            c.prove(0, fee=9, most=6)
            c.ok(Kind.OFFER, 1, amount=9)
            verdict = c.do(Kind.PROVE, 1, job)
            assert verdict == (Verdict.OK if c.b.prover[job] == 1 else Verdict.TOO_DEAR)
            replaced += verdict == Verdict.OK
            assert c.do(Kind.PROVE, 1, job) == Verdict.TOO_DEAR  # its own offer again
            if verdict == Verdict.OK:
                assert c.do(Kind.PROVE, 0, job) == Verdict.TOO_DEAR
        assert replaced == 0 if ties == 0 else 0 < replaced < 6


def test_default_fee() -> None:
    """Default worker fee: who has not said asks `default_fee_gwei`."""
    c = Chain(default_fee_gwei=25)
    c.ask(1)
    c.block()
    c.ok(Kind.PROVE, 3, 0)
    assert c.s.fee[0] == 25


# --- when nobody proves ---


def test_producers_prove_free_what_nobody_has() -> None:
    """Economics: producers can self-prove at fee 0; here after a while, so that the chain goes on."""
    c = Chain(self_prove=5)
    c.ask(6)
    c.block()
    assert c.do(Kind.EXPIRE, job=0) == Verdict.EARLY
    c.now += 5 * SLOT
    assert c.do(Kind.EXPIRE, job=0) == Verdict.EARLY
    c.now += 1
    c.ok(Kind.EXPIRE, job=0)
    assert (c.b.phase[0], c.b.prover[0], c.b.paid[0]) == (Phase.SETTLED, ANYONE, 0)
    assert c.do(Kind.PROVE, 0, 0) == Verdict.WRONG_PHASE


def test_offer_nobody_buys_is_dropped() -> None:
    c = Chain(self_prove=3, coinbase_gwei=0)
    c.ask(1)
    c.block()
    c.prove(fee=10**9)
    while c.b.phase[0] == Phase.PROVEN:
        c.now = int(c.b.deadline[0]) + 1
        c.ok(Kind.SETTLE, job=0)
    assert (c.b.prover[0], c.b.paid[0], c.now // SLOT > 3) == (ANYONE, 0, True)


def test_transaction_no_block_takes_goes_back() -> None:
    c = Chain(patience=2)
    c.ask(9)
    c.block()
    c.block()
    assert c.jobs(Phase.BIDDING) == []
    c = Chain(patience=2, capacity_log_2=2)
    c.ask(9)
    for _ in range(3):
        c.block()
    assert c.s.filled[0] == 8  # two blocks of two transactions each; for the next leaf a bundle is missing
    last = c.jobs(Phase.BIDDING)[-1]
    c.ok(Kind.CLOSE, job=last)
    taken = len(c.jobs(Phase.OPEN))
    assert (c.b.phase[last], c.gain_of_user()) == (Phase.LOST, -100 * (taken + len(c.jobs(Phase.BIDDING))))


def test_everything_ends() -> None:
    c = Chain()
    c.ask(40)
    c.settle()
    assert (len(c.jobs(Phase.SETTLED)), int(c.s.live[0]), int(c.s.queued[0])) == (40, 0, 0)
    assert int(c.b.paid.sum()) == 40


def test_refused() -> None:
    c = Chain()
    assert c.do(Kind.REQUEST, WORKERS, 0, 0) == Verdict.BAD_AMOUNT
    assert c.do(Kind.REQUEST, WORKERS, 0, CASH + 1) == Verdict.POOR
    assert c.do(Kind.STAKE, 0, amount=5) == Verdict.UNKNOWN
    c.ask(1)
    assert c.do(Kind.PROVE, 0, 0) == Verdict.WRONG_PHASE
    assert c.do(Kind.CLOSE, 0, 0) == Verdict.EARLY
    assert c.do(Kind.BID, 0, 0, 5) == Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("slot_ms=0", "slot_ms"), ("capacity_log_2=1", "capacity_log_2"), ("capacity_log_2=10", "capacity_log_2"),
        ("work_delay=-1", "work_delay"), ("work_delay=31", "work_delay"), ("coinbase_gwei=-1", "coinbase_gwei"),
        ("coinbase_leaves=3", "coinbase_leaves"),
        ("supply_gwei=-1", "supply_gwei"), ("default_fee_gwei=0", "default_fee_gwei"), ("patience=151", "patience"),
        ("self_prove=0", "self_prove"), ("rust_ties=2", "rust_ties"), ("capacity_log_2=-5", "capacity_log_2"),
    ],
)  # fmt: skip
def test_senseless_parameters(text: str, name: str) -> None:
    with pytest.raises(BadInput) as caught:
        rule(f"scan_state({text})")
    assert caught.value.field == f"mechanism.{name}"


# --- whatever happens ---


@given(st.integers(0, 2**32), st.integers(2, 4), st.integers(0, 2), st.integers(0, 1))
def test_whatever_happens_money_is_kept_and_the_compiled_rule_agrees(
    seed: int, log: int, delay: int, ties: int
) -> None:
    """Every event is audited by the market: conserved, nothing negative, refused means untouched."""
    dice = random.Random(seed)
    c = Chain(60, capacity_log_2=log, work_delay=delay, rust_ties=ties, patience=4, self_prove=6)
    for _ in range(25):
        match dice.randrange(4):
            case 0:
                c.ask(min(dice.randrange(6), 60 - c.asked), fee=dice.choice((1, 30, 400)))
            case 1:
                c.prove(dice.randrange(WORKERS), fee=dice.choice((1, 25, 800)), most=dice.randrange(9))
            case 2:
                for job in c.jobs(Phase.PROVEN)[:3]:
                    c.do(Kind.PROVE, dice.randrange(WORKERS), job)
                for job in c.jobs(Phase.OPEN)[:2]:
                    c.do(Kind.EXPIRE, 0, job)
            case _:
                c.block()
    compiled.compare(c.market.trace())
