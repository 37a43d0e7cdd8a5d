// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title What a keeper (a contract that was named when the vault was sealed) may do with the money in the vault.
/// @dev All amounts are gwei, 1e9 to the token.
interface IVault {
    struct Transfer {
        address from;
        address to;
        uint64 amount;
    }

    /// @notice Move `amount` gwei between free balances: of the keeper itself, or of who agreed to it with the keeper. Reverts
    ///         where there is less.
    function transfer(address from, address to, uint64 amount) external;
    /// @notice The same for several, one after the other, each as far as there is money.
    /// @return moved gwei of each
    function transferUpTo(Transfer[] calldata transfers) external returns (uint64[] memory moved);
    /// @notice Call `amount` gwei that `account` has asked back, and not taken yet, back to its free balance.
    function recall(address account, uint64 amount) external;
    /// @notice Keep `amount` gwei of what is at stake with `operator` from leaving. Reverts where less of it is unbound.
    function lock(address operator, uint64 amount) external;
    /// @notice Release `amount` gwei that this keeper has locked.
    function unlock(address operator, uint64 amount) external;
    /// @notice Release a lock of `amount` gwei and take as much, or what is there, to the keeper's own balance.
    /// @return taken gwei
    /// @return ofDelegators gwei of it that were delegated, or in their queue
    function slash(address operator, uint64 amount) external returns (uint64 taken, uint64 ofDelegators);
    /// @notice Pay `operator`, and who delegates to it, `amount` gwei of the keeper's own balance.
    function reward(address operator, uint64 amount) external;
    /// @notice Whether nothing may begin; what leaves is never stopped.
    function paused() external view returns (bool);
}
