// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title The vocabulary every rule is written in: the book, the life of a job, the functions that move money.
/// @notice The same words and integers as proofyard.core. Money is gwei, time ms, rates bips (1/10,000). A rule takes one
///         event and answers with one verdict; any verdict but OK leaves the state untouched. Money is counted in unsigned
///         integers with checked arithmetic: a rule that would pay what is not there reverts.
abstract contract Rule {
    enum Phase {
        NONE,
        BIDDING,
        ASSIGNED,
        OPEN,
        PROVEN,
        CONTESTED,
        SETTLED,
        LOST
    }

    enum Verdict {
        OK,
        POOR,
        NOT_YOURS,
        EARLY,
        LATE,
        WRONG_PHASE,
        NO_PROVER,
        UNKNOWN,
        BAD_AMOUNT,
        BAD_DETAIL,
        FULL,
        TOO_DEAR
    }

    struct Event {
        int256 kind;
        uint256 time; // ms since genesis
        uint256 actor;
        uint256 job;
        int256 amount; // gwei
        int256 detail;
        uint256 word; // in [0, 2**62); a seal, in a market, up to 2**240
    }

    struct Job {
        uint64 escrow; // gwei put aside by the requester
        uint64 paid; // gwei the prover has been paid so far (a record, not money)
        uint64 deadline; // ms, when the timer of the present phase may run out
        Phase phase;
        uint16 requester; // actor
        int16 prover; // actor who must prove, or who proved; ANYONE
    }

    int256 internal constant OFFER = 0;
    int256 internal constant STAKE = 1;
    int256 internal constant UNSTAKE = 2;
    int256 internal constant WITHDRAW = 3;
    int256 internal constant DELEGATE = 4;
    int256 internal constant TRANSFER = 6;
    int256 internal constant REQUEST = 7;
    int256 internal constant BID = 8;
    int256 internal constant CLOSE = 9;
    int256 internal constant PROVE = 11;
    int256 internal constant CONTEST = 12;
    int256 internal constant EXPIRE = 13;
    int256 internal constant SETTLE = 14;
    int256 internal constant VOTE = 15;

    int16 internal constant ANYONE = -1;
    uint256 internal constant BIPS = 10_000;
    uint256 internal constant MAX_GWEI = 2 ** 61;
    uint256 internal constant MAX_INT = 2 ** 63 - 1;
    uint256 internal constant MAX_CAPACITY = 2 ** 31; // proofs at once
    uint256 public constant MAX_ACTORS = 256; // rules look at every actor: no more than fit into a block

    // From which phases (a set of bits), by kind, from BID on: BID, CLOSE, DECLINE, PROVE, CONTEST, EXPIRE, SETTLE, VOTE.
    bytes8 private constant LEGAL = 0x0202043c100c3016;

    uint256 internal _actors; // how many there are
    mapping(uint256 actor => uint64) internal _cash; // gwei, free
    mapping(uint256 actor => uint64) internal _slashed; // gwei taken so far (a record, not money)
    mapping(uint256 job => Job) internal _jobs;
    uint64 internal _burnt; // gwei
    uint64 internal _reserve; // gwei of the protocol

    /// @dev One event in, one verdict out.
    function _apply(Event memory e) internal virtual returns (Verdict);

    /// @dev Set the parameters, in the order of the Python rule's Params, and the first state.
    function _begin(uint64[] memory params) internal virtual;

    /// @dev All money of an actor that is not cash, and of a job that is not escrow: for the audit.
    function _held(uint256 actor) internal view virtual returns (uint256);

    function _heldByJob(uint256 job) internal view virtual returns (uint256);

    /// @dev Are sealed bids for the job being opened, at `time` (ms)?
    function _isOpening(uint256 job, uint256 time) internal view virtual returns (bool);

    /// @dev Is `e` legal at this point of the job's life, and could the actor pay for it? Never changes anything.
    function _check(Event memory e) internal view returns (Verdict) {
        if (e.amount < 0 || uint256(e.amount) > MAX_GWEI) return Verdict.BAD_AMOUNT;
        if (e.kind == REQUEST) {
            if (_jobs[e.job].phase != Phase.NONE) return Verdict.WRONG_PHASE;
            return uint256(e.amount) <= _cash[e.actor] ? Verdict.OK : Verdict.POOR;
        }
        return e.kind >= BID ? _checkJob(e) : _checkAccount(e);
    }

    function _checkJob(Event memory e) private view returns (Verdict) {
        if (e.kind > VOTE) return Verdict.UNKNOWN;
        Job storage j = _jobs[e.job];
        if ((uint8(LEGAL[uint256(e.kind - BID)]) >> uint8(j.phase)) & 1 == 0) return Verdict.WRONG_PHASE;
        bool over = e.time > j.deadline;
        if (e.kind == CLOSE || e.kind == EXPIRE || e.kind == SETTLE) return over ? Verdict.OK : Verdict.EARLY;
        bool mine = j.prover == int256(e.actor) || j.prover == ANYONE || e.kind == VOTE;
        if (j.phase == Phase.ASSIGNED && !mine) return Verdict.NOT_YOURS;
        return over ? Verdict.LATE : Verdict.OK;
    }

    function _checkAccount(Event memory e) private view returns (Verdict) {
        if (e.kind == WITHDRAW) return Verdict.OK;
        if (e.kind < OFFER) return Verdict.UNKNOWN;
        if (e.amount == 0) return Verdict.BAD_AMOUNT;
        bool paying = e.kind == STAKE || e.kind == DELEGATE || e.kind == TRANSFER;
        if (paying && uint256(e.amount) > _cash[e.actor]) return Verdict.POOR;
        return Verdict.OK;
    }

    /// @dev Register the request and put `amount` gwei into escrow.
    function _ask(Event memory e, uint64 amount) internal {
        _cash[e.actor] -= amount;
        _jobs[e.job].escrow += amount;
        _jobs[e.job].requester = uint16(e.actor);
    }

    /// @dev Give the job to `prover`, who must prove it by `deadline` (ms, inclusive).
    function _assign(uint256 job, uint256 prover, uint256 deadline) internal {
        Job storage j = _jobs[job];
        (j.phase, j.prover, j.deadline) = (Phase.ASSIGNED, int16(uint16(prover)), uint64(deadline));
    }

    /// @dev Let anybody prove the job until `deadline` (ms, inclusive).
    function _openToAll(uint256 job, uint256 deadline) internal {
        Job storage j = _jobs[job];
        (j.phase, j.prover, j.deadline) = (Phase.OPEN, ANYONE, uint64(deadline));
    }

    /// @dev The prover of the job.
    function _prover(uint256 job) internal view returns (uint256) {
        return uint256(int256(_jobs[job].prover));
    }

    /// @dev Pay `amount` gwei of the escrow to the prover of the job.
    function _pay(uint256 job, uint64 amount) internal {
        Job storage j = _jobs[job];
        j.escrow -= amount;
        _cash[_prover(job)] += amount;
        j.paid += amount;
    }

    /// @dev Return what is left of the escrow to the requester.
    function _refund(uint256 job) internal {
        Job storage j = _jobs[job];
        _cash[j.requester] += j.escrow;
        j.escrow = 0;
    }

    /// @dev Map a die in [0, 2**62) to a ticket in [0, total).
    function _ticketOf(uint256 word, uint256 total) internal pure returns (uint256) {
        return (word * total) >> 62;
    }

    function _bipsOf(uint256 amount, uint256 bips) internal pure returns (uint64) {
        return uint64(amount * bips / BIPS);
    }

    /// @dev a * b / c, at most 2**63 - 1.
    function _mulDiv(uint256 a, uint256 b, uint256 c) internal pure returns (uint256) {
        uint256 quotient = a * b / c;
        return quotient < MAX_INT ? quotient : MAX_INT;
    }
}
