// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Where a proof was accepted: a market that says so.
interface IProven {
    /// @notice Whether a proof of `statement` under `circuit` was accepted.
    function isProven(bytes32 circuit, bytes32 statement) external view returns (bool);
}

/// @title The sample rollup: a chain of state roots that moves only by proven batches, so there is nothing to challenge.
/// @notice A statement of it has five words: old root, new root, commitment to the transfers, sum of fees (gwei), chain.
contract Rollup {
    uint256 private constant STATED = 5;

    IProven public immutable MARKET;
    IProven public immutable SETTLEMENT;
    bytes32 public immutable CIRCUIT;
    uint256 public immutable CHAIN; // for which its transfers are signed

    bytes32 public root;
    uint64 public height; // steps since genesis
    uint256 public fees; // gwei, all together

    event Advanced(uint64 indexed height, bytes32 root, bytes32 commitment, bytes32 data);

    error WrongStatement(); // not five words, or of another chain
    error WrongRoot(); // it does not start where the chain is
    error NotProven();
    error NoData();

    constructor(IProven market, IProven settlement, bytes32 circuit, uint256 chain, bytes32 genesis) {
        MARKET = market;
        SETTLEMENT = settlement;
        CIRCUIT = circuit;
        CHAIN = chain;
        root = genesis;
    }

    /// @notice Move on by what a market accepted a proof of. By anybody.
    /// @param words the statement
    /// @param data the transfers, published as call data: whoever holds them can follow the chain
    function advance(bytes32[] calldata words, bytes calldata data) external {
        if (words.length != STATED || uint256(words[4]) != CHAIN) revert WrongStatement();
        if (words[0] != root) revert WrongRoot();
        if (data.length == 0) revert NoData();
        bytes32 statement = keccak256(abi.encodePacked(words));
        if (!MARKET.isProven(CIRCUIT, statement) && !SETTLEMENT.isProven(CIRCUIT, statement)) revert NotProven();
        root = words[1];
        fees += uint256(words[3]);
        emit Advanced(++height, root, words[2], keccak256(data));
    }
}
