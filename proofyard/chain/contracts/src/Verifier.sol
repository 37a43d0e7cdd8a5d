// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Poseidon2} from "./Poseidon2.sol";

/// @title What proof systems generate.
interface IProofVerifier {
    /// @notice Whether `proof` holds for `publicInputs`, one word each; may revert when it does not.
    function verify(bytes calldata proof, bytes32[] calldata publicInputs) external view returns (bool);
}

/// @title The circuits of a market, each with its generated verifiers and the gas they may use.
/// @notice A circuit is added once and never changed, so that nobody who signed for it is given another; retiring it only
///         stops new requests. What a job asks for is a statement: a hash of public inputs.
contract Verifier {
    enum Kind {
        PLAIN, // the statement is the hash of all public inputs: whoever sees a proof can use it
        ROLLUP // seven inputs: old root, new root, commitment, fees, chain; then who is paid, and the joining circuit's key
    }

    struct Circuit {
        IProofVerifier single;
        uint32 singleGas; // gas a verification may use: garbage can burn all it is given in a precompile
        uint16 version; // of the proof system, for clients
        Kind kind;
        bool isRetired;
        IProofVerifier joined; // of proofs that join several statements; zero = none
        uint32 joinedGas;
        bytes32 joinedKey; // seventh input of a joined proof: without it a forged circuit could be joined
    }

    struct Part {
        bytes32 oldRoot;
        bytes32 newRoot;
        bytes32 commitment; // to its transfers
        uint256 fees; // gwei
    }

    uint256 private constant INPUTS = 7;
    uint256 private constant STATED = 5; // of them are the statement
    uint256 private constant JOIN = 0x70726f6f66796172642f6a6f696e31; // first word of a joined commitment

    address public immutable OWNER;
    mapping(bytes32 circuit => Circuit) public circuits;

    event Added(bytes32 indexed circuit, address single, address joined, Kind kind, uint16 version);
    event Retired(bytes32 indexed circuit);

    error NotOwner();
    error KnownCircuit();
    error UnknownCircuit();
    error NoCode();
    error LittleGas(); // it failed with less gas than its cap: a good proof could look bad
    error WrongStatement(); // the proof is about something else
    error WrongPayee(); // the proof pays somebody else
    error BadProof();

    constructor() {
        OWNER = msg.sender;
    }

    /// @notice Add a circuit.
    /// @param name of it, a hash
    function add(bytes32 name, Circuit calldata c) external {
        if (msg.sender != OWNER) revert NotOwner();
        if (address(circuits[name].single) != address(0)) revert KnownCircuit();
        if (address(c.single).code.length == 0) revert NoCode();
        if (address(c.joined) != address(0) && address(c.joined).code.length == 0) revert NoCode();
        circuits[name] = c;
        emit Added(name, address(c.single), address(c.joined), c.kind, c.version);
    }

    /// @notice Take no more requests for a circuit; what was asked for is still proven and paid.
    function retire(bytes32 name) external {
        if (msg.sender != OWNER) revert NotOwner();
        circuits[name].isRetired = true;
        emit Retired(name);
    }

    /// @notice Say whether a request for a circuit is taken.
    function isOpen(bytes32 name) external view returns (bool) {
        Circuit storage c = circuits[name];
        return address(c.single) != address(0) && !c.isRetired;
    }

    /// @notice Revert unless `proof` proves `statement`, for `payee`.
    function check(bytes32 name, bytes32 statement, address payee, bytes calldata proof, bytes32[] calldata inputs)
        external
        view
    {
        Circuit storage c = circuits[name];
        if (c.kind == Kind.PLAIN) {
            if (keccak256(abi.encodePacked(inputs)) != statement) revert WrongStatement();
        } else {
            _checkInputs(inputs, payee);
            if (keccak256(abi.encodePacked(inputs[:STATED])) != statement) revert WrongStatement();
        }
        if (!_verify(c.single, c.singleGas, proof, inputs)) revert BadProof();
    }

    /// @notice Revert unless `proof` joins proofs of all `parts`, in order, for `payee`.
    /// @return statements of the parts
    function checkJoined(bytes32 name, Part[] calldata parts, address payee, bytes calldata proof, bytes32[] calldata inputs)
        external
        view
        returns (bytes32[] memory statements)
    {
        Circuit storage c = circuits[name];
        if (c.kind != Kind.ROLLUP || address(c.joined) == address(0)) revert UnknownCircuit();
        _checkInputs(inputs, payee);
        if (parts.length < 2 || inputs[6] != c.joinedKey) revert WrongStatement();
        statements = new bytes32[](parts.length);
        bytes32 root = inputs[0];
        uint256 fees = 0;
        for (uint256 i = 0; i < parts.length; ++i) {
            Part calldata part = parts[i];
            if (part.oldRoot != root) revert WrongStatement();
            root = part.newRoot;
            fees += part.fees;
            statements[i] =
                keccak256(abi.encodePacked(part.oldRoot, part.newRoot, part.commitment, part.fees, inputs[4]));
        }
        if (root != inputs[1] || bytes32(fees) != inputs[3]) revert WrongStatement();
        if (_join(parts, 0, parts.length) != uint256(inputs[2])) revert WrongStatement();
        if (!_verify(c.joined, c.joinedGas, proof, inputs)) revert BadProof();
    }

    /// @notice Verify one proof of a circuit, whatever it is about. Never reverts for a bad one, whatever it contains.
    function verify(bytes32 name, bytes calldata proof, bytes32[] calldata inputs) external view returns (bool) {
        return _verify(circuits[name].single, circuits[name].singleGas, proof, inputs);
    }

    /// @notice Commitment to two halves, as the joining circuit computes it.
    function joinedCommitment(uint256 left, uint256 right) external pure returns (uint256) {
        return Poseidon2.hash(JOIN, left, right);
    }

    function _checkInputs(bytes32[] calldata inputs, address payee) private pure {
        if (inputs.length != INPUTS) revert WrongStatement();
        if (uint256(inputs[5]) != uint160(payee)) revert WrongPayee();
    }

    /// @dev The tree the provers join by: the left half is the largest power of two below the whole.
    function _join(Part[] calldata parts, uint256 first, uint256 count) private pure returns (uint256) {
        if (count == 1) return uint256(parts[first].commitment);
        uint256 half = 1;
        while (half * 2 < count) half *= 2;
        return Poseidon2.hash(JOIN, _join(parts, first, half), _join(parts, first + half, count - half));
    }

    function _verify(IProofVerifier verifier, uint256 cap, bytes calldata proof, bytes32[] calldata inputs)
        private
        view
        returns (bool)
    {
        if (address(verifier) == address(0)) revert UnknownCircuit();
        bytes memory data = abi.encodeCall(IProofVerifier.verify, (proof, inputs));
        // A good proof needs what it uses and no more, since some chains charge the limit. Only a failure has to be told
        // from a call that was given too little: a 64th stays here, and to reach a verifier takes 10,100 on the dearest.
        bool little = gasleft() - gasleft() / 64 < cap + 11_000;
        bool done;
        uint256 answer;
        assembly ("memory-safe") {
            done := staticcall(cap, verifier, add(data, 32), mload(data), 0, 32) // copies 32 bytes, however many come back
            answer := mload(0)
            done := and(done, eq(returndatasize(), 32))
        }
        if (!done && little) revert LittleGas();
        return done && answer == 1;
    }
}
