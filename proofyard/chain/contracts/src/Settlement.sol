// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IVault} from "./IVault.sol";
import {Signed} from "./Signed.sol";
import {Verifier} from "./Verifier.sol";

/// @title The market, many jobs at a time: what a rule decided off chain is settled in batches by the coordinator.
/// @notice A batch pays jobs, each by an order its requester signed and under a proof that was verified, and moves what the
///         rule moved besides (bids, slashes, shares of bonds): net changes that sum to zero and take from nobody more
///         than it gave a mandate for. Each batch continues the journal: it names the head it follows and its own.
///         What was good when the market took it and cannot change since is demanded, or the batch is refused. What its
///         owner can change afterwards (money that left, an order used up or out of time, a mandate that ended) stops
///         nobody: what cannot be taken stays open, on both sides, until it can. Amounts are gwei, times seconds.
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
        int64 open; // gwei that it is still to get from batches settled so far; below zero: that it owes
    }

    uint64 private constant MAX_GWEI = 2 ** 61;
    address public constant BURNT = address(0xdead);

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
    event Open(address indexed account, int64 amount); // what is open of an account from now on

    error NotCoordinator();
    error WrongHead(); // the batch does not follow the last one
    error Late();
    error TooDear();
    error WrongStatement(); // not what was ordered
    error WrongCircuit();
    error Unbalanced(); // the changes do not sum to zero
    error NoMandate(); // more is called back than the account signed for, or after its mandate ended
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

    /// @notice Call money back that its owner has asked the vault for while the rule holds it: it is under the mandate, and
    ///         can be called back as long as that lasts and reaches.
    function recall(address account, uint64 amount) external {
        if (msg.sender != COORDINATOR) revert NotCoordinator();
        if (amount > _left(account)) revert NoMandate();
        VAULT.recall(account, amount);
    }

    /// @notice Settle a part of the journal: all of it, but for what somebody cannot pay, which stays open.
    /// @param b the part of the journal, and the one proof under which its jobs are paid; empty if it pays none
    /// @param payments jobs, in the order in which the proof joins their statements
    /// @param changes net, besides the payments; who is named gets or gives what is open of it, too. When there is too
    ///        little, those named first get theirs first, and the coordinator's own money helps out, but not to burn
    function settle(Batch calldata b, Payment[] calldata payments, Change[] calldata changes) external {
        if (msg.sender != COORDINATOR) revert NotCoordinator();
        if (b.previous != head) revert WrongHead();
        head = b.head;
        emit Settled(++batches, b.previous, b.head, payments.length, changes.length);
        if (payments.length > 0) _pay(b, payments);
        if (changes.length > 0) _change(changes);
    }

    function _pay(Batch calldata b, Payment[] calldata payments) private {
        address prover = payments[0].prover;
        bytes32[] memory statements = _verify(b, prover, payments[0].order.statement);
        if (statements.length != payments.length) revert WrongStatement();
        IVault.Transfer[] memory wanted = new IVault.Transfer[](payments.length);
        bool[] memory ordered = new bool[](payments.length);
        for (uint256 i = 0; i < payments.length; ++i) {
            Payment calldata p = payments[i];
            ordered[i] = _check(p, b.circuit, prover, statements[i]);
            wanted[i] = IVault.Transfer(p.order.requester, prover, ordered[i] ? p.price : _allow(p.order.requester, p.price));
        }
        uint64[] memory moved = VAULT.transferUpTo(wanted);
        for (uint256 i = 0; i < payments.length; ++i) {
            Payment calldata p = payments[i];
            if (moved[i] == p.price) continue;
            if (!ordered[i]) granted[p.order.requester].used -= wanted[i].amount - moved[i];
            _open(p.order.requester, -int64(p.price - moved[i]));
            _open(prover, int64(p.price - moved[i]));
        }
    }

    /// @return holds whether the order itself pays; one that was used up or has run out leaves it to the mandate
    function _check(Payment calldata p, bytes32 circuit, address prover, bytes32 statement) private returns (bool holds) {
        bytes32 id = hashOrder(p.order);
        _checkSigner(p.order.requester, id, p.signature);
        if (p.order.circuit != circuit) revert WrongCircuit();
        if (p.order.statement != statement || p.prover != prover) revert WrongStatement();
        if (p.price > p.order.ceiling || p.price > MAX_GWEI) revert TooDear();
        holds = block.timestamp <= p.order.deadline && _tryNonce(p.order.requester, p.order.nonce);
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
    function _change(Change[] calldata changes) private {
        int64[] memory due = new int64[](changes.length);
        int256 sum = 0;
        uint256 takes = 0;
        for (uint256 i = 0; i < changes.length; ++i) {
            Granted storage g = granted[changes[i].account];
            sum += changes[i].amount;
            due[i] = changes[i].amount + g.open;
            if (g.open != 0) _open(changes[i].account, -g.open);
            if (due[i] < 0) ++takes;
        }
        if (sum != 0) revert Unbalanced();
        uint64 missing = _move(changes, due, takes);
        if (missing > 0) _help(changes, due, missing);
        for (uint256 i = 0; i < changes.length; ++i) {
            if (due[i] != 0) _open(changes[i].account, due[i]);
        }
    }

    /// @dev Take, then give, as far as there is money; `due` becomes what was not moved.
    /// @return missing gwei that were not given, leaving out what is to be burnt or the coordinator's own
    function _move(Change[] calldata changes, int64[] memory due, uint256 takes) private returns (uint64 missing) {
        IVault.Transfer[] memory wanted = new IVault.Transfer[](due.length);
        (uint256 take, uint256 give) = (0, takes);
        for (uint256 i = 0; i < due.length; ++i) {
            address account = changes[i].account;
            if (due[i] < 0) wanted[take++] = IVault.Transfer(account, address(this), _allow(account, uint64(-due[i])));
            else wanted[give++] = IVault.Transfer(address(this), account, uint64(due[i]));
        }
        uint64[] memory moved = VAULT.transferUpTo(wanted);
        (take, give) = (0, takes);
        for (uint256 i = 0; i < due.length; ++i) {
            address account = changes[i].account;
            if (due[i] < 0) {
                uint64 unused = wanted[take].amount - moved[take];
                if (unused > 0) granted[account].used -= unused;
                due[i] += int64(moved[take++]);
            } else {
                due[i] -= int64(moved[give++]);
                if (account != BURNT && account != COORDINATOR) missing += uint64(due[i]);
            }
        }
    }

    /// @dev Give what is missing from the coordinator's own money, as far as that goes; it is owed to it from then on.
    function _help(Change[] calldata changes, int64[] memory due, uint64 missing) private {
        IVault.Transfer[] memory help = new IVault.Transfer[](1 + due.length);
        help[0] = IVault.Transfer(COORDINATOR, address(this), missing);
        for (uint256 i = 0; i < due.length; ++i) {
            address account = changes[i].account;
            bool helped = due[i] > 0 && account != BURNT && account != COORDINATOR;
            help[1 + i] = IVault.Transfer(address(this), account, helped ? uint64(due[i]) : 0);
        }
        uint64[] memory moved = VAULT.transferUpTo(help);
        for (uint256 i = 0; i < due.length; ++i) {
            due[i] -= int64(moved[1 + i]);
        }
        if (moved[0] > 0) _open(COORDINATOR, int64(moved[0]));
    }

    function _open(address account, int64 more) private {
        int64 amount = granted[account].open + more;
        granted[account].open = amount;
        emit Open(account, amount);
    }

    /// @dev Gwei that the account's mandate lets be taken now.
    function _left(address account) private view returns (uint64) {
        Granted storage g = granted[account];
        return block.timestamp > g.until ? 0 : g.limit - g.used;
    }

    /// @dev Use up as much of the mandate as `amount` wants and it has.
    function _allow(address account, uint64 amount) private returns (uint64 allowed) {
        uint64 left = _left(account);
        allowed = amount < left ? amount : left;
        if (allowed > 0) granted[account].used += allowed;
    }
}
