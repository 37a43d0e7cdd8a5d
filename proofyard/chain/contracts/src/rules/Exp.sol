// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Powers of bids over integers: the same bits as proofyard.core.exp and proofyard/mechanisms/contest.py.
library Exp {
    uint256 private constant LOG_BITS = 56; // binary places of a logarithm
    uint256 private constant LOG_MASK = 2 ** 56 - 1;
    uint256 private constant MANTISSA_BITS = 61;
    uint256 private constant WEIGHT_BITS = 40; // the highest bid weighs 2**40
    uint256 private constant BITS = 62;
    uint256 private constant ONE = 2 ** 62;
    uint256 private constant LN_2 = 3_196_577_161_300_663_914; // of 2**62
    uint256 private constant TERMS = 20;
    uint256 private constant FACTORIAL_19 = 121_645_100_408_832_000;

    /// @notice log2(n) in units of 2**-56, for 1 <= n <= 2**61; at most 2 units too small.
    function log2(uint256 n) internal pure returns (uint256 log) {
        while (n >> log > 1) ++log;
        uint256 mantissa = n << (MANTISSA_BITS - log);
        for (uint256 k = 0; k < LOG_BITS; ++k) {
            mantissa = (mantissa * mantissa) >> MANTISSA_BITS;
            uint256 bit = mantissa >> (MANTISSA_BITS + 1);
            mantissa >>= bit;
            log = 2 * log + bit;
        }
    }

    /// @notice 2**fraction for a fraction in [0, 1), both in units of 2**-62.
    function powerOfTwo(uint256 fraction) internal pure returns (uint256 total) {
        uint256 x = (fraction * LN_2) >> BITS;
        uint256 factorial = FACTORIAL_19;
        for (uint256 k = TERMS - 1;; --k) {
            total = ONE / factorial + ((x * total) >> BITS);
            if (k == 0) return total;
            factorial /= k;
        }
    }

    /// @notice bid^(num/den) when `top` is the highest bid, in a scale that fits; den = 0 is infinity.
    function weight(uint256 bid, uint256 top, uint256 logTop, uint256 num, uint256 den) internal pure returns (uint256) {
        if (den == 0) return bid == top ? 1 : 0;
        if (num == 0) return 1;
        if (num == den) return bid;
        uint256 exponent = (logTop - log2(bid)) * num / den;
        if (exponent > 2 ** 63 - 1) exponent = 2 ** 63 - 1;
        uint256 whole = exponent >> LOG_BITS;
        uint256 part = exponent & LOG_MASK;
        if (whole > WEIGHT_BITS) return 0;
        if (part == 0) return 1 << (WEIGHT_BITS - whole);
        return powerOfTwo(ONE - (part << (BITS - LOG_BITS))) >> (BITS + 1 - WEIGHT_BITS + whole);
    }
}
