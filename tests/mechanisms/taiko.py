"""Parameters of Taiko's contestable rollup by date, for the rule `bonded`: what each commit of the contracts sets."""

from proofyard.core import BIPS
from proofyard.mechanisms.bonded import KEPT, MINUTE, PACAYA, SHARED, TEE, TOKEN, WEEK, Params


def regime(
    era: int,
    liveness: int,
    optimistic: tuple[int, int, int, int],
    tee: tuple[int, int, int, int],
    zk: tuple[int, int, int, int],
    guardian: tuple[int, int],
) -> Params:
    """Build parameters from tokens, bips and minutes; per tier: validity, contest / validity, cooldown, window."""
    values: list[int] = []
    for bond, ratio, cooldown_minutes, window_minutes in (optimistic, tee, zk):
        values += [bond * TOKEN, bond * TOKEN // BIPS * ratio, cooldown_minutes * MINUTE, window_minutes * MINUTE]
    values += [guardian[0] * MINUTE, guardian[1] * MINUTE, WEEK, WEEK]
    return Params._make([era, liveness * TOKEN, TEE, 0, 0, *values])


# C / V = 21 / (32 r) for a contester's return r; r = 10 % gives the 65_625 bips of 2024-08-28. Windows of 2024-08-06 to
# 2024-10-30 are 240 minutes longer, to wait for cheap gas; bonds are multiples of 75, in November of 50 tokens.
BATCH = (0, 0, 120, 120)  # Pacaya has no tiers: no bonds, two hours each
REGIMES: dict[str, Params] = {
    # cd51442551, mainnet genesis
    "2024-05-15": regime(
        KEPT, 250, (250, 20_000, 1440, 30), (250, 65_600, 1440, 60), (500, 65_600, 1440, 240), (60, 2880)
    ),
    # c9b8d40724
    "2024-06-18": regime(
        KEPT, 125, (125, 20_000, 1440, 15), (125, 65_600, 1440, 60), (250, 65_600, 1440, 240), (1440, 2880)
    ),
    # fe687b378f
    "2024-08-06": regime(
        KEPT, 125, (125, 20_000, 1440, 255), (125, 65_600, 1440, 300), (250, 65_600, 1440, 480), (1440, 3120)
    ),
    # ee464caef6
    "2024-08-28": regime(
        KEPT, 125, (75, 65_625, 1440, 255), (150, 65_625, 1440, 300), (225, 65_625, 1440, 420), (1440, 3120)
    ),
    # 63455f91d2
    "2024-10-30": regime(
        SHARED, 125, (75, 65_625, 1440, 255), (150, 65_625, 240, 300), (225, 65_625, 240, 420), (240, 240)
    ),
    # fac5c16735, not seen on mainnet
    "2024-11-04-dev": regime(
        SHARED, 125, (50, 65_625, 1440, 60), (100, 65_625, 240, 60), (150, 65_625, 240, 120), (480, 0)
    ),
    # as observed from outside in November 2024: the code of 2024-10-30
    "mainnet-2024-11": Params(),
    # 9f70297914; before it, 3d85f7ce04, 5 tokens more a block and no cooldown. 50 for whitelisted preconfers, from
    # 2025-04-03 to 05-15; 25 from 2025-07-21 (f56e2910ed)
    "pacaya-125": regime(PACAYA, 125, BATCH, BATCH, BATCH, (120, 120)),
    "pacaya-50": regime(PACAYA, 50, BATCH, BATCH, BATCH, (120, 120)),
    "pacaya-25": regime(PACAYA, 25, BATCH, BATCH, BATCH, (120, 120)),
}
