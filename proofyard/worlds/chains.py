"""Chains by name: one small TOML file each, in the package or the user's own."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proofyard.core.errors import BadInput
from proofyard.core.rule import nearest
from proofyard.worlds.text import first_fault, read_toml

FOLDER = Path(__file__).with_suffix("")
WEI = 10**9  # wei in a gwei


class GasPrices(BaseModel):
    """Gas of what differs between chains; the defaults are Ethereum's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cold_account: int = 2_600
    cold_slot: int = 2_100
    ec_add: int = 150
    ec_mul: int = 6_000
    ec_pairing: int = 45_000
    ec_pairing_pair: int = 34_000
    ec_recover: int = 3_000
    slot_page: int = 1  # slots that become warm together
    store_page: int = 2_900  # first write of a page in a transaction
    store_new: int = 17_100  # more, for a slot that was zero


class Staking(BaseModel):
    """How a chain pays its validators."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    block_reward: float = Field(gt=0)  # tokens a block, to its leader
    active_stake: float = Field(gt=0)  # tokens, all validators together
    minimum: float = 0.0  # tokens to be in the set


class Profile(BaseModel):
    """What a client has to know about a chain."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    chain_id: int = Field(gt=0)
    url: str
    token: str
    block_s: float = Field(gt=0)
    confirmations: int = Field(ge=0)  # blocks on top before something counts
    finalized: bool = False  # act on the `finalized` block
    log_blocks: int = Field(gt=0)
    gas_limit_percent: int = Field(ge=100)
    charges_limit: bool
    transaction_gas: int
    block_gas: int = 30_000_000
    code_bytes: int = 24_576
    base_fee_gwei: float
    priority_fee_gwei: float
    reserve_tokens: float = 0.0
    token_usd: float = 0.0
    gas: GasPrices = GasPrices()
    staking: Staking | None = None

    def limit(self, estimate: int) -> int:
        """Gas limit for a transaction that is estimated to use `estimate`."""
        return min(self.transaction_gas, -(-estimate * self.gas_limit_percent // 100))

    def charged(self, used: int) -> int:
        """Gas that is paid for when `used` is."""
        return self.limit(used) if self.charges_limit else used

    def price(self, used: int) -> float:
        """Tokens that `used` gas costs at the profile's fees."""
        return self.charged(used) * (self.base_fee_gwei + self.priority_fee_gwei) / WEI


def names() -> list[str]:
    """List the profiles of the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read(name: str, field: str = "--profile") -> Profile:
    """Read a profile by name, or from a TOML file. Raises BadInput."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        raise BadInput(field, f"a chain ({nearest(name, names())}) or a TOML file", name)
    try:
        return Profile.model_validate({"name": path.stem, **read_toml(path, field)})
    except ValidationError as error:
        raise first_fault(path, error, Profile.model_fields) from None
