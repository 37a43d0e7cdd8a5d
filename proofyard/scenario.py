"""A scenario: one TOML file that is a whole experiment. Read and checked here, once, at the edge.

Quantities are written as people write them (`"12s"`, `"2.0"` tokens, `"5.2 kW"`) and are integers from here on:
milliseconds, the token's smallest unit (called gwei throughout), watts, micro-USD. Unknown keys, wrong types and
impossible values raise BadInput with the key, what was wanted, what came, and the nearest valid name.
"""

import tomllib
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo

from proofyard.core.book import MAX_GWEI
from proofyard.core.errors import BadInput
from proofyard.policies import Policy, module_of, with_values
from proofyard.worlds.schedules import schedule
from proofyard.worlds.sizes import sizes
from proofyard.worlds.text import duration_ms, parse_call, unknown, whole, with_values_set
from proofyard.worlds.text import number as number_in

HOURS_PER_KWH = 1_000  # W in a kW
MICRO = 1_000_000
STORED = "stored"  # context in which times, prices and powers are integers, as `model_dump` writes them
LONGEST_MS = 100 * 365 * 86_400_000  # a century: times stay far below 2**63


def _checked(read: Callable[[Any], Any]) -> BeforeValidator:
    """Let `read` turn what the user wrote into an integer; its BadInput becomes pydantic's error at that key."""

    def validate(value: Any, info: ValidationInfo) -> Any:
        if info.context == STORED and isinstance(value, int):
            return value  # in the smallest unit already
        try:
            return read(value)
        except BadInput as error:
            raise ValueError(error.wanted) from None

    return BeforeValidator(validate)


def _text(value: Any, wanted: str) -> str:
    if not isinstance(value, str):
        raise BadInput("", wanted, value)
    return value


def _duration(value: Any) -> int:
    wanted = "a duration such as 500ms, 2s, 10m, 1.5h or 7d"
    time = duration_ms(_text(value, wanted), "")
    if time > LONGEST_MS:
        raise BadInput("", "at most a hundred years", value)
    return time


def _positive_duration(value: Any) -> int:
    time = _duration(value)
    if time <= 0:
        raise BadInput("", "a duration longer than nothing", value)
    return time


def amount(value: Any, wanted: str = "an amount of tokens such as 2.0, not negative") -> Decimal:
    """Read a decimal number that is not negative. Raises BadInput."""
    try:
        number = Decimal(str(value).replace("_", "").strip())
    except InvalidOperation:
        raise BadInput("", wanted, value) from None
    if isinstance(value, bool) or not number.is_finite() or number < 0:
        raise BadInput("", wanted, value)
    return number


def _with_unit(unit: str, wanted: str) -> Callable[[Any], Decimal]:
    def read(value: Any) -> Decimal:
        text = str(value).strip()
        if isinstance(value, str) and not text.lower().endswith(unit.lower()):
            raise BadInput("", wanted, value)
        return amount(text[: -len(unit)] if isinstance(value, str) else text, wanted)

    return read


def _watts(value: Any) -> int:
    return int(_with_unit("kW", "a power such as 5.2 kW")(value) * HOURS_PER_KWH)


def _micro_usd(value: Any) -> int:
    return int(_with_unit("usd", "a price such as 4.00 usd")(value) * MICRO)


Duration = Annotated[int, _checked(_duration)]
PositiveDuration = Annotated[int, _checked(_positive_duration)]
Tokens = Annotated[Decimal, _checked(amount)]
Watts = Annotated[int, _checked(_watts)]
MicroUsd = Annotated[int, _checked(_micro_usd)]


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
    epoch: PositiveDuration | None = None  # between decisions and samples; None: horizon / 240


class Chain(Table):
    """The chain that proofs are settled on: whoever proved a job pays its gas, as it was measured on the contracts."""

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


def policy(text: str, field: str = "provers.policy") -> Policy:
    """Read a policy: a name of `proofyard.policies.NAMES`, or a file, with parameters.

    `shade(0.1)`, `shade(by=0.1)` and `shade(by_bips=1000)` say the same; a time may be written `margin='5s'`. Raises
    BadInput.
    """
    call = parse_call(text, field)
    known: tuple[str, ...] = module_of(call.name, field).Params._fields
    values = {
        f"{key}_ms" if f"{key}_ms" in known else key: str(duration_ms(value, field)) if f"{key}_ms" in known else value
        for key, value in call.values.items()
    }
    return with_values(call.name, values, field)


