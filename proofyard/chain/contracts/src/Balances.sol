// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IVault} from "./IVault.sol";

/// @title Who has how much: deposits, and withdrawals that anybody can make without help after a delay.
/// @notice Amounts are gwei, 1e9 to the token; times are seconds. Keepers are named once, before the first deposit,
///         and never again: nobody, the owner included, can later give a contract power over money in here.
abstract contract Balances is IVault {
    using SafeERC20 for IERC20Metadata;

    struct Account {
        uint64 free; // gwei
        uint64 leaving; // gwei asked back, still liable for what its owner signed
        uint64 ready; // s, when `leaving` can be withdrawn
    }

    uint64 internal constant MAX_GWEI = 2 ** 61; // as in the rules: sums stay below 2**63

    IERC20Metadata public immutable TOKEN;
    uint256 public immutable SCALE; // base units of the token in a gwei
    uint64 public immutable DELAY; // s from asking for money back to having it
    address public immutable OWNER;

    mapping(address account => Account) public accounts;
    mapping(address contract_ => bool) public isKeeper;
    uint64 public total; // gwei in the vault, in whatever hands
    bool public isSealed;
    bool public paused; // nothing new begins; whatever is on its way out goes on

    event Deposited(address indexed account, uint64 amount);
    event Leaving(address indexed account, uint64 amount, uint64 ready);
    event Withdrawn(address indexed account, uint64 amount);
    event Recalled(address indexed account, uint64 amount);
    event Moved(address indexed from, address indexed to, uint64 amount);
    event Paused(bool on);

    error Poor(); // that much money is not there
    error Early(); // the delay has not passed
    error BadAmount(); // zero, or beyond 2**61 gwei in the vault
    error NotKeeper();
    error NotOwner();
    error AlreadySealed();
    error NotSealed();
    error IsPaused();

    constructor(IERC20Metadata token, uint64 delay) {
        TOKEN = token;
        SCALE = 10 ** (token.decimals() - 9);
        DELAY = delay;
        OWNER = msg.sender;
    }

    modifier onlyKeeper() {
        if (!isKeeper[msg.sender]) revert NotKeeper();
        _;
    }

    modifier onlyOwner() {
        if (msg.sender != OWNER) revert NotOwner();
        _;
    }

    modifier whenOpen() {
        if (!isSealed) revert NotSealed();
        if (paused) revert IsPaused();
        _;
    }

    /// @notice Name the keepers, once and for all.
    /// @param keepers market contracts that may move money
    function seal(address[] calldata keepers) external onlyOwner {
        if (isSealed) revert AlreadySealed();
        isSealed = true;
        for (uint256 i = 0; i < keepers.length; ++i) {
            isKeeper[keepers[i]] = true;
        }
    }

    /// @notice Stop, or let begin again: deposits, stakes, delegations, locks. Withdrawals cannot be stopped.
    function setPaused(bool on) external onlyOwner {
        paused = on;
        emit Paused(on);
    }

    /// @notice Put money in; the vault must be allowed to take it from the token.
    /// @param amount gwei
    function deposit(uint64 amount) external whenOpen {
        if (amount == 0 || uint256(total) + amount > MAX_GWEI) revert BadAmount();
        total += amount;
        accounts[msg.sender].free += amount;
        emit Deposited(msg.sender, amount);
        uint256 before = TOKEN.balanceOf(address(this));
        TOKEN.safeTransferFrom(msg.sender, address(this), amount * SCALE);
        if (TOKEN.balanceOf(address(this)) - before != amount * SCALE) revert BadAmount(); // a token that takes a fee
    }

    /// @notice Ask for money back; asking again starts the delay again for all of it.
    /// @param amount gwei of the free balance
    function leave(uint64 amount) external {
        Account storage a = accounts[msg.sender];
        if (amount == 0) revert BadAmount();
        if (amount > a.free) revert Poor();
        a.free -= amount;
        a.leaving += amount;
        a.ready = uint64(block.timestamp) + DELAY;
        emit Leaving(msg.sender, amount, a.ready);
    }

    /// @notice Take out all that was asked for, once the delay has passed. Works whatever else has stopped.
    function withdraw() external {
        Account storage a = accounts[msg.sender];
        uint64 amount = a.leaving;
        if (amount == 0) revert Poor();
        if (block.timestamp < a.ready) revert Early();
        a.leaving = 0;
        total -= amount;
        emit Withdrawn(msg.sender, amount);
        TOKEN.safeTransfer(msg.sender, amount * SCALE);
    }

    /// @inheritdoc IVault
    function transfer(address from, address to, uint64 amount) external onlyKeeper {
        _transfer(from, to, amount);
    }

    /// @notice Move each amount, or as much of it as is there: who has taken its money out cannot stop the others.
    /// @return moved gwei, one for each
    function transferUpTo(Transfer[] calldata transfers) external onlyKeeper returns (uint64[] memory moved) {
        moved = new uint64[](transfers.length);
        for (uint256 i = 0; i < transfers.length; ++i) {
            Transfer calldata t = transfers[i];
            uint64 taken = _takeUpTo(t.from, t.amount);
            if (taken == 0) continue;
            moved[i] = taken;
            accounts[t.to].free += taken;
            emit Moved(t.from, t.to, taken);
        }
    }

    /// @notice Make `amount` gwei that were asked back free again, or as much of it as has not been withdrawn: its owner
    ///         has signed that a keeper may take it.
    function recall(address account, uint64 amount) external onlyKeeper {
        Account storage a = accounts[account];
        uint64 back = amount < a.leaving ? amount : a.leaving;
        a.leaving -= back;
        a.free += back;
        emit Recalled(account, back);
    }

    function _transfer(address from, address to, uint64 amount) internal {
        _take(from, amount);
        accounts[to].free += amount;
        emit Moved(from, to, amount);
    }

    function _take(address from, uint64 amount) internal {
        if (_takeUpTo(from, amount) < amount) revert Poor();
    }

    /// @dev Free money goes first, then what its owner has asked back but not yet taken.
    function _takeUpTo(address from, uint64 amount) private returns (uint64 taken) {
        Account storage a = accounts[from];
        (uint64 free, uint64 leaving) = (a.free, a.leaving);
        if (amount <= free) {
            a.free = free - amount;
            return amount;
        }
        taken = amount < free + leaving ? amount : free + leaving;
        a.free = 0;
        a.leaving = leaving - (taken - free);
    }
}
