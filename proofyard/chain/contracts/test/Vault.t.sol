// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Balances} from "../src/Balances.sol";
import {Vault} from "../src/Vault.sol";
import {Base} from "./Base.sol";

contract VaultTest is Base {
    function stakeAndDelegate(uint64 own, uint64 delegated, Vault.Bearer bearer) internal {
        vm.prank(prover);
        vault.setTerms(1_000, bearer);
        if (own > 0) {
            vm.prank(prover);
            vault.stake(own);
        }
        if (delegated > 0) {
            vm.prank(delegator);
            vault.delegate(prover, delegated, 1_000, bearer);
        }
    }

    function test_nobody_withdraws_before_the_delay_or_twice() public {
        vm.prank(requester);
        vault.leave(5);
        vm.prank(requester);
        vm.expectRevert(Balances.Early.selector);
        vault.withdraw();
        vm.warp(block.timestamp + DAY);
        vm.prank(requester);
        vault.withdraw();
        equal(token.balanceOf(requester), 5e9, "paid once");
        vm.prank(requester);
        vm.expectRevert(Balances.Poor.selector);
        vault.withdraw();
    }

    function test_what_is_leaving_still_covers_what_was_signed() public {
        vm.prank(requester);
        vault.leave(WEALTH);
        vault.transfer(requester, prover, 7);
        equal(leaving(requester), WEALTH - 7, "taken from what was leaving");
    }

    function test_a_commission_rises_only_after_delegators_could_leave() public {
        stakeAndDelegate(TOKENS, TOKENS, Vault.Bearer.EVERYONE);
        vm.prank(prover);
        vault.setTerms(9_000, Vault.Bearer.EVERYONE);
        equal(pool(prover).commission, 1_000, "not yet");
        vm.warp(block.timestamp + 8 * DAY);
        vault.transfer(requester, address(this), 100);
        vault.reward(prover, 100);
        equal(pool(prover).commission, 9_000, "now");
    }

    /// An operator changes its terms just before somebody who saw the old ones delegates.
    function test_nobody_delegates_on_terms_it_has_not_seen() public {
        stakeAndDelegate(TOKENS, 0, Vault.Bearer.OPERATOR);
        vm.prank(prover);
        vault.setTerms(1_001, Vault.Bearer.OPERATOR);
        vm.prank(delegator);
        vm.expectRevert(Vault.BadTerms.selector);
        vault.delegate(prover, 1, 1_000, Vault.Bearer.OPERATOR);
        vm.prank(prover);
        vault.setTerms(1_000, Vault.Bearer.EVERYONE);
        vm.prank(delegator);
        vm.expectRevert(Vault.BadTerms.selector);
        vault.delegate(prover, 1, 1_000, Vault.Bearer.OPERATOR);
        vm.prank(delegator);
        vault.delegate(prover, 1, 1_000, Vault.Bearer.EVERYONE);
        vm.prank(prover);
        vault.setTerms(2_000, Vault.Bearer.EVERYONE); // announced, from when the first could have left
        vm.prank(requester);
        vm.expectRevert(Vault.BadTerms.selector);
        vault.delegate(prover, 1, 1_000, Vault.Bearer.EVERYONE);
        vm.prank(requester);
        vault.delegate(prover, 1, 2_000, Vault.Bearer.EVERYONE);
    }

    function test_tokens_sent_to_the_vault_are_nobodys() public {
        token.mint(address(vault), 1e27);
        vm.prank(delegator);
        vault.delegate(prover, 10, 10_000, Vault.Bearer.EVERYONE);
        equal(vault.delegatedBy(prover, delegator), 10, "the worth of shares does not move");
    }

    /// The first delegator buys one gwei of shares and lets the pool earn `gift`; the second must not lose by it.
    function testFuzz_a_first_delegator_cannot_take_from_the_second(uint64 gift, uint64 amount) public {
        gift = uint64(gift % (100 * TOKENS));
        amount = uint64(amount % (100 * TOKENS)) + 1_000_000;
        vm.prank(requester);
        vault.delegate(prover, 1, 10_000, Vault.Bearer.EVERYONE);
        vault.transfer(requester, address(this), gift);
        vault.reward(prover, gift);
        vm.prank(delegator);
        try vault.delegate(prover, amount, 10_000, Vault.Bearer.EVERYONE) {
            uint256 got = vault.delegatedBy(prover, delegator);
            require(got <= amount, "rounds against the mover");
            uint256 attacker = vault.delegatedBy(prover, requester);
            require(attacker <= uint256(gift) + 1, "the first gains nothing");
            require(amount - got <= gift / 1_000 + 2, "the second loses next to nothing");
        } catch {} // refused: too small to be counted
    }

    function testFuzz_a_slash_conserves_money_and_respects_who_bears_it(uint64 own, uint64 delegated, uint64 bond, bool all)
        public
    {
        own = own % WEALTH + 1;
        delegated = delegated % WEALTH;
        stakeAndDelegate(own, delegated, all ? Vault.Bearer.EVERYONE : Vault.Bearer.OPERATOR);
        bond = uint64(uint256(bond) % (uint256(vault.unbound(prover)) + 1));
        vault.lock(prover, bond);
        uint64 before = held(prover) + free(address(this));
        (uint64 taken, uint64 ofDelegators) = vault.slash(prover, bond);
        equal(taken, bond, "a lock is always covered");
        equal(held(prover) + free(address(this)), before, "conserved");
        equal(pool(prover).locked, 0, "released");
        equal(ofDelegators, delegated - pool(prover).delegated, "told whose it was");
        if (!all) equal(pool(prover).delegated, delegated, "delegators untouched");
    }

    function testFuzz_shares_never_make_value(uint64 one, uint64 two, uint64 gift) public {
        one = one % WEALTH + 1;
        two = two % WEALTH + 1;
        vm.prank(delegator);
        vault.delegate(prover, one, 10_000, Vault.Bearer.EVERYONE);
        vault.transfer(requester, address(this), gift % (WEALTH / 2));
        vault.reward(prover, gift % (WEALTH / 2));
        vm.prank(requester);
        try vault.delegate(prover, uint64(two % (WEALTH / 2)) + 1, 10_000, Vault.Bearer.EVERYONE) {} catch {}
        uint256 sum = uint256(vault.delegatedBy(prover, delegator)) + vault.delegatedBy(prover, requester);
        require(sum <= pool(prover).delegated, "no more than there is");
    }

    /// In and out again, whatever the pool has earned or lost before: nobody gains by moving, and the pool none the less.
    function testFuzz_rounding_is_against_the_mover(uint64 first, uint64 gift, uint64 bond, uint64 amount) public {
        stakeAndDelegate(TOKENS, first % (WEALTH / 2) + 1, Vault.Bearer.EVERYONE);
        vault.transfer(requester, address(this), gift % (WEALTH / 4));
        vault.reward(prover, gift % (WEALTH / 4));
        bond = uint64(uint256(bond) % (uint256(vault.unbound(prover)) / 2 + 1));
        vault.lock(prover, bond);
        vault.slash(prover, bond);
        uint64 others = vault.delegatedBy(prover, delegator);
        amount = amount % (WEALTH / 2) + 1;
        vm.prank(requester);
        try vault.delegate(prover, amount, 10_000, Vault.Bearer.EVERYONE) {} catch { return; } // too small to be counted
        require(vault.delegatedBy(prover, requester) <= amount, "in: no more than was paid");
        require(vault.delegatedBy(prover, delegator) >= others, "the others lose nothing by it");
        (uint96 shares,,) = vault.delegations(prover, requester);
        uint64 before = free(requester);
        vm.prank(requester);
        vault.undelegate(prover, shares);
        vm.warp(block.timestamp + 8 * DAY);
        vm.prank(requester);
        try vault.collect(prover) {} catch {} // nothing, where its shares were worth less than a gwei
        require(free(requester) - before <= amount, "out: no more than was paid in");
        require(vault.delegatedBy(prover, delegator) >= others, "and again the others lose nothing");
    }

    /// An operator and a friend let the queue be slashed to nothing, again and again, so that a gwei of it is worth ever
    /// more shares. Whoever delegates afterwards must still come out, with all of it.
    function testFuzz_a_ruined_queue_keeps_nobody_in(uint64 each, uint8 rounds, uint64 amount) public {
        each = each % TOKENS + 1;
        amount = amount % WEALTH + 1;
        vm.prank(delegator);
        vault.delegate(prover, 7, 10_000, Vault.Bearer.EVERYONE); // stays, through all of it
        for (uint256 k = 0; k < rounds % 16; ++k) ruin(each);
        vm.prank(delegator);
        vault.delegate(prover, amount - (amount > 7 ? 7 : 0), 10_000, Vault.Bearer.EVERYONE);
        uint64 worth = vault.delegatedBy(prover, delegator);
        require(worth + 9 >= amount, "the ruin of others costs nothing who comes later");
        (uint96 shares,,) = vault.delegations(prover, delegator);
        vm.prank(delegator);
        vault.undelegate(prover, shares);
        vm.warp(block.timestamp + 8 * DAY);
        uint64 before = free(delegator);
        vm.prank(delegator);
        vault.collect(prover);
        require(free(delegator) - before <= worth && free(delegator) - before + 2 >= worth, "out it came");
    }

    /// @dev A friend's stake is locked, then on its way out, then slashed, with all the rest there is.
    function ruin(uint64 amount) private {
        vm.prank(requester);
        vault.delegate(prover, amount, 10_000, Vault.Bearer.EVERYONE);
        vault.lock(prover, vault.unbound(prover));
        (uint96 shares,,) = vault.delegations(prover, requester);
        vm.prank(requester);
        vault.undelegate(prover, shares);
        vault.slash(prover, pool(prover).locked);
        equal(held(prover), 0, "nothing is left");
    }

    function test_a_lock_of_nothing_is_released() public {
        vault.lock(prover, 0);
        (uint64 taken,) = vault.slash(prover, 0);
        equal(taken, 0, "nothing there, nothing taken");
    }

    function test_an_operator_cannot_take_out_what_jobs_hold() public {
        stakeAndDelegate(10, 0, Vault.Bearer.OPERATOR);
        vault.lock(prover, 8);
        vm.prank(prover);
        vm.expectRevert(Vault.Bound.selector);
        vault.unstake(3);
    }

    function test_exit_and_withdrawal_work_while_paused() public {
        stakeAndDelegate(10, 10, Vault.Bearer.EVERYONE);
        vault.setPaused(true);
        vm.prank(delegator);
        vm.expectRevert(Balances.IsPaused.selector);
        vault.delegate(prover, 1, 10_000, Vault.Bearer.EVERYONE);
        vm.prank(prover);
        vault.unstake(10);
        vm.prank(delegator);
        vault.undelegate(prover, 10_000);
        vm.warp(block.timestamp + 8 * DAY);
        vm.prank(prover);
        vault.exit();
        vm.prank(delegator);
        vault.collect(prover);
        equal(free(prover), WEALTH, "the operator has all");
        require(free(delegator) >= WEALTH - 2, "the delegator all but what is rounded");
    }
}
