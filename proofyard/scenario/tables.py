"""The tables of a scenario and their keys, each with its default; what is not here is refused."""

from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from proofyard.core.book import MAX_GWEI
from proofyard.core.errors import BadInput
from proofyard.scenario.quantities import Duration, MicroUsd, PositiveDuration, Tokens, Watts


class Table(BaseModel):
    """Every table of a scenario: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Token(Table):
    """What the market pays in."""

    decimals: int = Field(default=9, ge=0, le=9)  # 1 token = 10**decimals of the smallest unit
    supply: Tokens | None = None  # circulating; None: all the money in the scenario
    usd: Tokens = Decimal(1)  # price of one token


class Workload(Table):
    """Who asks for proofs, of what size, how often."""

    arrivals: Literal["poisson", "fixed", "trace", "closed_loop", "after"] = "poisson"
    every: PositiveDuration = 12_000  # mean time between requests; pause after an answer for closed_loop
    size: str = "ethereum_block"
    deadline: PositiveDuration | None = None  # fills the rule's window where the rule text does not set it
    max_fee: Tokens = Decimal(1)  # the most a request pays
    requests: int | None = Field(default=None, ge=1, le=200_000_000)  # at most; None: as many as the horizon holds
    clients: int = Field(default=1, ge=1, le=1_000_000)  # closed_loop: requests in flight
    trace: str | None = None  # CSV of measured proofs
    after: str | None = None  # scenario of the layer before this one: what is proven there asks here, at that moment
    batch: int = Field(default=1, ge=1, le=1_000_000)  # jobs of that scenario to one request of this
    requester: Literal["rollup", "provers"] = "rollup"  # provers: each request is proposed by a prover, by lot
    wait_cost: Tokens = Decimal(0)  # what an hour of waiting for a proof costs it; only attacks are judged by it
    wrong_worth: Tokens = Decimal(0)  # of a wrong transition that is final, to who lied; users lose as much
    coalition: str = ""  # of the rollup, see [[provers]]


class Requester(Table):
    """Another one who asks for proofs, with money of its own, beside the rollup of [workload]."""

    name: str = ""
    arrivals: Literal["poisson", "fixed"] = "fixed"
    every: PositiveDuration = 12_000  # mean time between its requests
    first: Duration = 0  # its requests begin then
    requests: int | None = Field(default=None, ge=1, le=200_000_000)  # at most; None: as many as the horizon holds
    size: str | None = None  # a distribution of sizes; None: the workload's
    work: float = Field(default=1.0, ge=0.0, le=1e3)  # times what its size says a proof takes; 0: nobody can prove it
    max_fee: Tokens = Decimal(1)  # the most a request pays
    funded: float = Field(default=1.0, ge=0.0, le=1.0)  # share of what all its requests promise that it has
    worth: Tokens | None = None  # what a proof is worth to it; None: max_fee
    wait_cost: Tokens = Decimal(0)  # what an hour of waiting for a proof costs it; only attacks are judged by it
    coalition: str = ""  # whose it is, see [[provers]]


class Cost(Table):
    """What proving costs."""

    per_hour: MicroUsd | None = None  # rent or capital of the whole set-up; None: the hardware's sourced rent
    energy: Watts | None = None  # at full load; None: the hardware's sourced power
    tariff: MicroUsd = 100_000  # per kWh
    billing: Literal["busy", "online"] = "busy"  # rent and power by the hour worked or by the hour on line


class Stake(Table):
    """How a class shares its stake out: equally, or by Zipf's law over the class in order."""

    total: Tokens
    zipf: float = Field(default=0.0, ge=0.0, le=10.0)


class Exit(Table):
    """When a prover leaves the market for lack of profit, and when it tries again."""

    after: PositiveDuration = 7 * 86_400_000  # it looks at its profit over this long
    back_after: PositiveDuration = 7 * 86_400_000
    budget: Tokens | None = None  # broke for good once it has lost this much


