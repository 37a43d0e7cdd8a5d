// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title What proof systems generate.
interface IProofVerifier {
    function verify(bytes calldata proof, bytes32[] calldata publicInputs) external view returns (bool);
}

/// @title The circuits of a market, each with its generated verifier and the gas it may use.
/// @notice A circuit is named by a hash. It is added once and never changed, so that nobody who signed for it is given
///         another; retiring it only stops new requests.
contract Verifier {
    struct Circuit {
        IProofVerifier verifier;
        uint32 gasCap; // gas a verification may use: garbage can burn all it is given in a precompile
        uint16 version; // of the proof system, for clients
        bool isJoined; // its one public input binds many statements, see `joinedInput`
        bool isRetired;
    }

    uint256 private constant FIELD = 21888242871839275222246405745257275088548364400416034343698204186575808495617;

    address public immutable OWNER;
    mapping(bytes32 circuit => Circuit) public circuits;

    event Added(bytes32 indexed circuit, address verifier, uint32 gasCap, uint16 version, bool isJoined);
    event Retired(bytes32 indexed circuit);

    error NotOwner();
    error KnownCircuit();
    error UnknownCircuit();
    error NoCode();
    error LittleGas(); // the caller sent too little for the cap, so a good proof could look bad

    constructor() {
        OWNER = msg.sender;
    }

    /// @notice Add a circuit.
    /// @param circuit its name: the hash of its verification key
    /// @param verifier the generated contract
    /// @param gasCap gas, at least twice what a good proof takes
    /// @param version of the proof system
    /// @param isJoined whether it joins statements
    function add(bytes32 circuit, IProofVerifier verifier, uint32 gasCap, uint16 version, bool isJoined) external {
        if (msg.sender != OWNER) revert NotOwner();
        if (address(circuits[circuit].verifier) != address(0)) revert KnownCircuit();
        if (address(verifier).code.length == 0) revert NoCode();
        circuits[circuit] = Circuit(verifier, gasCap, version, isJoined, false);
        emit Added(circuit, address(verifier), gasCap, version, isJoined);
    }

    /// @notice Take no more requests for `circuit`; what was asked for is still proven and paid.
    function retire(bytes32 circuit) external {
        if (msg.sender != OWNER) revert NotOwner();
        circuits[circuit].isRetired = true;
        emit Retired(circuit);
    }

    /// @notice Say whether a request for `circuit` is taken.
    function isOpen(bytes32 circuit) external view returns (bool) {
        Circuit storage c = circuits[circuit];
        return address(c.verifier) != address(0) && !c.isRetired;
    }

    /// @notice The public input of a proof that joins `statements`: their hash, reduced to the field.
    function joinedInput(bytes32[] calldata statements) public pure returns (bytes32) {
        return bytes32(uint256(keccak256(abi.encodePacked(statements))) % FIELD);
    }

    /// @notice Verify a proof. Never reverts for a bad one, whatever it contains.
    /// @return isValid whether the proof is good
    function verify(bytes32 circuit, bytes calldata proof, bytes32[] calldata inputs) external view returns (bool isValid) {
        Circuit memory c = circuits[circuit];
        if (address(c.verifier) == address(0)) revert UnknownCircuit();
        bytes memory data = abi.encodeCall(IProofVerifier.verify, (proof, inputs));
        if (gasleft() - gasleft() / 64 < uint256(c.gasCap) + 2_000) revert LittleGas();
        bool done;
        uint256 answer;
        address target = address(c.verifier);
        uint256 cap = c.gasCap;
        assembly ("memory-safe") {
            done := staticcall(cap, target, add(data, 32), mload(data), 0, 32) // copies 32 bytes, however many come back
            answer := mload(0)
            done := and(done, eq(returndatasize(), 32))
        }
        return done && answer == 1;
    }
}
