// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Settlement} from "../src/Settlement.sol";
import {Signed} from "../src/Signed.sol";
import {Base} from "./Base.sol";

/// @title Whatever accounts do between batches, a batch that sums to zero goes through and makes no money.
contract SettlementTest is Base {
    uint256 private constant PEOPLE = 5;

    address[PEOPLE] private people;
    uint256 private heads;

    function setUp() public override {
        super.setUp();
        people = [requester, prover, delegator, address(0xdead), address(this)];
        token.mint(address(this), uint256(WEALTH) * 1e9);
        token.approve(address(vault), type(uint256).max);
        vault.deposit(WEALTH);
        settlement.grant(Signed.Mandate(address(this), 2 ** 61, type(uint64).max), "");
    }

    /// @dev Each round somebody leaves, withdraws, comes back, gives a mandate or lets time pass; then a batch is settled.
    function testFuzz_nobody_stops_a_batch_and_no_batch_makes_money(uint256[8] memory dice) public {
        uint256[PEOPLE] memory limit;
        uint256[PEOPLE] memory taken;
        limit[4] = 2 ** 61;
        for (uint256 round = 0; round < dice.length; ++round) {
            act(dice[round], limit);
            uint64[PEOPLE] memory before = fortunes();
            Settlement.Change[] memory changes = drawn(uint256(keccak256(abi.encode(dice[round]))));
            bytes32 head = settlement.head();
            Settlement.Batch memory b;
            (b.previous, b.head) = (head, bytes32(++heads));
            settlement.settle(b, new Settlement.Payment[](0), changes);
            uint64[PEOPLE] memory afterwards = fortunes();
            int256 open = 0;
            for (uint256 k = 0; k < PEOPLE; ++k) {
                if (afterwards[k] < before[k]) taken[k] += before[k] - afterwards[k];
                (,,, int64 left) = settlement.granted(people[k]);
                open += left;
                // The coordinator lends beyond its mandate; nobody else gives more than it signed for.
                require(k == 4 || taken[k] <= limit[k], "no more than was signed for");
            }
            require(open == 0, "what some owe the others wait for");
            equal(free(address(settlement)), 0, "nothing stays with the contract");
            equal(vault.total(), token.balanceOf(address(vault)) / 1e9, "all of it is there");
        }
    }

    function test_a_batch_that_moves_everybodys_money_fits_into_a_transaction() public {
        uint256 most = 400; // MOST_ACTORS of the market
        Settlement.Change[] memory changes = new Settlement.Change[](most + 1);
        changes[0] = Settlement.Change(address(this), -int64(uint64(most)));
        for (uint256 k = 1; k <= most; ++k) {
            changes[k] = Settlement.Change(address(uint160(0x10000 + k)), 1); // new accounts: the dearest
        }
        Settlement.Batch memory b;
        b.head = bytes32(uint256(1));
        uint256 before = gasleft();
        settlement.settle(b, new Settlement.Payment[](0), changes);
        uint256 callData = 21_000 + most * 64 * 40;
        require(before - gasleft() + callData < 2 ** 24, "below the cap of a transaction on Ethereum");
    }

    function act(uint256 die, uint256[PEOPLE] memory limit) private {
        uint256 k = (die >> 8) % 3;
        address who = people[k];
        if (die % 6 == 0 && free(who) > 0) {
            uint64 amount = uint64((die >> 16) % free(who)) + 1;
            vm.prank(who);
            vault.leave(amount);
        } else if (die % 6 == 1 || die % 6 == 2) {
            vm.warp(block.timestamp + DAY + 1);
            if (leaving(who) == 0) return;
            vm.prank(who);
            vault.withdraw();
        } else if (die % 6 == 3) {
            uint64 more = uint64((die >> 16) % WEALTH) + 1;
            (uint64 has,, uint64 until,) = settlement.granted(who);
            vm.prank(who);
            settlement.grant(Signed.Mandate(who, (until < block.timestamp ? 0 : has) + more, uint64(block.timestamp) + 9 * DAY), "");
            limit[k] += more;
        } else if (die % 6 == 4 && token.balanceOf(who) > 1e9) {
            uint64 amount = uint64((die >> 16) % (token.balanceOf(who) / 1e9)) + 1;
            vm.prank(who);
            vault.deposit(amount);
        } else if (leaving(who) > 0) {
            (uint64 has, uint64 used, uint64 until,) = settlement.granted(who);
            if (block.timestamp <= until && has > used) settlement.recall(who, has - used);
        }
    }

    /// @dev Changes of all five that sum to zero, in some order.
    function drawn(uint256 die) private view returns (Settlement.Change[] memory changes) {
        changes = new Settlement.Change[](PEOPLE);
        int64 sum = 0;
        for (uint256 k = 0; k < PEOPLE; ++k) {
            int64 amount = int64(uint64((die >> (k * 40)) % WEALTH)) - int64(WEALTH / 2);
            if (k == 3 && amount < 0) amount = -amount; // nobody burns backwards
            if (k == PEOPLE - 1) amount = -sum;
            sum += amount;
            changes[(k + die % PEOPLE) % PEOPLE] = Settlement.Change(people[k], amount);
        }
    }

    function fortunes() private view returns (uint64[PEOPLE] memory has) {
        for (uint256 k = 0; k < PEOPLE; ++k) {
            has[k] = free(people[k]) + leaving(people[k]);
        }
    }
}
