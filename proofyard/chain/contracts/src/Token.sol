// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A token for development chains: anybody may mint, so it is worth nothing.
/// @dev 18 decimals, as most tokens have.
contract Token is ERC20("Proofyard test token", "YARD") {
    /// @notice Make new tokens.
    /// @param to who gets them
    /// @param amount base units, 1e18 to the token
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
