// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Balances} from "./Balances.sol";
import {IVault} from "./IVault.sol";

/// @title The vault: balances, and the stakes of operators with those who delegate to them.
/// @notice Amounts are gwei, times seconds, rates bips (1/10,000). An operator's own stake is counted in gwei; what is
///         delegated to it in shares, so that a reward or a slash reaches everybody without a loop. Stake that is leaving
///         waits in a queue and can be slashed there. Rounding goes against whoever moves.
contract Vault is Balances {
    using SafeCast for uint256;

    enum Bearer {
        EVERYONE, // stake and queue, own and delegated, in proportion
        OPERATOR // the operator's own stake and queue only
    }

    struct Pool {
        uint64 own; // gwei
        uint64 exiting; // gwei of `own` in the queue
        uint64 ready; // s, when `exiting` is free
        uint64 locked; // gwei promised for open jobs, at most `own` + `exiting` and, if they bear losses, delegators'
        uint64 delegated; // gwei
        uint64 queue; // gwei that delegators are taking out
        uint16 commission; // bips of a reward
        uint16 nextCommission; // bips, in force from
        uint64 nextFrom; // s
        Bearer bearer;
        uint128 shares; // of `delegated`
        uint128 queueShares; // of `queue`
        uint64 halvings; // of all `shares` so far, see _halve
        uint64 queueHalvings;
    }

    struct Delegation {
        uint96 shares;
        uint96 queueShares;
        uint64 ready; // s
        uint64 halvings; // of its pool that its `shares` have seen
        uint64 queueHalvings;
    }

    uint16 internal constant BIPS = 10_000;
    uint256 internal constant VIRTUAL = 1_000; // shares nobody owns, against a first delegator that inflates their price
    uint256 internal constant CHEAPEST = 2 ** 34; // shares to a gwei at most: 2**61 gwei of them fit into 96 bits

    uint64 public immutable UNBONDING; // s in the queue; longer than any job can hold a lock

    mapping(address operator => Pool) private _pools;
    mapping(address operator => mapping(address delegator => Delegation)) private _delegations;
    mapping(address keeper => mapping(address operator => uint64)) public lockedBy;

    event Staked(address indexed operator, uint64 amount);
    event Unstaked(address indexed operator, uint64 amount, uint64 ready);
    event Delegated(address indexed operator, address indexed delegator, uint64 amount, uint96 shares);
    event Undelegated(address indexed operator, address indexed delegator, uint64 amount, uint64 ready);
    event Exited(address indexed operator, address indexed account, uint64 amount);
    event Terms(address indexed operator, uint16 commission, Bearer bearer, uint64 from);
    event Rewarded(address indexed operator, uint64 amount, uint64 commission);
    event Locked(address indexed operator, uint64 amount);
    event Unlocked(address indexed operator, uint64 amount);
    event Slashed(address indexed operator, uint64 amount, uint64 ofDelegators);

    error Bound(); // stake that open jobs hold
    error BadTerms(); // a commission above the whole, or delegators who would be surprised

    constructor(IERC20Metadata token, uint64 delay, uint64 unbonding) Balances(token, delay) {
        UNBONDING = unbonding;
    }

    // Operators.

    /// @notice Name the commission, and who bears slashes. A higher commission waits as long as leaving takes; who bears
    ///         slashes can change only while nobody delegates.
    /// @param commission bips of each reward
    /// @param bearer who bears slashes
    function setTerms(uint16 commission, Bearer bearer) external {
        Pool storage p = _pools[msg.sender];
        if (commission > BIPS) revert BadTerms();
        if (bearer != p.bearer && (p.delegated > 0 || p.queue > 0 || p.locked > 0)) revert BadTerms();
        _renew(p);
        p.bearer = bearer;
        p.nextCommission = commission;
        bool waits = commission > p.commission && p.delegated > 0;
        p.nextFrom = uint64(block.timestamp) + (waits ? UNBONDING : 0);
        _renew(p);
        emit Terms(msg.sender, commission, bearer, p.nextFrom);
    }

    /// @notice Stake `amount` gwei of the free balance.
    function stake(uint64 amount) external whenOpen {
        if (amount == 0) revert BadAmount();
        _spend(msg.sender, amount);
        _pools[msg.sender].own += amount;
        emit Staked(msg.sender, amount);
    }

    /// @notice Take `amount` gwei out of the own stake, through the queue; not what open jobs hold.
    function unstake(uint64 amount) external {
        Pool storage p = _pools[msg.sender];
        if (amount == 0) revert BadAmount();
        if (amount > p.own) revert Poor();
        if (amount > _unbound(p)) revert Bound();
        p.own -= amount;
        p.exiting += amount;
        p.ready = uint64(block.timestamp) + UNBONDING;
        emit Unstaked(msg.sender, amount, p.ready);
    }

    /// @notice Move own stake that has waited long enough to the free balance.
    function exit() external {
        Pool storage p = _pools[msg.sender];
        uint64 amount = p.exiting;
        if (amount == 0) revert Poor();
        if (block.timestamp < p.ready) revert Early();
        p.exiting = 0;
        if (p.locked > _slashable(p)) revert Bound();
        accounts[msg.sender].free += amount;
        emit Exited(msg.sender, msg.sender, amount);
    }

    // Delegators.

    /// @notice Delegate `amount` gwei of the free balance to `operator`, on terms that were seen: an operator to whom
    ///         nobody delegates yet can change its own at once, also just before this is mined.
    /// @param most bips of each reward that the commission, also one that is announced, may be
    /// @param bearer who bears slashes
    function delegate(address operator, uint64 amount, uint16 most, Bearer bearer) external whenOpen {
        if (amount == 0) revert BadAmount();
        Pool storage p = _pools[operator];
        _renew(p);
        if (p.commission > most || (p.nextFrom != 0 && p.nextCommission > most)) revert BadTerms();
        if (p.bearer != bearer) revert BadTerms();
        Delegation storage d = _keepUp(p, operator);
        uint256 shares = Math.mulDiv(amount, uint256(p.shares) + VIRTUAL, uint256(p.delegated) + 1);
        if (shares == 0) revert BadAmount();
        _spend(msg.sender, amount);
        p.shares += shares.toUint128();
        p.delegated += amount;
        d.shares = (uint256(d.shares) + shares).toUint96();
        emit Delegated(operator, msg.sender, amount, shares.toUint96());
    }

    /// @notice Take `shares` out of the pool of `operator`, through the queue, where they can still be slashed.
    function undelegate(address operator, uint96 shares) external {
        Pool storage p = _pools[operator];
        Delegation storage d = _keepUp(p, operator);
        if (shares == 0) revert BadAmount();
        if (shares > d.shares) revert Poor();
        uint64 amount = worth(p.delegated, p.shares, shares);
        uint256 minted = Math.mulDiv(amount, uint256(p.queueShares) + VIRTUAL, uint256(p.queue) + 1);
        d.shares -= shares;
        p.shares -= shares;
        p.delegated -= amount;
        p.queue += amount;
        p.queueShares += minted.toUint128();
        d.queueShares = (uint256(d.queueShares) + minted).toUint96();
        d.ready = uint64(block.timestamp) + UNBONDING;
        emit Undelegated(operator, msg.sender, amount, d.ready);
    }

    /// @notice Move delegated stake that has waited long enough to the free balance.
    function collect(address operator) external {
        Pool storage p = _pools[operator];
        Delegation storage d = _keepUp(p, operator);
        if (d.queueShares == 0) revert Poor();
        if (block.timestamp < d.ready) revert Early();
        uint64 amount = worth(p.queue, p.queueShares, d.queueShares);
        p.queueShares -= d.queueShares;
        p.queue -= amount;
        d.queueShares = 0;
        if (p.locked > _slashable(p)) revert Bound();
        accounts[msg.sender].free += amount;
        emit Exited(operator, msg.sender, amount);
    }

    // Keepers.

    /// @inheritdoc IVault
    function lock(address operator, uint64 amount) external onlyKeeper whenOpen {
        Pool storage p = _pools[operator];
        if (amount > _unbound(p)) revert Poor();
        p.locked += amount;
        lockedBy[msg.sender][operator] += amount;
        emit Locked(operator, amount);
    }

    /// @inheritdoc IVault
    function unlock(address operator, uint64 amount) external onlyKeeper {
        lockedBy[msg.sender][operator] -= amount;
        _pools[operator].locked -= amount;
        emit Unlocked(operator, amount);
    }

    /// @notice Release a lock of `amount` gwei and take as much, or what is there, to the keeper's own balance.
    /// @return taken gwei
    /// @return ofDelegators gwei of it that were delegated, or in their queue
    function slash(address operator, uint64 amount) external onlyKeeper returns (uint64 taken, uint64 ofDelegators) {
        Pool storage p = _pools[operator];
        lockedBy[msg.sender][operator] -= amount;
        p.locked -= amount;
        uint64 all = _slashable(p);
        taken = amount < all ? amount : all;
        emit Unlocked(operator, amount);
        if (taken == 0) return (0, 0);
        uint64[4] memory part = _share(p, taken, all);
        ofDelegators = part[2] + part[3];
        p.own -= part[0];
        p.exiting -= part[1];
        p.queue -= part[2];
        p.delegated -= part[3];
        if (ofDelegators > 0) _halve(p);
        accounts[msg.sender].free += taken;
        emit Slashed(operator, taken, ofDelegators);
    }

    /// @notice Pay `amount` gwei of the keeper's balance: commission and the operator's part are free at once, the
    ///         delegators' part raises the worth of their shares.
    function reward(address operator, uint64 amount) external onlyKeeper {
        Pool storage p = _pools[operator];
        _renew(p);
        _take(msg.sender, amount);
        uint64 commission = uint64(uint256(amount) * p.commission / BIPS);
        uint64 forDelegators = 0;
        if (p.shares > 0) {
            uint64 shared = amount - commission;
            forDelegators = uint64(Math.mulDiv(shared, p.delegated, uint256(p.own) + p.delegated + 1));
        }
        p.delegated += forDelegators;
        accounts[operator].free += amount - forDelegators;
        emit Rewarded(operator, amount, commission);
    }

    // Views.

    /// @notice What `shares` of `all` shares of `assets` gwei are worth, rounded down.
    function worth(uint64 assets, uint128 all, uint96 shares) public pure returns (uint64) {
        return uint64(Math.mulDiv(shares, uint256(assets) + 1, uint256(all) + VIRTUAL));
    }

    /// @notice All about an operator's stake.
    function poolOf(address operator) external view returns (Pool memory) {
        return _pools[operator];
    }

    /// @notice Gwei of `operator` that a new job could lock.
    function unbound(address operator) external view returns (uint64) {
        return _unbound(_pools[operator]);
    }

    /// @notice Gwei that `delegator` would get out of `operator`'s pool, not counting the queue.
    function delegatedBy(address operator, address delegator) external view returns (uint64) {
        Pool storage p = _pools[operator];
        (uint96 shares,,) = delegations(operator, delegator);
        return worth(p.delegated, p.shares, shares);
    }

    /// @notice What `delegator` has with `operator`.
    /// @return shares of what is delegated
    /// @return queueShares of what delegators are taking out
    /// @return ready s, when those can be collected
    function delegations(address operator, address delegator)
        public
        view
        returns (uint96 shares, uint96 queueShares, uint64 ready)
    {
        Pool storage p = _pools[operator];
        Delegation storage d = _delegations[operator][delegator];
        return (d.shares >> (p.halvings - d.halvings), d.queueShares >> (p.queueHalvings - d.queueHalvings), d.ready);
    }

    function _slashable(Pool storage p) private view returns (uint64) {
        return p.own + p.exiting + (p.bearer == Bearer.EVERYONE ? p.delegated + p.queue : 0);
    }

    function _unbound(Pool storage p) private view returns (uint64) {
        uint64 staked = p.own + (p.bearer == Bearer.EVERYONE ? p.delegated : 0);
        return staked > p.locked ? staked - p.locked : 0;
    }

    /// @dev Divide a loss in proportion; what the floors leave over is the operator's, or of whoever has something.
    function _share(Pool storage p, uint64 taken, uint64 all) private view returns (uint64[4] memory part) {
        bool shared = p.bearer == Bearer.EVERYONE;
        uint64[4] memory has = [p.own, p.exiting, shared ? p.queue : 0, shared ? p.delegated : 0];
        uint64 left = taken;
        for (uint256 i = 1; i < 4; ++i) {
            part[i] = uint64(Math.mulDiv(taken, has[i], all));
            left -= part[i];
        }
        for (uint256 i = 0; i < 4; ++i) {
            uint64 room = has[i] - part[i];
            uint64 more = left < room ? left : room;
            part[i] += more;
            left -= more;
        }
    }

    /// @dev Halve all shares as often as a loss has made them cheap, or those who come after it could not be counted:
    ///      their money would be refused at the door of the queue, and stay in. What rounds off is less than 2**-33 gwei
    ///      of each; every holder's own number follows when it moves.
    function _halve(Pool storage p) private {
        (uint128 shares, uint64 times) = _halved(p.shares, p.delegated);
        if (times > 0) (p.shares, p.halvings) = (shares, p.halvings + times);
        (shares, times) = _halved(p.queueShares, p.queue);
        if (times > 0) (p.queueShares, p.queueHalvings) = (shares, p.queueHalvings + times);
    }

    function _halved(uint128 shares, uint64 assets) private pure returns (uint128, uint64 times) {
        uint256 most = CHEAPEST * (uint256(assets) + 1);
        while (shares >> times > most) ++times;
        return (shares >> times, times);
    }

    /// @dev The caller's delegation, its shares halved as often as its pool's.
    function _keepUp(Pool storage p, address operator) private returns (Delegation storage d) {
        d = _delegations[operator][msg.sender];
        if (p.halvings != d.halvings) (d.shares, d.halvings) = (d.shares >> (p.halvings - d.halvings), p.halvings);
        if (p.queueHalvings != d.queueHalvings) {
            (d.queueShares, d.queueHalvings) = (d.queueShares >> (p.queueHalvings - d.queueHalvings), p.queueHalvings);
        }
    }

    function _spend(address account, uint64 amount) private {
        if (amount > accounts[account].free) revert Poor();
        accounts[account].free -= amount;
    }

    function _renew(Pool storage p) private {
        if (p.nextFrom != 0 && block.timestamp >= p.nextFrom) {
            p.commission = p.nextCommission;
            p.nextFrom = 0;
        }
    }
}
