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

    function transfer(address from, address to, uint64 amount) external;
    function transferUpTo(Transfer[] calldata transfers) external returns (uint64[] memory moved);
    function recall(address account, uint64 amount) external;
    function lock(address operator, uint64 amount) external;
    function unlock(address operator, uint64 amount) external;
    function slash(address operator, uint64 amount) external returns (uint64 taken, uint64 ofDelegators);
    function reward(address operator, uint64 amount) external;
    function paused() external view returns (bool);
}
