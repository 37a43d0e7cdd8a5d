// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IVault} from "../IVault.sol";
import {Verifier} from "../Verifier.sol";
import {Bonded} from "./Bonded.sol";
import {Contest} from "./Contest.sol";
import {Rule} from "./Rule.sol";
import {SecondPrice} from "./SecondPrice.sol";
import {StakedPool} from "./StakedPool.sol";

/// @title A market that a rule runs on chain: nobody coordinates, whoever sends a transaction makes the event.
/// @notice Time is the block's, in ms since the market began. A verdict that is not OK is the error of the same name.
///         What the rule draws lots for waits: its dice are the hash of the block it was asked in, which nobody in that
///         block knows, and the first call in a later block draws before it does anything else, so nothing changes
///         between. Waiting requests whose block is more than 256 back are turned away. Amounts are gwei.
abstract contract RuleMarket is Rule {
    struct Waiting {
        int256 kind; // REQUEST or a timer
        uint256 actor;
        uint256 job;
        int256 amount; // gwei, put aside
        int256 detail;
    }

    uint256 private constant SEAL_BITS = 240;
    uint256 public constant MAX_WAITING = 8; // whoever comes next pays for their draws

    IVault public immutable VAULT;
    Verifier public immutable VERIFIER;
    uint256 public immutable GENESIS; // s

    mapping(address account => uint256) public numberOf; // actor + 1; 0 = not in
    mapping(uint256 actor => address) public addressOf;
    mapping(uint256 job => bytes32) public circuitOf;
    mapping(uint256 job => bytes32) public statementOf; // hash of what is to be proven, see Verifier
    mapping(bytes32 circuit => mapping(bytes32 statement => bool)) public isProven;
    uint256 public jobs;
    uint256 public money; // gwei in here, the rule's supply included
    uint256 public diceFrom; // block whose hash is the dice of all that wait
    Waiting[] private _waiting;

    event Happened(
        int256 indexed kind, uint256 indexed actor, uint256 indexed job, uint256 time, int256 amount, int256 detail, uint256 word
    );

    event TurnedAway(int256 indexed kind, uint256 indexed job, Verdict verdict); // it waited, and the rule refuses it

    error Poor();
    error NotYours();
    error Early();
    error Late();
    error WrongPhase();
    error NoProver();
    error Unknown();
    error BadAmount();
    error BadDetail();
    error Full();
    error TooDear();
    error Stranger(); // enter() first
    error UnknownCircuit();

    constructor(IVault vault, Verifier verifier, uint64[] memory params) {
        VAULT = vault;
        VERIFIER = verifier;
        GENESIS = block.timestamp;
        _begin(params);
        if (_reserve > 0) revert BadAmount(); // rewards are paid from what `fund` brought, not from a number
    }

    /// @notice Give `amount` gwei of the vault's free balance to the rule's reserve, which it pays rewards from.
    function fund(uint64 amount) external {
        money += amount;
        if (money > MAX_GWEI) revert BadAmount();
        _reserve += amount;
        VAULT.transfer(msg.sender, address(this), amount);
    }

    /// @notice Bring `amount` gwei of the vault's free balance in; the first time, take a seat among the actors.
    function enter(uint64 amount) external {
        uint256 number = numberOf[msg.sender];
        if (number == 0) {
            if (_actors == MAX_ACTORS) revert Full();
            number = ++_actors;
            numberOf[msg.sender] = number;
            addressOf[number - 1] = msg.sender;
        }
        money += amount;
        if (money > MAX_GWEI) revert BadAmount();
        _cash[number - 1] += amount;
        VAULT.transfer(msg.sender, address(this), amount);
    }

    /// @notice Take `amount` gwei of cash back to the vault. Works whatever else has stopped.
    function leave(uint64 amount) external {
        draw();
        uint256 actor = _me();
        if (amount > _cash[actor]) revert Poor();
        _cash[actor] -= amount;
        money -= amount;
        VAULT.transfer(address(this), msg.sender, amount);
    }

    /// @notice An event about the caller's standing: offer, stake, unstake, withdraw.
    function act(int256 kind, int256 amount, int256 detail) external {
        if (kind >= REQUEST) revert Unknown();
        draw();
        _happen(kind, _me(), 0, amount, detail, 0);
    }

    /// @notice Ask for a proof of a statement; `amount` gwei is the most it may cost, `detail` the size of the job.
    function request(bytes32 circuit, bytes32 statement, int256 amount, int256 detail) external returns (uint256 job) {
        if (!VERIFIER.isOpen(circuit)) revert UnknownCircuit();
        draw();
        uint256 actor = _me();
        job = jobs++;
        circuitOf[job] = circuit;
        statementOf[job] = statement;
        if (!_draws(REQUEST)) {
            _happen(REQUEST, actor, job, amount, detail, _word(job));
            return job;
        }
        if (amount < 0 || uint256(amount) > MAX_GWEI) revert BadAmount();
        if (uint256(amount) > _cash[actor]) revert Poor();
        _cash[actor] -= uint64(uint256(amount));
        _wait(Waiting(REQUEST, actor, job, amount, detail));
    }

    /// @notice Draw for all that waits, if its block is over. By anybody; every other call does so first.
    function draw() public {
        uint256 count = _waiting.length;
        if (count == 0 || block.number == diceFrom) return;
        bytes32 dice = blockhash(diceFrom); // zero more than 256 blocks later
        for (uint256 k = 0; k < count; ++k) {
            Waiting memory w = _waiting[k];
            if (w.kind == REQUEST) _cash[w.actor] += uint64(uint256(w.amount));
            uint256 time = _now();
            uint256 word = uint256(keccak256(abi.encode(dice, w.job))) >> 194;
            Verdict verdict = Verdict.LATE;
            if (dice != 0) verdict = _apply(Event(w.kind, time, w.actor, w.job, w.amount, w.detail, word));
            if (verdict == Verdict.OK) emit Happened(w.kind, w.actor, w.job, time, w.amount, w.detail, word);
            else emit TurnedAway(w.kind, w.job, verdict);
        }
        delete _waiting;
    }

    /// @notice Bid; where bids are sealed, `word` is `sealOf` it while they are, and its opening follows by `open`.
    /// @dev Once bids are opened none comes this way: its sender would name the word that seals it, and any amount.
    function bid(uint256 job, int256 amount, uint256 word) external {
        draw();
        if (_isOpening(job, _now())) revert WrongPhase();
        _happen(BID, _me(), job, amount, 0, word % 2 ** SEAL_BITS);
    }

    /// @notice Open a sealed bid of `amount` gwei.
    function open(uint256 job, int256 amount, bytes32 nonce) external {
        draw();
        if (!_isOpening(job, _now())) revert WrongPhase();
        _happen(BID, _me(), job, amount, 0, sealOf(msg.sender, job, amount, nonce));
    }

    /// @notice Challenge the standing proof.
    function contest(uint256 job) external {
        draw();
        _happen(CONTEST, _me(), job, 0, 0, 0);
    }

    /// @notice Prove a job; it is looked at only if the rule takes it, and taken only if it is good.
    function prove(uint256 job, int256 tier, bytes calldata proof, bytes32[] calldata inputs) external {
        draw();
        (bytes32 circuit, bytes32 statement) = (circuitOf[job], statementOf[job]);
        _happen(PROVE, _me(), job, 0, tier, uint256(statement) >> 194);
        VERIFIER.check(circuit, statement, msg.sender, proof, inputs);
        isProven[circuit][statement] = true;
    }

    /// @notice Fire the timer of a job whose time is over; where it draws lots, that follows in a later block. By anybody.
    function timer(uint256 job) external {
        draw();
        Phase phase = _jobs[job].phase;
        int256 kind = phase == Phase.BIDDING ? CLOSE : phase == Phase.ASSIGNED || phase == Phase.OPEN ? EXPIRE : SETTLE;
        if (!_draws(kind)) {
            _happen(kind, 0, job, 0, 0, _word(job));
            return;
        }
        if (_now() <= _jobs[job].deadline) revert Early();
        uint256 count = _waiting.length;
        for (uint256 k = 0; k < count; ++k) {
            if (_waiting[k].job == job) revert WrongPhase(); // it waits already
        }
        _wait(Waiting(kind, 0, job, 0, 0));
    }

    /// @notice The word that seals a bid of `amount` gwei: 240 bits, of which nobody finds two that open it.
    function sealOf(address prover, uint256 job, int256 amount, bytes32 nonce) public view returns (uint256) {
        return uint256(keccak256(abi.encode(address(this), prover, job, amount, nonce))) >> (256 - SEAL_BITS);
    }

    /// @notice Cash and other money of an account, gwei.
    function balances(address account) external view returns (uint256 cash, uint256 held) {
        uint256 number = numberOf[account];
        return number == 0 ? (0, 0) : (_cash[number - 1], _held(number - 1));
    }

    /// @notice How far a job is.
    function jobOf(uint256 job) external view returns (Job memory) {
        return _jobs[job];
    }

    /// @dev Whether the rule draws lots at events of this kind.
    function _draws(int256 kind) internal view virtual returns (bool);

    function _wait(Waiting memory w) private {
        if (_waiting.length == MAX_WAITING) revert Full();
        diceFrom = block.number;
        _waiting.push(w);
    }

    function _me() private view returns (uint256) {
        uint256 number = numberOf[msg.sender];
        if (number == 0) revert Stranger();
        return number - 1;
    }

    function _word(uint256 job) private view returns (uint256) {
        return uint256(keccak256(abi.encode(block.prevrandao, block.number, job))) >> 194;
    }

    function _now() private view returns (uint256) {
        return (block.timestamp - GENESIS) * 1_000; // ms
    }

    function _happen(int256 kind, uint256 actor, uint256 job, int256 amount, int256 detail, uint256 word) private {
        uint256 time = _now();
        _raise(_apply(Event(kind, time, actor, job, amount, detail, word)));
        emit Happened(kind, actor, job, time, amount, detail, word);
    }

    function _raise(Verdict verdict) private pure {
        if (verdict == Verdict.OK) return;
        if (verdict == Verdict.POOR) revert Poor();
        if (verdict == Verdict.NOT_YOURS) revert NotYours();
        if (verdict == Verdict.EARLY) revert Early();
        if (verdict == Verdict.LATE) revert Late();
        if (verdict == Verdict.WRONG_PHASE) revert WrongPhase();
        if (verdict == Verdict.NO_PROVER) revert NoProver();
        if (verdict == Verdict.BAD_AMOUNT) revert BadAmount();
        if (verdict == Verdict.BAD_DETAIL) revert BadDetail();
        if (verdict == Verdict.FULL) revert Full();
        if (verdict == Verdict.TOO_DEAR) revert TooDear();
        revert Unknown();
    }
}

contract ContestMarket is Contest, RuleMarket {
    constructor(IVault vault, Verifier verifier, uint64[] memory params) RuleMarket(vault, verifier, params) {}

    function _draws(int256 kind) internal view override returns (bool) {
        return kind == CLOSE || (kind == REQUEST && _p.form != 0); // one-shot requests wait for bids
    }
}

contract SecondPriceMarket is SecondPrice, RuleMarket {
    constructor(IVault vault, Verifier verifier, uint64[] memory params) RuleMarket(vault, verifier, params) {}

    function _draws(int256) internal pure override returns (bool) {
        return false; // of equal offers the one that comes first by the block's randomness is taken
    }
}

contract BondedMarket is Bonded, RuleMarket {
    constructor(IVault vault, Verifier verifier, uint64[] memory params) RuleMarket(vault, verifier, params) {}

    function _draws(int256 kind) internal view override returns (bool) {
        return kind == REQUEST && _p.zkRate > 0;
    }
}

contract StakedPoolMarket is StakedPool, RuleMarket {
    constructor(IVault vault, Verifier verifier, uint64[] memory params) RuleMarket(vault, verifier, params) {}

    function _draws(int256 kind) internal pure override returns (bool) {
        return kind == REQUEST;
    }
}
