// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Signed} from "../src/Signed.sol";
import {Vault} from "../src/Vault.sol";
import {ContestMarket, RuleMarket, StakedPoolMarket} from "../src/rules/RuleMarket.sol";
import {Base} from "./Base.sol";

/// @title A token that calls its receiver back, as some do.
contract CallingToken is ERC20("calls", "CALL") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (to.code.length > 0 && from != address(0)) Thief(to).called();
    }
}

/// @title Withdraws again while it is being paid, or refuses to be paid.
contract Thief {
    Vault public vault;
    bool public refuses;
    uint256 public tries;

    function begin(Vault vault_, CallingToken token, uint64 amount) external {
        vault = vault_;
        token.approve(address(vault), type(uint256).max);
        vault.deposit(amount);
        vault.leave(amount);
    }

    function setRefuses(bool on) external {
        refuses = on;
    }

    function take() external {
        vault.withdraw();
    }

    function called() external {
        require(!refuses, "no thanks");
        if (msg.sender == address(vault.TOKEN()) && address(vault) != address(0)) {
            ++tries;
            try vault.withdraw() {} catch {}
            try vault.leave(1) {} catch {}
        }
    }
}

/// @title The vault that a thief's token calls must be able to take the call.
contract CalledVault is Vault {
    constructor(CallingToken token) Vault(token, 1 days, 8 days) {}

    function called() external {}
}

contract AttacksTest is Base {
    function test_reentering_a_withdrawal_takes_nothing_twice_and_a_refusal_hurts_nobody_else() public {
        CallingToken calling = new CallingToken();
        CalledVault target = new CalledVault(calling);
        target.seal(new address[](0));
        Thief thief = new Thief();
        calling.mint(address(thief), 100e9);
        calling.mint(requester, 100e9);
        vm.prank(requester);
        calling.approve(address(target), type(uint256).max);
        vm.prank(requester);
        target.deposit(100);
        thief.begin(target, calling, 100);
        vm.warp(block.timestamp + DAY);
        thief.setRefuses(true);
        try thief.take() {
            revert("paid who refuses");
        } catch {}
        thief.setRefuses(false);
        thief.take();
        equal(thief.tries(), 1, "it tried");
        equal(calling.balanceOf(address(thief)), 100e9, "once");
        vm.prank(requester);
        target.leave(100);
        vm.warp(block.timestamp + DAY);
        vm.prank(requester);
        target.withdraw();
        equal(calling.balanceOf(requester), 100e9, "the other has all its own");
    }

    function test_a_rule_takes_no_more_actors_than_it_can_look_at() public {
        Vault own = new Vault(token, DAY, 8 * DAY);
        ContestMarket contest = new ContestMarket(own, verifier, contestParams());
        address[] memory keepers = new address[](1);
        keepers[0] = address(contest);
        own.seal(keepers);
        for (uint160 k = 1; k <= contest.MAX_ACTORS(); ++k) {
            vm.prank(address(k));
            contest.enter(0);
        }
        vm.prank(address(1000));
        vm.expectRevert(RuleMarket.Full.selector);
        contest.enter(0);
    }

    function test_a_pool_cannot_begin_with_money_that_is_not_there() public {
        uint64[] memory params = new uint64[](30);
        params[25] = 1; // supply
        vm.expectRevert(RuleMarket.BadAmount.selector);
        new StakedPoolMarket(vault, verifier, params);
    }

    function test_an_order_is_no_order_on_a_fork_of_the_chain() public {
        (Signed.Order memory o,) = order(1, 10);
        bytes memory signature = signed(REQUESTER, market.hashOrder(o));
        vm.chainId(block.chainid + 1);
        vm.expectRevert(Signed.BadSignature.selector);
        market.request(o, signature);
    }

    function contestParams() private pure returns (uint64[] memory p) {
        p = new uint64[](10);
        (p[1], p[2], p[4], p[5], p[6], p[7]) = (1, 1, 10_000, 3_600_000, 1_000_000, 600_000);
    }
}
