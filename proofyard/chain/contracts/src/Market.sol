// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IVault} from "./IVault.sol";
import {Signed} from "./Signed.sol";
import {Verifier} from "./Verifier.sol";

/// @title The market, one job at a time: a signed order, a signed offer, an escrow, a bond, a proof.
/// @notice The coordinator only chooses which offer an order gets. It cannot make up either, and a proof is paid because
///         the verifier says so. Amounts are gwei, times seconds.
contract Market is Signed {
    enum State {
        NONE,
        OPEN, // escrow is in, nobody has the job
        ASSIGNED,
        PROVEN,
        REFUNDED
    }

    struct Job {
        address requester;
        uint64 escrow; // gwei still held
        State state;
        address prover;
        uint64 proveBy; // s
        uint64 price; // gwei
        uint64 bond; // gwei locked of the prover's stake
    }

    uint64 private constant MAX_WINDOW = 7 days; // less than any unbonding time it is deployed with
    uint16 private constant BIPS = 10_000;
    address public constant BURNT = address(0xdead);

    IVault public immutable VAULT;
    Verifier public immutable VERIFIER;
    address public immutable COORDINATOR;
    uint16 public immutable REFUND; // bips of a lost bond for the requester, at most the operator's own part; the rest is burnt

    mapping(bytes32 order => Job) public jobs;
    mapping(bytes32 circuit => mapping(bytes32 statement => bool)) public isProven;

    event Requested(bytes32 indexed order, address indexed requester, bytes32 statement, uint64 escrow, uint64 deadline);
    event Assigned(bytes32 indexed order, address indexed prover, uint64 price, uint64 bond, uint64 proveBy);
    event Proven(bytes32 indexed order, address indexed prover, uint64 price);
    event Refunded(bytes32 indexed order, address indexed requester, uint64 amount);
    event Cancelled(address indexed requester, uint64 nonce);
    event Missed(bytes32 indexed order, address indexed prover, uint64 slashed, uint64 toRequester);

    error NotCoordinator();
    error WrongPhase(); // the job is not at a point of its life where this can happen
    error Late();
    error Early();
    error NotYours();
    error TooDear(); // the price is above the order's ceiling
    error BadOffer(); // for another order, or past its deadline
    error BadWindow(); // a deadline further away than stakes are bound
    error UnknownCircuit();
    error IsPaused();

    constructor(IVault vault, Verifier verifier, address coordinator, uint16 refundBips) {
        assert(refundBips <= BIPS);
        VAULT = vault;
        VERIFIER = verifier;
        COORDINATOR = coordinator;
        REFUND = refundBips;
    }

    /// @notice Put an order's ceiling into escrow. By the requester itself, or by anybody with its signature.
    function request(Order calldata order, bytes calldata signature) external returns (bytes32 id) {
        id = hashOrder(order);
        if (msg.sender != order.requester) _checkSigner(order.requester, id, signature);
        _request(id, order);
    }

    /// @notice Give an order to the prover whose signed offer the coordinator chose; puts it into escrow if need be.
    function assign(Order calldata order, bytes calldata orderSigned, Offer calldata offer, bytes calldata offerSigned)
        external
        returns (bytes32 id)
    {
        if (msg.sender != COORDINATOR) revert NotCoordinator();
        return _assign(order, orderSigned, offer, offerSigned);
    }

    /// @notice The same by anybody, with the coordinator's signature under its choice: it need not send, or live on.
    /// @param chosen signature of the choice of this offer
    function assignSigned(
        Order calldata order,
        bytes calldata orderSigned,
        Offer calldata offer,
        bytes calldata offerSigned,
        bytes calldata chosen
    ) external returns (bytes32 id) {
        _checkSigner(COORDINATOR, hashChoice(hashOffer(offer)), chosen);
        return _assign(order, orderSigned, offer, offerSigned);
    }

    /// @notice Prove a job. Anybody may send the proof; the prover it was given to is paid, with whom delegates to it.
    /// @param proof as the circuit's verifier wants it
    /// @param inputs its public inputs
    function prove(Order calldata order, bytes calldata proof, bytes32[] calldata inputs) external {
        bytes32 id = hashOrder(order);
        Job storage job = jobs[id];
        if (job.state != State.ASSIGNED) revert WrongPhase();
        if (block.timestamp > job.proveBy) revert Late();
        VERIFIER.check(order.circuit, order.statement, job.prover, proof, inputs);
        job.state = State.PROVEN;
        isProven[order.circuit][order.statement] = true;
        (uint64 price, uint64 rest, uint64 bond) = (job.price, job.escrow - job.price, job.bond);
        job.escrow = 0;
        emit Proven(id, job.prover, price);
        VAULT.reward(job.prover, price);
        if (rest > 0) VAULT.transfer(address(this), job.requester, rest);
        if (bond > 0) VAULT.unlock(job.prover, bond);
    }

    /// @notice End a job whose time is over: the requester is refunded, and who held it loses its bond. By anybody.
    function expire(Order calldata order) external {
        bytes32 id = hashOrder(order);
        Job storage job = jobs[id];
        State state = job.state;
        if (state != State.ASSIGNED && state != State.OPEN) revert WrongPhase();
        if (block.timestamp <= (state == State.OPEN ? order.deadline : job.proveBy)) revert Early();
        uint64 bond = job.bond;
        _refund(id, job);
        if (state == State.OPEN) return;
        (uint64 taken, uint64 ofDelegators) = bond > 0 ? VAULT.slash(job.prover, bond) : (0, 0);
        uint64 share = uint64(uint256(taken) * REFUND / BIPS);
        // An operator that misses an order of its own gets back no more than it lost itself.
        if (share > taken - ofDelegators) share = taken - ofDelegators;
        emit Missed(id, job.prover, taken, share);
        if (share > 0) VAULT.transfer(address(this), job.requester, share);
        if (taken > share) VAULT.transfer(address(this), BURNT, taken - share);
    }

    /// @notice Make a nonce of the caller useless: an order that was signed and not yet put into escrow is void. Only here:
    ///         in `Settlement` the proof is there before the order is seen, and whoever sees it could void what is owed.
    function cancelNonce(uint64 nonce) external {
        _useNonce(msg.sender, nonce);
        emit Cancelled(msg.sender, nonce);
    }

    /// @notice Take back an order nobody was given.
    function cancel(bytes32 id) external {
        Job storage job = jobs[id];
        if (job.state != State.OPEN) revert WrongPhase();
        if (job.requester != msg.sender) revert NotYours();
        _refund(id, job);
    }

    function _assign(Order calldata order, bytes calldata orderSigned, Offer calldata offer, bytes calldata offerSigned)
        private
        returns (bytes32 id)
    {
        id = hashOrder(order);
        if (jobs[id].state == State.NONE) {
            _checkSigner(order.requester, id, orderSigned);
            _request(id, order);
        }
        if (offer.order != id || offer.proveBy > order.deadline) revert BadOffer();
        if (offer.price > order.ceiling) revert TooDear();
        if (block.timestamp > offer.proveBy) revert Late();
        _checkSigner(offer.prover, hashOffer(offer), offerSigned);
        Job storage job = jobs[id];
        if (job.state != State.OPEN) revert WrongPhase();
        job.state = State.ASSIGNED;
        job.prover = offer.prover;
        job.price = offer.price;
        job.bond = offer.bond;
        job.proveBy = offer.proveBy;
        emit Assigned(id, offer.prover, offer.price, offer.bond, offer.proveBy);
        if (offer.bond > 0) VAULT.lock(offer.prover, offer.bond);
    }

    function _request(bytes32 id, Order calldata order) private {
        if (VAULT.paused()) revert IsPaused();
        if (jobs[id].state != State.NONE) revert WrongPhase();
        if (block.timestamp > order.deadline) revert Late();
        if (order.deadline > block.timestamp + MAX_WINDOW) revert BadWindow();
        if (!VERIFIER.isOpen(order.circuit)) revert UnknownCircuit();
        _useNonce(order.requester, order.nonce);
        Job storage job = jobs[id];
        job.requester = order.requester;
        job.escrow = order.ceiling;
        job.state = State.OPEN;
        emit Requested(id, order.requester, order.statement, order.ceiling, order.deadline);
        VAULT.transfer(order.requester, address(this), order.ceiling);
    }

    function _refund(bytes32 id, Job storage job) private {
        uint64 amount = job.escrow;
        job.state = State.REFUNDED;
        job.escrow = 0;
        emit Refunded(id, job.requester, amount);
        VAULT.transfer(address(this), job.requester, amount);
    }
}
