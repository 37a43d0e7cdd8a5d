// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Vault} from "../src/Vault.sol";
import {Base} from "./Base.sol";

/// @title Anybody does anything to the vault, in any order; what it refuses is refused.
contract Hand is Base {
    address[4] public people;
    uint256 public paidOut; // base units

    bool private begun;

    function setUp() public override {
        if (begun) return; // forge calls it at random too
        begun = true;
        super.setUp();
    }

    constructor() {
        setUp();
        people = [requester, prover, delegator, address(0xbeef)];
        enter(people[3]);
    }

    function pick(uint8 who) public view returns (address) {
        return people[who % 4];
    }

    function leave(uint8 who, uint64 amount) external {
        vm.prank(pick(who));
        try vault.leave(amount % WEALTH) {} catch {}
    }

    function withdraw(uint8 who) external {
        uint256 before = token.balanceOf(pick(who));
        vm.prank(pick(who));
        try vault.withdraw() {} catch {}
        paidOut += token.balanceOf(pick(who)) - before;
    }

    function stake(uint8 who, uint64 amount) external {
        vm.prank(pick(who));
        try vault.stake(amount % WEALTH) {} catch {}
    }

    function unstake(uint8 who, uint64 amount) external {
        vm.prank(pick(who));
        try vault.unstake(amount % WEALTH) {} catch {}
    }

    function exit(uint8 who) external {
        vm.prank(pick(who));
        try vault.exit() {} catch {}
    }

    function delegate(uint8 who, uint8 to, uint64 amount) external {
        Vault.Bearer bearer = vault.poolOf(pick(to)).bearer;
        vm.prank(pick(who));
        try vault.delegate(pick(to), amount % WEALTH, 10_000, bearer) {} catch {}
    }

    function undelegate(uint8 who, uint8 from, uint96 part) external {
        (uint96 all,,) = vault.delegations(pick(from), pick(who));
        if (all == 0) return;
        vm.prank(pick(who));
        vault.undelegate(pick(from), part % all + 1); // never refused, whatever happened to the pool
    }

    /// All an operator and one who delegates to it have there is lost, on its way out.
    function ruin(uint8 who, uint8 to) external {
        address operator = pick(to);
        vault.lock(operator, vault.unbound(operator));
        (uint96 all,,) = vault.delegations(operator, pick(who));
        vm.prank(pick(who));
        if (all > 0) vault.undelegate(operator, all);
        vault.slash(operator, vault.lockedBy(address(this), operator));
    }

    function collect(uint8 who, uint8 from) external {
        vm.prank(pick(who));
        try vault.collect(pick(from)) {} catch {}
    }

    function lock(uint8 who, uint64 amount) external {
        uint64 most = vault.unbound(pick(who));
        try vault.lock(pick(who), most == 0 ? 0 : amount % most + 1) {} catch {}
    }

    function unlock(uint8 who, uint64 amount) external {
        try vault.unlock(pick(who), amount % (vault.lockedBy(address(this), pick(who)) + 1)) {} catch {}
    }

    function slash(uint8 who, uint64 amount) external {
        try vault.slash(pick(who), amount % (vault.lockedBy(address(this), pick(who)) + 1)) {} catch {}
    }

    function reward(uint8 who, uint64 amount) external {
        try vault.reward(pick(who), amount % (free(address(this)) + 1)) {} catch {}
    }

    function setTerms(uint8 who, uint16 commission, bool all) external {
        vm.prank(pick(who));
        try vault.setTerms(commission % 10_001, all ? Vault.Bearer.EVERYONE : Vault.Bearer.OPERATOR) {} catch {}
    }

    function wait(uint32 time) external {
        vm.warp(block.timestamp + time % (10 * DAY));
    }

    function wealth() external view returns (uint256 sum) {
        for (uint256 i = 0; i < 4; ++i) {
            sum += uint256(free(people[i])) + leaving(people[i]) + held(people[i]);
        }
        sum += free(address(this));
    }

    function total() external view returns (uint256 inside, uint256 backing) {
        return (vault.total(), token.balanceOf(address(vault)) / 1e9);
    }

    function bound(uint256 i) external view returns (bool) {
        Vault.Pool memory p = pool(people[i]);
        uint256 all = uint256(p.own) + p.exiting;
        if (p.bearer == Vault.Bearer.EVERYONE) all += uint256(p.delegated) + p.queue;
        return p.locked <= all;
    }

    /// @dev What all who wait in a queue would be paid, gwei.
    function claims(uint256 i) private view returns (uint256 sum) {
        Vault.Pool memory p = pool(people[i]);
        for (uint256 k = 0; k < 4; ++k) {
            (, uint96 waiting,) = vault.delegations(people[i], people[k]);
            sum += vault.worth(p.queue, p.queueShares, waiting);
        }
    }

    function shares(uint256 i) external view returns (bool) {
        Vault.Pool memory p = pool(people[i]);
        uint256 sum = 0;
        for (uint256 k = 0; k < 4; ++k) {
            sum += vault.delegatedBy(people[i], people[k]);
        }
        return sum <= p.delegated && claims(i) <= p.queue;
    }
}

contract InvariantsTest {
    Hand internal hand;

    function setUp() public {
        hand = new Hand();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(hand);
    }

    function invariant_money_is_conserved_and_backed() public view {
        (uint256 inside, uint256 backing) = hand.total();
        require(hand.wealth() == inside, "what accounts have is what is inside");
        require(inside == backing, "every gwei has its tokens");
        require(hand.paidOut() + backing * 1e9 == 4_000e18, "nobody got more than there was");
    }

    function invariant_locks_are_covered_by_stake() public view {
        for (uint256 i = 0; i < 4; ++i) {
            require(hand.bound(i), "locked never exceeds stake");
        }
    }

    function invariant_shares_are_worth_no_more_than_the_pool() public view {
        for (uint256 i = 0; i < 4; ++i) {
            require(hand.shares(i), "shares never make value");
        }
    }
}