class DelegatorPolicy(Table):
    """How delegators move, as numbers."""

    chases: bool = False
    lag_ms: int = 7 * 86_400_000  # they see the return over this long
    share: float = 0.1  # of those elsewhere who reconsider at an epoch
    edge: float = 0.0  # they move for a difference in APR above this


def delegator_policy(text: str, field: str = "delegators.policy") -> DelegatorPolicy:
    """Read `stay` or `chase_apr(lag='7d', share=0.1, edge=0.01)`. Raises BadInput."""
    call = parse_call(text, field)
    if call.name == "stay" and not call.values:
        return DelegatorPolicy()
    if call.name != "chase_apr":
        raise unknown(field, repr(text), ["stay", "chase_apr"], looks_like=call.name, kind="policy")
    known = {"lag", "share", "edge"}
    for key in call.values:
        if key not in known:
            raise unknown(field, repr(text), sorted(known), looks_like=key, kind="parameter of chase_apr")
    values = call.values
    return DelegatorPolicy(
        chases=True,
        lag_ms=duration_ms(values.get("lag", "7d"), field),
        share=number_in(values.get("share", "0.1"), field, 0.0, 1.0),
        edge=number_in(values.get("edge", "0"), field, 0.0, 1e6),
    )


def _place(location: tuple[int | str, ...]) -> str:
    """Write `provers[0].stake` from pydantic's location, without the names of alternatives."""
    place = ""
    for part in location:
        if isinstance(part, int):
            place += f"[{part}]"
        elif part.islower() and "[" not in part and "-" not in part:
            place += f".{part}" if place else part
    return place


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """Keys allowed in the table that `location` is in."""
    tables: dict[str, type[Table]] = {
        "token": Token, "workload": Workload, "provers": ProverClass, "delegators": Delegators, "market": Market,
        "requesters": Requester,
        "cost": Cost, "stake": Stake, "leave": Exit, "outsource": Outsource,
        "elsewhere": Elsewhere, "invest": Invest, "liquid": Liquid, "insurance": Insurance, "chain": Chain,
    }  # fmt: skip
    inner = [tables[part] for part in location if isinstance(part, str) and part in tables]
    return list((inner[-1] if inner else Scenario).model_fields)


def _bad_input(where: str, error: ValidationError) -> BadInput:
    """Turn the first of pydantic's errors into one sentence; of alternatives, the one that goes deepest."""
    found = error.errors()
    place = _place(found[0]["loc"])
    first = max(found, key=lambda e: len(_place(e["loc"])) if _place(e["loc"]).startswith(place) else -1)
    location = first["loc"]
    place = f"{where}: {_place(location)}"
    kind = first["type"]
    if kind == "extra_forbidden":
        key = str(location[-1])
        return unknown(place, key, _known_keys(location[:-1]), kind="key")
    if kind == "missing":
        return BadInput(place, "a value", "none")
    wanted = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    got: Any = first["input"]
    return BadInput(place, wanted, repr(got) if isinstance(got, str) else got)


def _set(tree: dict[str, Any], key: str, value: str) -> None:
    """Put `value` (TOML, or plain text) at `key`, written `workload.every` or `provers[0].count`."""
    try:
        parsed: Any = tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        parsed = value
    steps = key.replace("]", "").replace("[", ".").split(".")
    node: Any = tree
    for here, after in zip(steps, [*steps[1:], ""], strict=True):
        if isinstance(node, list):
            index = whole(here, f"--set {key}", 0, len(node) - 1)  # pyright: ignore[reportUnknownArgumentType]
            if not after:
                node[index] = parsed
            node = node[index]  # pyright: ignore[reportUnknownVariableType]
        elif not isinstance(node, dict):
            raise BadInput(f"--set {key}", "a key of the scenario", here)
        elif not after:
            node[here] = parsed
        else:
            node = node.setdefault(here, {})  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]


def read(path: Path, changes: dict[str, str] | None = None, mechanism: str | None = None) -> Scenario:
    """Read and check the scenario at `path`, with `--set` changes and another mechanism. Raises BadInput."""
    return check(tree_of(path, changes, mechanism), str(path), path.parent)


