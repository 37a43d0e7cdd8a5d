// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Where a proof was accepted: a market that says so.
interface IProven {
    function isProven(bytes32 circuit, bytes32 inputs) external view returns (bool);
}

/// @title The sample rollup: a chain of state roots that moves only by proven batches, so there is nothing to challenge.
/// @notice Public inputs of a batch: old root, new root, commitment to its transfers, sum of fees, hash of the
///         verification key that its parts were proven under.
contract Rollup {
    IProven public immutable MARKET;
    bytes32 public immutable CIRCUIT;
    bytes32 public immutable KEY_HASH; // the fifth public input must be it; zero for a circuit without recursion

    bytes32 public root;
    uint64 public height; // batches since genesis
    uint64 public fees; // gwei, all batches together

    event Advanced(uint64 indexed height, bytes32 root, bytes32 commitment, bytes32 data);

    error WrongInputs(); // not five, or of another key
    error WrongRoot(); // the batch does not start where the chain is
    error NotProven();
    error NoData();

    constructor(IProven market, bytes32 circuit, bytes32 keyHash, bytes32 genesis) {
        MARKET = market;
        CIRCUIT = circuit;
        KEY_HASH = keyHash;
        root = genesis;
    }

    /// @notice Move on by a batch that a market accepted a proof of. By anybody.
    /// @param inputs the public inputs
    /// @param data its transfers, published as call data: whoever holds them can follow the chain and leave it
    function advance(bytes32[] calldata inputs, bytes calldata data) external {
        if (inputs.length != 5 || inputs[4] != KEY_HASH) revert WrongInputs();
        if (inputs[0] != root) revert WrongRoot();
        if (data.length == 0) revert NoData();
        if (!MARKET.isProven(CIRCUIT, keccak256(abi.encodePacked(inputs)))) revert NotProven();
        root = inputs[1];
        fees += uint64(uint256(inputs[3]));
        emit Advanced(++height, root, inputs[2], keccak256(data));
    }
}
