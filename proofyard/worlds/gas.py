"""What settling one proof costs, by chain and by way of settling, from gas that was measured: `chains/gas.json`.

`python benchmarks/chain.py --write` measures it anew. Ways of settling are named in words.
"""

import json
from dataclasses import asdict, dataclass
from functools import cache

from proofyard.core.errors import BadInput
from proofyard.worlds.chains import FOLDER, GasPrices, Profile

FILE = FOLDER / "gas.json"
VERIFY = "verify a proof of the payments rollup"
SINGLE = "market: prove one job"
JOINED = "settlement: 16 jobs under one joined proof, each"
ETHEREUM = GasPrices()
NEW_SLOT, RESET_SLOT = 20_000, 2_900  # gas of SSTORE without what a cold slot costs
WARM = 100


@dataclass
class Counts:
    """Gas used by a transaction at Ethereum's prices, and how often it did what others price differently."""

    gas: int = 0  # before refunds
    refund: int = 0
    cold_accounts: int = 0
    cold_slots: int = 0
    cold_pages: int = 0
    new_slots: int = 0
    reset_slots: int = 0
    written_pages: int = 0
    ec_recover: int = 0
    ec_add: int = 0
    ec_mul: int = 0
    pairings: int = 0
    pairs: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        """Add two transactions up."""
        return Counts(**{name: value + getattr(other, name) for name, value in asdict(self).items()})

    def gas_at(self, prices: GasPrices) -> int:
        """Gas it would use at other prices."""
        if prices == ETHEREUM:
            return self.gas - self.refund
        gas = self.gas + self.cold_accounts * (prices.cold_account - ETHEREUM.cold_account)
        gas += self.cold_pages * (prices.cold_slot - WARM) - self.cold_slots * (ETHEREUM.cold_slot - WARM)
        gas += (self.new_slots + self.reset_slots) * WARM + self.written_pages * prices.store_page
        gas += self.new_slots * (prices.store_new - NEW_SLOT) - self.reset_slots * RESET_SLOT
        gas += self.ec_recover * (prices.ec_recover - ETHEREUM.ec_recover)
        gas += self.ec_add * (prices.ec_add - ETHEREUM.ec_add) + self.ec_mul * (prices.ec_mul - ETHEREUM.ec_mul)
        gas += self.pairings * (prices.ec_pairing - ETHEREUM.ec_pairing)
        return gas + self.pairs * (prices.ec_pairing_pair - ETHEREUM.ec_pairing_pair)


@cache
def scenarios() -> dict[str, Counts]:
    """Measured counts by scenario."""
    return {name: Counts(**counts) for name, counts in json.loads(FILE.read_text(encoding="utf-8")).items()}


def gas_of(scenario: str, profile: Profile) -> int:
    """Gas of one job on a chain, without the verification of its proof. Raises BadInput for no such scenario."""
    known = scenarios()
    if scenario not in known:
        raise BadInput("scenario", f"one of: {'; '.join(known)}", scenario)
    return known[scenario].gas_at(profile.gas) // jobs_in(scenario)


def settled(scenario: str, profile: Profile) -> int:
    """Gas of one job on a chain, its share of the verification included. Raises BadInput for no such scenario."""
    return gas_of(scenario, profile) + scenarios()[VERIFY].gas_at(profile.gas) // jobs_in(scenario)


def jobs_in(scenario: str) -> int:
    """Jobs that were settled together, under one proof."""
    return 16 if "16 jobs" in scenario else 1


def on_chain(rule: str) -> str | None:
    """Name what a prover sends to the contract of a rule that decides on chain; None where there is none."""
    name = f"rule on chain: {rule}, of that the prover's own"
    return name if name in scenarios() else None
