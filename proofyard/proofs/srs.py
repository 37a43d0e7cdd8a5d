"""The reference string (SRS) of the proofs: powers of a secret nobody may know, times the generators of BN254.

Ceremony     production: downloaded from Aztec's servers (the Ignition ceremony), then checked by pairings against the
             point [τ]₂ that is part of Barretenberg itself. A wrong or altered file cannot pass, whoever served it.
Development  made here when there is no network, from a secret that anybody can read below: INSECURE, its owner can
             prove anything. Everything made with it says so.
Files        as Barretenberg reads them: `bn254_g1.dat`, 64 bytes a point (x, y, big-endian), and `bn254_g2.dat`.
"""

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from proofyard.core.errors import BadInput, Fault
from proofyard.proofs import pairing, points
from proofyard.proofs.download import ranged
from proofyard.rollup.field import FQ, FR, montgomery
from proofyard.rollup.poseidon2 import Words
from proofyard.tools.cache import Tell, digest, kept, root

POINTS = 2**21 + 1  # what the joining circuit needs
MIB_NEEDED = 400
POINT_BYTES, PACKED_BYTES = 64, 32
# Where Barretenberg 5.0.0 itself looks.
SERVERS = ("http://crs.aztec-cdn.foundation/g1_compressed.dat", "http://crs.aztec-labs.com/g1_compressed.dat")
# [τ]₂ of the ceremony, as it stands in Barretenberg 5.0.0: x and y, each two numbers of 32 bytes, real part first.
CEREMONY_G2 = bytes.fromhex(
    "0118c4d5b837bcc2bc89b5b398b5974e9f5944073b32078b7e231fec938883b0"
    "260e01b251f6f1c7e7ff4e580791dee8ea51d87a358e038b4efe30fac09383c1"
    "22febda3c0c0632a56475b4214e5615e11e6dd3f96e6cea2854a87d4dacc5e55"
    "04fc6369f7110fe3d25156c1bb9a72859cf2a04641f99ba4ee413c80da6a5fe4"
)
DEVELOPMENT_SECRET = (
    int.from_bytes(hashlib.sha512(b"proofyard development SRS: INSECURE, known to everybody").digest()) % FR
)

Kind: TypeAlias = Literal["auto", "ceremony", "development"]


@dataclass(frozen=True)
class Srs:
    """A folder with the two files.

    Attributes
    ----------
    folder : where Barretenberg finds them
    secure : False if its secret is known
    g2 : [τ]₂, 128 bytes
    """

    folder: Path
    secure: bool
    g2: bytes

    @property
    def name(self) -> str:
        """Say what proofs made with it are worth."""
        return "ceremony" if self.secure else "INSECURE development"


def provision(kind: Kind, tell: Tell, servers: tuple[str, ...] = SERVERS) -> Srs:
    """Return a reference string, fetched or made on first use.

    Parameters
    ----------
    kind : `ceremony` insists on the real one; `development` makes one that is INSECURE; `auto` takes what is there
        already, else tries the ceremony's servers, else makes an INSECURE one and says so
    tell : gets a line before something slow and whenever the result is INSECURE

    Raises
    ------
    BadInput : unknown kind.
    Fault : the ceremony's string was asked for and no server gave one that passes the checks; or a file is damaged.
    """
    if kind not in {"auto", "ceremony", "development"}:
        raise BadInput("--srs", "auto, ceremony or development", kind)
    ceremony, development = (root() / _name(one) for one in ("ceremony", "development"))
    if kind == "auto" and not ceremony.is_dir():
        kind = "development" if development.is_dir() else kind
    if kind != "development":
        try:
            return _opened(fetch(servers, CEREMONY_G2, POINTS, tell), secure=True)
        except Fault as fault:
            if kind == "ceremony":
                raise
            tell(f"no ceremony SRS: {fault}")
    tell("WARNING: INSECURE development SRS; proofs made with it prove nothing to anybody else")
    return _opened(make_development(POINTS, tell), secure=False)


def _name(kind: str, count: int = POINTS, key: bytes = CEREMONY_G2) -> str:
    """Name the cache folder of a string."""
    tag = "ceremony" if kind == "ceremony" else "development-INSECURE"
    return f"srs/{tag}-{digest(str(count), key if kind == 'ceremony' else str(DEVELOPMENT_SECRET))}"


