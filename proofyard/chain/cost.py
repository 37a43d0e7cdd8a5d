"""What settling one proof costs, as a table of chains and ways of settling, and what is left of it to a validator.

The figures are `proofyard.worlds.gas`'s: the simulator lets provers pay the same.
"""

from typing import NamedTuple

from proofyard.chain import profiles
from proofyard.chain.profiles import Profile
from proofyard.core import BIPS
from proofyard.core.errors import BadInput
from proofyard.worlds.gas import FILE, VERIFY, gas_of, jobs_in, scenarios, settled

__all__ = ["FILE", "VERIFY", "Cost", "Income", "gas_of", "income", "jobs_in", "scenarios", "table"]


class Cost(NamedTuple):
    """One line of the table, for one job."""

    profile: str
    scenario: str
    gas: int  # used, at the chain's prices
    charged: int  # paid for: the limit, where the chain charges it
    tokens: float
    usd: float  # 0 where the profile names no price


def table(names: list[str] | None = None) -> list[Cost]:
    """Cost of each scenario, its share of the verification included, on each profile. Raises BadInput."""
    found: list[Cost] = []
    for name in names or profiles.names():
        profile = profiles.read(name)
        for scenario in scenarios():
            if scenario != VERIFY:
                gas = settled(scenario, profile)
                tokens = profile.price(gas)
                found.append(
                    Cost(profile.name, scenario, gas, profile.charged(gas), tokens, tokens * profile.token_usd)
                )
    return found


class Income(NamedTuple):
    """What a validator that also proves earns a day, in the chain's tokens."""

    from_blocks: float  # own stake and commission
    from_proofs: float  # fees less what proving costs
    gas: float  # spent on settling
    total: float


def income(
    profile: Profile, *, own: float, delegated: float, commission_bips: int, proofs: float, fee: float, cost: float,
    scenario: str = "market: assign and prove one job",
) -> Income:  # fmt: skip
    """Add up blocks and proofs of a validator-run prover, a day.

    Parameters
    ----------
    own, delegated : tokens staked with it
    commission_bips : of rewards of what is delegated
    proofs : a day
    fee, cost : tokens a proof, what it earns and what making it costs

    Raises
    ------
    BadInput : the chain's staking is not in its profile, or the stake is too small for a seat.
    """
    staking = profile.staking
    if staking is None:
        raise BadInput("--profile", "a chain whose profile has [staking], such as monad", profile.name)
    if own + delegated < staking.minimum:
        raise BadInput("--own, --delegated", f"at least {staking.minimum:g} {profile.token} together", own + delegated)
    if not 0 <= commission_bips <= BIPS:
        raise BadInput("--commission", f"bips from 0 to {BIPS:,}", commission_bips)
    share = (own + delegated) / staking.active_stake
    rewards = 86_400 / profile.block_s * staking.block_reward * share
    kept = (own + delegated * commission_bips / BIPS) / (own + delegated)
    used = gas_of(scenario, profile) + gas_of(VERIFY, profile)
    gas = proofs * profile.price(used)
    return Income(rewards * kept, proofs * (fee - cost), gas, rewards * kept + proofs * (fee - cost) - gas)
