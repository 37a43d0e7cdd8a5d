"""Write `contracts/src/Poseidon2.sol` from the constants the circuits use: `python -m proofyard.chain.poseidon`."""

from importlib.resources import files

from proofyard.chain.toolbox import CONTRACTS

PLACE = CONTRACTS / "src" / "Poseidon2.sol"
OUTER, INNER = 4, 56  # rounds at each end, rounds between
HEAD = """// SPDX-License-Identifier: Apache-2.0
// Written by `python -m proofyard.chain.poseidon` from proofyard/rollup/poseidon2.txt.
pragma solidity 0.8.30;

/// @title Poseidon2 of three field elements, as the circuits compute it: width 4, one permutation.
library Poseidon2 {
    /// @notice Hash three numbers below the prime of BN254's scalar field.
    function hash(uint256 a, uint256 b, uint256 c) internal pure returns (uint256) {
        assembly ("memory-safe") {
            function power5(x, p) -> y {
                y := mulmod(x, x, p)
                y := mulmod(mulmod(y, y, p), x, p)
            }
            function mix(a0, b0, c0, d0, p) -> a1, b1, c1, d1 {
                let t0 := addmod(a0, b0, p)
                let t1 := addmod(c0, d0, p)
                let t2 := addmod(add(b0, b0), t1, p)
                let t3 := addmod(add(d0, d0), t0, p)
                d1 := addmod(mulmod(t1, 4, p), t3, p)
                b1 := addmod(mulmod(t0, 4, p), t2, p)
                a1 := addmod(t3, b1, p)
                c1 := addmod(t2, d1, p)
            }
            function inner(a0, b0, c0, d0, p) -> a1, b1, c1, d1 {
                let total := add(add(a0, b0), add(c0, d0))
"""


def source() -> str:
    """Write the library."""
    text = (files("proofyard.rollup") / "poseidon2.txt").read_text(encoding="ascii")
    rows = [line.split() for line in text.splitlines() if not line.startswith("#")]
    diagonal, rounds = rows[0][1:], rows[1:]
    lines = [HEAD.rstrip("\n")]
    lines += [
        f"                {name}1 := addmod(total, mulmod({name}0, 0x{value}, p), p)"
        for name, value in zip("abcd", diagonal, strict=True)
    ]
    lines += [
        "            }",
        "            let p := 21888242871839275222246405745257275088548364400416034343698204186575808495617",
        "            let d := 0x30000000000000000 // how many inputs, times 2**64",
        "            a, b, c, d := mix(a, b, c, d, p)",
    ]
    for number, row in enumerate(rounds):
        is_inner = OUTER <= number < OUTER + INNER
        names = "a" if is_inner else "abcd"
        lines += [
            f"            {name} := power5(add({name}, 0x{value}), p)" for name, value in zip(names, row, strict=False)
        ]
        lines.append(f"            a, b, c, d := {'inner' if is_inner else 'mix'}(a, b, c, d, p)")
    return "\n".join([*lines, "        }", "        return a;", "    }", "}"]) + "\n"


if __name__ == "__main__":
    PLACE.write_text(source(), encoding="utf-8")