def _opened(folder: Path, *, secure: bool) -> Srs:
    """Check that the files are as long as they were when they were made."""
    length = (folder / "bn254_g1.dat").stat().st_size if (folder / "bn254_g1.dat").is_file() else 0
    wanted = POINTS * POINT_BYTES
    second = folder / "bn254_g2.dat"
    if length == wanted and (not second.is_file() or second.stat().st_size != len(CEREMONY_G2)):
        length = 0
    if length != wanted:
        raise Fault(
            f"{folder}: wanted a reference string of {wanted} bytes, got {length}: too short or damaged; mend it with"
            f" rm -r '{folder}' and run again."
        )
    return Srs(folder, secure, (folder / "bn254_g2.dat").read_bytes())


def make_development(count: int, tell: Tell) -> Path:
    """Make an INSECURE string of `count` points, the same on every machine."""

    def make(draft: Path) -> None:
        tell(f"making an INSECURE development SRS of {count} points (once, about 10 s)")
        generator = np.array([*montgomery(1, FQ), *montgomery(2, FQ)], dtype=np.uint64)
        secret = np.array(montgomery(DEVELOPMENT_SECRET, FR), dtype=np.uint64)
        _write_g1(draft, points.powers(secret, count, points.tables(generator)))
        (draft / "bn254_g2.dat").write_bytes(pairing.times_g2(DEVELOPMENT_SECRET))

    return kept(_name("development", count), make, mib=MIB_NEEDED)


def fetch(servers: tuple[str, ...], g2: bytes, count: int, tell: Tell) -> Path:
    """Download `count` points of the string whose [τ]₂ is `g2` from the first server that has them, and check them.

    Raises
    ------
    Fault : every server failed; the message has the reason of each.
    """

    def make(draft: Path) -> None:
        reasons: list[str] = []
        for server in servers:
            try:
                tell(f"downloading {count * PACKED_BYTES / 2**20:.0f} MiB of the ceremony's SRS from {server}")
                data = ranged(server, count * PACKED_BYTES)
                tell("checking the SRS: every point on the curve, and pairings against [τ]₂")
                _write_g1(draft, checked(data, g2))
            except Fault as fault:
                reasons.append(str(fault))
                continue
            (draft / "bn254_g2.dat").write_bytes(g2)
            return
        raise Fault("; ".join(reasons))

    return kept(_name("ceremony", count, g2), make, mib=MIB_NEEDED)


def checked(packed: bytes, g2: bytes) -> Words:
    """Unpack points and make sure that they are 1, τ, τ², … times the generator, for the τ in `g2`.

    With random weights w, Σ wᵢ·Pᵢ₊₁ has to be τ times Σ wᵢ·Pᵢ, which a pairing sees; a string with one wrong point
    passes with probability 2⁻⁶⁴.

    Raises
    ------
    Fault : they aren't.
    """
    words = np.frombuffer(packed, ">u8").reshape(-1, 4)[:, ::-1].astype(np.uint64)
    out = np.empty((len(words), 8), dtype=np.uint64)
    bad = points.decompress(np.ascontiguousarray(words), out)
    if bad >= 0:
        raise Fault(f"SRS: point {bad} is not on the curve")
    if bytes(packed[:PACKED_BYTES]) != (1).to_bytes(PACKED_BYTES, "big"):
        raise Fault("SRS: the first point is not the generator")
    weights = np.frombuffer(secrets.token_bytes(8 * (len(out) - 1)), dtype=np.uint64)
    low, high = points.weighted_sum(out[:-1], weights), points.weighted_sum(out[1:], weights)
    if not pairing.has_ratio(low, high, g2):
        raise Fault("SRS: the points are not the powers of the ceremony's secret")
    return out


def pack(data: bytes) -> bytes:
    """Shorten points of 64 bytes to the 32 bytes in which servers hold them."""
    rows = np.frombuffer(data, np.uint8).reshape(-1, POINT_BYTES)
    out = rows[:, :PACKED_BYTES].copy()
    out[:, 0] |= (rows[:, -1] & 1) << 7
    return out.tobytes()


def _write_g1(folder: Path, made: Words) -> None:
    """Write points as Barretenberg reads them."""
    plain = np.empty_like(made)
    points.to_bytes(made, plain)
    big: NDArray[np.uint64] = np.concatenate([plain[:, 3::-1], plain[:, :3:-1]], axis=1)
    (folder / "bn254_g1.dat").write_bytes(big.astype(">u8").tobytes())