def tree_of(path: Path, changes: dict[str, str] | None = None, mechanism: str | None = None) -> dict[str, Any]:
    """Read the scenario at `path` as nested dictionaries, not checked yet. Raises BadInput."""
    if not path.is_file():
        raise BadInput("scenario", "a TOML file", f"{path}, which does not exist")
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(str(path), "valid TOML", error) from None
    tree.setdefault("name", path.stem)
    of_rule = {key: value for key, value in (changes or {}).items() if key.startswith("mechanism.")}
    for key, value in (changes or {}).items():
        if key not in of_rule:
            _set(tree, key, value)
    if mechanism is not None:
        tree["mechanism"] = mechanism
    if of_rule and isinstance(tree.get("mechanism"), str):  # `--set mechanism.window_ms=60000` changes one parameter
        tree["mechanism"] = with_values_set(tree["mechanism"], of_rule)
    return tree


def read_variants(
    path: Path, changes: dict[str, str] | None = None, mechanisms: list[str] | None = None
) -> list[tuple[str, Scenario]]:
    """Read the scenario once for each of the rules given, else once as it is and once per variant of its own.

    Returns what each is called with it; "" where the rule says it all. Raises BadInput.
    """
    if mechanisms:
        return [("", read(path, changes, text)) for text in mechanisms]
    base = read(path, changes)
    if not base.variants:
        raise BadInput(str(path), "rules to compare (-m RULE, several times) or [[variants]] in the scenario", "none")
    others = [(v.name, read(path, {**(changes or {}), **v.set}, v.mechanism)) for v in base.variants]
    return [(base.called, base), *others]


def check(tree: dict[str, Any], where: str = "scenario", folder: Path | None = None) -> Scenario:
    """Check a scenario given as nested dictionaries; files it names are sought beside it too. Raises BadInput."""
    try:
        scenario = Scenario.model_validate(tree)
    except ValidationError as error:
        raise _bad_input(where, error) from None
    if scenario.workload.arrivals == "trace" and not scenario.workload.trace:
        raise BadInput(f"{where}: workload.trace", "a CSV of measured proofs (--set workload.trace=FILE)", "none")
    if scenario.workload.arrivals == "after" and not scenario.workload.after:
        raise BadInput(f"{where}: workload.after", "the scenario of the layer before this one", "none")
    sizes(scenario.workload.size, f"{where}: workload.size")
    for k, group in enumerate(scenario.provers):
        schedule(group.online, f"{where}: provers[{k}].online")
        policy(group.policy, f"{where}: provers[{k}].policy")
        if group.invest is not None and group.elsewhere is not None:
            raise BadInput(f"{where}: provers[{k}].invest", "a class that does not earn `elsewhere` too", "both")
        _check_twin(scenario, group, f"{where}: provers[{k}].twin")
    if scenario.delegators:
        delegator_policy(scenario.delegators.policy, f"{where}: delegators.policy")
    return _with_paths(scenario, folder)


def restored(tree: dict[str, Any]) -> Scenario:
    """Read a scenario as `model_dump(mode="json")` wrote it, e.g. in a trace. Raises BadInput."""
    try:
        return Scenario.model_validate(tree, context=STORED)
    except ValidationError as error:
        raise _bad_input("scenario", error) from None


def _check_twin(scenario: Scenario, group: ProverClass, field: str) -> None:
    """Refuse a second identity that is not a class of as many provers. Raises BadInput."""
    counts = {g.name: g.count for g in scenario.provers if g.name}
    if group.twin and group.twin not in counts:
        raise unknown(field, group.twin, list(counts), kind="class")
    if group.twin and counts[group.twin] != group.count:
        raise BadInput(field, f"a class of {group.count} provers", f"{group.twin}, which has {counts[group.twin]}")


def _with_paths(scenario: Scenario, folder: Path | None) -> Scenario:
    """Make files beside the scenario found from anywhere: the trace, the layer before, and a rule file."""
    workload, mechanism = scenario.workload, scenario.mechanism
    if folder is not None:
        for key, file in (("trace", workload.trace), ("after", workload.after)):
            if file and not Path(file).exists() and (folder / file).exists():
                workload = workload.model_copy(update={key: str(folder / file)})
        name = mechanism.split("(", 1)[0].strip()
        if name.endswith(".py") and not Path(name).exists() and (folder / name).exists():
            mechanism = mechanism.replace(name, str(folder / name), 1)
    return scenario.model_copy(update={"workload": workload, "mechanism": mechanism})