class Elsewhere(Table):
    """What else idle hardware earns: it leaves when an hour there pays more than an hour here, and comes back."""

    per_hour: MicroUsd  # of the whole set-up on average, less what it costs there
    swing: float = Field(default=0.5, ge=0.0, le=5.0)  # standard deviation of the price's logarithm
    memory: PositiveDuration = 86_400_000  # after so long, 1/e of a deviation is left
    place: str = ""  # classes that name the same place see the same price
    after: PositiveDuration = 3_600_000  # it looks at what an hour here left its class over this long
    share: float = Field(default=0.5, ge=0.0, le=1.0)  # of those who look around at an epoch


class Invest(Table):
    """Hardware that has to be bought to enter. It leaves as `leave` says, and sells it."""

    price: MicroUsd  # of the whole set-up
    salvage: float = Field(default=0.2, ge=0.0, le=1.0)  # part of it that a sale brings back; the rest is sunk
    payback: PositiveDuration = 365 * 86_400_000  # it enters where the rest is earned within this long
    after: PositiveDuration = 7 * 86_400_000  # at the profit of those inside over this long
    share: float = Field(default=0.1, ge=0.0, le=1.0)  # of those outside who look at an epoch
    inside: int = Field(default=0, ge=0)  # of the class who are in the market at the start, their hardware paid for


class Outsource(Table):
    """Buying a proof it cannot make in time from another class."""

    to: str | list[str]  # name of the class, or of several next to each other
    setup: Duration = 0
    price: Tokens = Decimal(0)  # per proof, paid on delivery


class Watch(Table):
    """Looking at the claims of others, to contest them, under a rule that takes contests."""

    share: float = Field(default=1.0, ge=0.0, le=1.0)  # of the claims it looks at
    delay: Duration = 600_000  # from a claim to its answer
    cost: Tokens = Decimal(0)  # of a look


class Decide(Table):
    """Making the higher proof that decides a contest; those named first are called first."""

    tier: int = Field(default=3, ge=1, le=15)  # of its proof, as the rule counts them
    delay: Duration = 1_800_000  # from the contest to its proof
    cost: Tokens = Decimal(0)  # of that proof


class ProverClass(Table):
    """One class of provers."""

    name: str = ""
    count: int = Field(default=1, ge=1, le=2_000_000)
    hardware: str = "8x5090/zisk-0.16"
    capacity: int = Field(default=1, ge=1, le=1_000_000)  # proofs at once, true
    stake: Tokens | Stake = Decimal(0)
    delegated: Tokens = Decimal(0)  # delegated to each of the class at the start
    cash: Tokens = Decimal(0)  # free money of each at the start, beyond the stake
    ask: Tokens | Literal["cost"] = "cost"  # price offered per proof (or per unit, as the rule has it)
    cost: Cost = Cost()
    online: str = "always"
    policy: str = "honest"
    proposes: bool = True  # is it among those drawn where provers propose (workload.requester)?
    wrong: float = Field(default=0.0, ge=0.0, le=1.0)  # share of jobs on which its set-up proves wrongly by mistake
    watch: Watch | None = None  # it looks at claims and contests them
    decide: Decide | None = None  # it decides contests
    twin: str = ""  # name of a class of the same count: the other identity of each of its provers
    backs: str = ""  # name of a class: it delegates to the first prover of it at the start
    backing: Tokens = Decimal(0)  # so much, each, out of its cash
    coalition: str = ""  # who shares its profits; results show each coalition's payoff
    hopeless: Literal["skip", "work"] = "skip"  # an assigned job it cannot finish in time: leave it, or work it off
    vote_delay: Duration = 100  # its votes arrive so much later on average, evenly from half to one and a half of it
    bids: Literal["standing", "each"] = "standing"  # its offer stands for all jobs, or it bids on each as it comes
    open_jobs: Literal["race", "ignore"] = "race"  # does it work on jobs that anybody may prove?
    restake: Literal["never", "unseated", "always"] = "never"  # puts its cash back into stake at every epoch
    accepts: Tokens | None = None  # most delegated stake each accepts; None: any amount
    in_hand: Literal["finish", "drop"] = "finish"  # work it is at when it leaves the market: finished, or lost
    leave: Exit | None = None
    elsewhere: Elsewhere | None = None
    invest: Invest | None = None
    outsource: Outsource | None = None


