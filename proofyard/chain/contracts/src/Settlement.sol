// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IVault} from "./IVault.sol";
import {Signed} from "./Signed.sol";
import {Verifier} from "./Verifier.sol";

/// @title The market, many jobs at a time: what a rule decided off chain is settled in batches by the coordinator.
/// @notice A batch pays jobs, each by an order its requester signed and under a proof that was verified, and moves what the
///         rule moved besides (bids, slashes, shares of bonds): net changes that sum to zero and take from nobody more
///         than it gave a mandate for. Each batch continues the journal: it names the head it follows and its own.
///         Amounts are gwei, times seconds.
contract Settlement is Signed {
    struct Payment {
        Order order;
        bytes signature; // of the requester
        address prover;
        uint64 price; // gwei
    }

    struct Change {
        address account;
        int64 amount; // gwei, below zero if taken
    }

    struct Batch {
        bytes32 previous; // head of the journal after the last batch
        bytes32 head; // head of the journal now
        bytes32 circuit;
        bytes proof;
        bytes32[] inputs;
        Verifier.Part[] parts; // what a joined proof joins, one for each payment; empty for a single one
    }

    struct Granted {
        uint64 limit; // gwei
        uint64 used; // gwei
        uint64 until; // s
    }

    IVault public immutable VAULT;
    Verifier public immutable VERIFIER;
    address public immutable COORDINATOR;

    bytes32 public head; // of the journal, as far as it is settled
    uint64 public batches;
    mapping(address account => Granted) public granted;
    mapping(bytes32 circuit => mapping(bytes32 statement => bool)) public isProven;

    event Settled(uint64 indexed batch, bytes32 previous, bytes32 head, uint256 payments, uint256 changes);
    event Paid(bytes32 indexed order, address indexed requester, address indexed prover, uint64 price);
    event Mandated(address indexed account, uint64 limit, uint64 until);

    error NotCoordinator();
    error WrongHead(); // the batch does not follow the last one
    error Late();
    error TooDear();
    error WrongStatement(); // not what was ordered
    error WrongCircuit();
    error Unbalanced(); // the changes do not sum to zero
    error NoMandate(); // more is taken than the account signed for, or after its mandate ended
    error NotRaised(); // a mandate may only grow while it lasts

    constructor(IVault vault, Verifier verifier, address coordinator) {
        VAULT = vault;
        VERIFIER = verifier;
        COORDINATOR = coordinator;
    }

    /// @notice Let the coordinator take up to a limit by the rule's verdicts. It cannot be taken back before it ends, or
    ///         nobody could rely on a bond; what is used of it counts on while it is extended.
    function grant(Mandate calldata m, bytes calldata signature) external {
        if (msg.sender != m.account) _checkSigner(m.account, hashMandate(m), signature);
        Granted storage g = granted[m.account];
        if (block.timestamp > m.until) revert Late();
        if (block.timestamp > g.until) {
            (g.limit, g.used, g.until) = (m.limit, 0, m.until);
        } else {
            if (m.limit < g.limit || m.until < g.until) revert NotRaised();
            if (m.limit == g.limit && m.until == g.until) revert NotRaised();
            (g.limit, g.until) = (m.limit, m.until);
        }
        emit Mandated(m.account, m.limit, m.until);
    }

    /// @notice Settle a part of the journal. All of it or nothing.
    /// @param b the part of the journal, and the one proof under which its jobs are paid; empty if it pays none
    /// @param payments jobs, in the order in which the proof joins their statements
    /// @param changes net, besides the payments
    function settle(Batch calldata b, Payment[] calldata payments, Change[] calldata changes) external {
        if (msg.sender != COORDINATOR) revert NotCoordinator();
        if (b.previous != head) revert WrongHead();
        head = b.head;
        emit Settled(++batches, b.previous, b.head, payments.length, changes.length);
        IVault.Transfer[] memory transfers = new IVault.Transfer[](payments.length + changes.length);
        if (payments.length > 0) {
            address prover = payments[0].prover;
            bytes32[] memory statements = _verify(b, prover, payments[0].order.statement);
            if (statements.length != payments.length) revert WrongStatement();
            for (uint256 i = 0; i < payments.length; ++i) {
                _check(payments[i], b.circuit, prover, statements[i]);
                transfers[i] = IVault.Transfer(payments[i].order.requester, prover, payments[i].price);
            }
        }
        _add(transfers, payments.length, changes);
        VAULT.transferAll(transfers);
    }

    function _check(Payment calldata p, bytes32 circuit, address prover, bytes32 statement) private {
        bytes32 id = hashOrder(p.order);
        _checkSigner(p.order.requester, id, p.signature);
        if (p.order.circuit != circuit) revert WrongCircuit();
        if (p.order.statement != statement || p.prover != prover) revert WrongStatement();
        if (p.price > p.order.ceiling) revert TooDear();
        if (block.timestamp > p.order.deadline) revert Late();
        _useNonce(p.order.requester, p.order.nonce);
        emit Paid(id, p.order.requester, prover, p.price);
    }

    /// @return statements that the batch's proof proves, for `prover`
    function _verify(Batch calldata b, address prover, bytes32 single) private returns (bytes32[] memory statements) {
        bytes32 whole = single;
        if (b.parts.length > 0) {
            statements = VERIFIER.checkJoined(b.circuit, b.parts, prover, b.proof, b.inputs);
            whole = keccak256(abi.encodePacked(b.inputs[:5])); // as if one batch had done it all
        } else {
            VERIFIER.check(b.circuit, single, prover, b.proof, b.inputs);
            statements = new bytes32[](1);
            statements[0] = single;
        }
        isProven[b.circuit][whole] = true;
    }

    /// @dev What is taken goes through this contract's own balance, which is zero before and after.
    function _add(IVault.Transfer[] memory transfers, uint256 at, Change[] calldata changes) private {
        int256 sum = 0;
        for (uint256 i = 0; i < changes.length; ++i) {
            (address account, int64 amount) = (changes[i].account, changes[i].amount);
            sum += amount;
            if (amount < 0) {
                uint64 taken = uint64(-amount);
                Granted storage g = granted[account];
                if (block.timestamp > g.until || uint256(g.used) + taken > g.limit) revert NoMandate();
                g.used += taken;
                transfers[at + i] = IVault.Transfer(account, address(this), taken);
            } else {
                transfers[at + i] = IVault.Transfer(address(this), account, uint64(amount));
            }
            if (i > 0 && changes[i - 1].amount >= 0 && amount < 0) revert Unbalanced(); // what is taken comes first
        }
        if (sum != 0) revert Unbalanced();
    }
}