class Liquid(Table):
    """A token for delegated stake: who holds it leaves at once, by selling to a desk that waits in its place."""

    share: float = Field(default=1.0, ge=0.0, le=1.0)  # of the delegators who hold it
    discount: float = Field(default=0.005, ge=0.0, le=1.0)  # part of the amount that the desk keeps
    cash: Tokens = Decimal(1_000)  # of the desk; when it is gone, all wait


class Insurance(Table):
    """A fund that makes slashes of delegated stake good, paid for by the operators."""

    cover: float = Field(default=1.0, ge=0.0, le=1.0)  # part of what delegators lose that it makes good
    premium: float = Field(default=0.01, ge=0.0, le=1.0)  # a year, of the delegated stake, out of the operator's cash
    cash: Tokens = Decimal(1_000)  # of the fund at the start


class Delegators(Table):
    """Those who delegate stake, as a population."""

    count: int = Field(default=100, ge=1, le=1_000_000)
    policy: str = "stay"
    elasticity: float | None = Field(default=None, ge=0.0, le=100.0)  # percent more stake for a percent more return
    sticky: float = Field(default=0.0, ge=0.0, le=1.0)  # part of them that never moves
    shuns_commission: float = Field(default=0.0, ge=0.0, le=100.0)  # APR held against a commission of 100 %, beyond it
    liquid: Liquid | None = None
    insurance: Insurance | None = None


class Market(Table):
    """How participants behave that no single class decides."""

    losers: Literal["run_on", "stop"] = "stop"  # who lost a race works on, or stops when it sees the proof
    favours: str = ""  # name of a class: whoever keeps the order of events holds up the proofs of all others
    holds: Duration = 0  # for so long
    first_look: bool = False  # whom it favours is shown what the others offer and bid before it does so itself
    epoch: PositiveDuration | None = None  # between decisions and samples; None: horizon / 240


class Chain(Table):
    """The chain proofs are settled on: who proved a job pays for what a prover sends, as measured on the contracts."""

    profile: str = "ethereum"  # a chain by name, as `proofyard chain profiles` lists them, or its TOML file
    settle: Literal["own", "rule", "single", "joined"] = "own"
    base_fee_gwei: float | None = Field(default=None, ge=0.0, le=1e9)  # None: the profile's
    token_usd: float | None = Field(default=None, gt=0.0, le=1e9)  # price of the chain's token; None: the profile's


class Variant(Table):
    """The same world with something else: what `compare` puts side by side."""

    name: str
    mechanism: str | None = None  # another rule, or the same with other parameters
    set: dict[str, str] = {}  # what differs in the world, written as for --set


class Scenario(Table):
    """One experiment."""

    name: str = "scenario"
    claim: str = ""  # what the field says will happen
    source: str = ""  # where it says so
    mechanism: str
    horizon: PositiveDuration
    seed: int = Field(default=1, ge=0, lt=2**62)
    token: Token = Token()
    workload: Workload = Workload()
    requesters: list[Requester] = []
    provers: list[ProverClass] = Field(min_length=1)
    delegators: Delegators | None = None
    market: Market = Market()
    chain: Chain | None = None
    called: str = "as it is"  # beside its variants
    variants: list[Variant] = []

    def gwei(self, tokens: Decimal, field: str) -> int:
        """Convert tokens to the smallest unit, rounding down. Raises BadInput above the largest amount."""
        if tokens * 10**9 > MAX_GWEI:
            raise BadInput(field, f"less than {MAX_GWEI // 10**9:_} tokens", tokens)
        return int(tokens * 10**self.token.decimals)
