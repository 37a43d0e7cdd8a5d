// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Signed} from "../src/Signed.sol";
import {Vault} from "../src/Vault.sol";
import {ContestMarket, RuleMarket, SecondPriceMarket, StakedPoolMarket} from "../src/rules/RuleMarket.sol";
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

/// @title Asks for a proof, draws by itself, and takes the draw back unless the lot falls on whom it favours.
contract Picky {
    function begin(StakedPoolMarket pool, uint64 amount) external {
        Vault(address(pool.VAULT())).deposit(amount);
        pool.enter(amount);
    }

    function ask(StakedPoolMarket pool, bytes32 circuit) external returns (uint256 job) {
        job = pool.request(circuit, "picky", 80_000_000, 1_000_000);
        pool.draw(); // not in this block
        require(uint8(pool.jobOf(job).phase) == 0, "it saw the draw");
    }

    function draw(StakedPoolMarket pool, uint256 job, int16 favourite) external {
        pool.draw();
        require(pool.jobOf(job).prover == favourite, "not this time");
    }
}

contract AttacksTest is Base {
    uint256 private constant TRANSACTION_GAS = 16_777_216; // Ethereum's limit (EIP-7825)

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

    function test_whoever_makes_a_block_chooses_the_dice_of_a_rule_on_chain() public {
        StakedPoolMarket pool = pooled();
        for (uint256 k = 0; k < 2; ++k) {
            uint256 wanted = k; // the proposer tries one randomness after another, and publishes the block it likes
            int16 drawn = -1;
            for (uint256 randomness = 1; drawn != int16(uint16(wanted)); ++randomness) {
                drawn = drawnBy(pool, bytes32(randomness));
                if (drawn == int16(uint16(wanted))) {
                    equal(uint256(uint16(drawnBy(pool, bytes32(randomness)))), wanted, "the same block, the same draw");
                }
            }
        }
    }

    function test_who_asks_by_a_contract_cannot_take_the_draw_back() public {
        StakedPoolMarket pool = pooled();
        (Picky picky, address own) = (new Picky(), address(pool.VAULT()));
        token.mint(address(picky), 10e18);
        vm.prank(address(picky));
        token.approve(own, type(uint256).max);
        picky.begin(pool, 5e9);
        uint256 favoured = 0;
        for (uint256 asked = 0; asked < 16; ++asked) {
            uint256 job = picky.ask(pool, CIRCUIT);
            vm.roll(block.number + 1);
            vm.setBlockhash(block.number - 1, keccak256(abi.encode(asked)));
            bool liked = true;
            try picky.draw(pool, job, 1) {} catch {
                liked = false;
            }
            vm.roll(block.number + 100);
            vm.prank(prover);
            pool.act(0, 10, 64); // whoever does anything draws first, and finds the same dice
            if (pool.jobOf(job).prover == 1) ++favoured;
            equal(uint256(uint16(pool.jobOf(job).prover)), liked ? 1 : 0, "what it saw is what happens");
        }
        require(favoured > 0 && favoured < 16, "both are drawn, as if it had asked by hand");
        (uint256 cash,) = pool.balances(address(picky));
        pool.draw();
        equal(pool.money(), freeIn(own, address(pool)), "all in it is backed");
        require(cash < 5e9, "it has paid for all of them");
    }

    function test_a_draw_nobody_makes_for_256_blocks_is_none_and_costs_nothing() public {
        StakedPoolMarket pool = pooled();
        (uint256 before,) = pool.balances(requester);
        vm.prank(requester);
        uint256 job = pool.request(CIRCUIT, "late", 80_000_000, 1_000_000);
        (uint256 waiting,) = pool.balances(requester);
        equal(before - waiting, 80_000_000, "put aside");
        vm.roll(block.number + 258);
        pool.draw();
        (uint256 afterwards,) = pool.balances(requester);
        equal(afterwards, before, "and given back");
        equal(uint256(pool.jobOf(job).phase), 0, "there is no such job");
        vm.prank(requester);
        pool.leave(uint64(before));
    }

    function test_nobody_fills_a_block_with_draws_that_others_pay() public {
        StakedPoolMarket pool = pooled();
        uint256 most = pool.MAX_WAITING();
        for (uint256 k = 0; k <= most; ++k) {
            if (k == most) vm.expectRevert(RuleMarket.Full.selector);
            vm.prank(requester);
            pool.request(CIRCUIT, "many", 80_000_000, 1_000_000);
        }
        vm.roll(block.number + 1);
        uint256 before = gasleft();
        pool.draw();
        require(before - gasleft() < 2_000_000, "a few draws");
        equal(pool.jobs(), most, "all of them");
        require(uint8(pool.jobOf(most - 1).phase) != 0, "the last was drawn, too");
    }

    /// An operator bids on an order of its own with all that others delegated to it, and misses it.
    function testFuzz_an_operator_gains_nothing_by_missing_its_own_order(uint64 own, uint64 delegated) public {
        own = own % WEALTH + 1;
        delegated = delegated % WEALTH + 1;
        vm.prank(prover);
        vault.stake(own);
        vm.prank(delegator);
        vault.delegate(prover, delegated, 0, Vault.Bearer.EVERYONE);
        uint256 before = uint256(free(prover)) + own + free(requester);
        (Signed.Order memory o,) = assigned(1, 0, 0, own + delegated);
        vm.warp(block.timestamp + 3_601);
        market.expire(o);
        equal(held(prover), 0, "all is lost");
        require(uint256(free(prover)) + free(requester) <= before, "and nobody has it");
    }

    /// Sealed: what is opened is what was sealed, whichever way it comes.
    function test_a_sealed_bid_has_one_opening() public {
        SecondPriceMarket sealed_ = priced(1, 0);
        vm.prank(requester);
        uint256 job = sealed_.request(CIRCUIT, "sealed", 10e9, 1);
        uint256 word = sealed_.sealOf(address(1), job, 5e9, "nonce");
        require(word >> 200 > 0, "a seal of 240 bits");
        vm.prank(address(1));
        vm.expectRevert(RuleMarket.WrongPhase.selector);
        sealed_.open(job, 5e9, "nonce"); // not yet
        vm.prank(address(1));
        sealed_.bid(job, 0, word);
        vm.warp(block.timestamp + 301);
        vm.prank(address(1));
        vm.expectRevert(RuleMarket.WrongPhase.selector);
        sealed_.bid(job, 1, word); // any amount, once it has seen the others'
        vm.prank(address(1));
        vm.expectRevert(RuleMarket.BadDetail.selector);
        sealed_.open(job, 1, "nonce");
        vm.prank(address(1));
        sealed_.open(job, 5e9, "nonce");
        vm.warp(block.timestamp + 301);
        sealed_.timer(job);
        equal(uint256(uint16(sealed_.jobOf(job).prover)), 1, "it won"); // actor 0 is the requester
    }

    /// The job of a full house is decided within a transaction, or its escrow would stay in.
    function test_a_full_house_fits_into_a_transaction() public {
        SecondPriceMarket sealed_ = priced(255, 255);
        vm.prank(requester);
        uint256 job = sealed_.request(CIRCUIT, "sealed", 10e9, 1);
        for (uint160 k = 1; k <= 200; ++k) {
            vm.prank(address(k));
            sealed_.bid(job, 0, k);
        }
        vm.warp(block.timestamp + 301);
        sealed_.timer(job);
        vm.warp(block.timestamp + 301);
        sealed_.timer{gas: TRANSACTION_GAS}(job);
        require(sealed_.jobOf(job).prover > 0, "somebody won");
    }

    function test_an_order_is_no_order_on_a_fork_of_the_chain() public {
        (Signed.Order memory o,) = order(1, 10);
        bytes memory signature = signed(REQUESTER, market.hashOrder(o));
        vm.chainId(block.chainid + 1);
        vm.expectRevert(Signed.BadSignature.selector);
        market.request(o, signature);
    }

    /// @dev Draw once for a request that is not kept: what it would be with a block of this hash.
    function drawnBy(StakedPoolMarket pool, bytes32 hash) private returns (int16 drawn) {
        try this.drawAndUndo(pool, hash) {} catch (bytes memory told) {
            assembly {
                drawn := mload(add(told, 32))
            }
        }
    }

    function drawAndUndo(StakedPoolMarket pool, bytes32 hash) external {
        vm.prank(requester);
        uint256 job = pool.request(CIRCUIT, "undone", 80_000_000, 1_000_000);
        vm.roll(block.number + 1);
        vm.setBlockhash(block.number - 1, hash);
        pool.draw();
        int256 drawn = pool.jobOf(job).prover;
        assembly {
            mstore(0, drawn)
            revert(0, 32)
        }
    }

    function freeIn(address own, address account) private view returns (uint64 amount) {
        (amount,,) = Vault(own).accounts(account);
    }

    /// @dev A pool in which two provers of equal stake hold the first two seats, and the requester has money.
    function pooled() private returns (StakedPoolMarket pool) {
        Vault own = new Vault(token, DAY, 8 * DAY);
        pool = new StakedPoolMarket(own, verifier, poolParams());
        address[] memory keepers = new address[](1);
        keepers[0] = address(pool);
        own.seal(keepers);
        address[3] memory people = [prover, delegator, requester];
        for (uint256 k = 0; k < 3; ++k) {
            token.mint(people[k], 100e18);
            vm.prank(people[k]);
            token.approve(address(own), type(uint256).max);
            vm.prank(people[k]);
            own.deposit(100e9);
            vm.prank(people[k]);
            pool.enter(100e9);
            if (k == 2) continue;
            vm.prank(people[k]);
            pool.act(0, 10, 64); // offer: 10 gwei for a gas, 64 proofs at once
            vm.prank(people[k]);
            pool.act(1, 50e9, 0); // stake
        }
    }

    /// @dev A reverse second price with a requester and `actors` with stakes, of whom `offers` have standing offers.
    function priced(uint160 actors, uint160 offers) private returns (SecondPriceMarket sealed_) {
        Vault own = new Vault(token, DAY, 8 * DAY);
        sealed_ = new SecondPriceMarket(own, verifier, priceParams());
        address[] memory keepers = new address[](1);
        keepers[0] = address(sealed_);
        own.seal(keepers);
        for (uint160 k = 0; k <= actors; ++k) {
            address who = k == 0 ? requester : address(k);
            token.mint(who, 100e18);
            vm.prank(who);
            token.approve(address(own), type(uint256).max);
            vm.prank(who);
            own.deposit(100e9);
            vm.prank(who);
            sealed_.enter(100e9);
            if (k == 0) continue;
            vm.prank(who);
            sealed_.act(1, 50e9, 0); // stake
            if (k > offers) continue;
            vm.prank(who);
            sealed_.act(0, 8e9 - int256(uint256(k)), 64); // offer: each a gwei below the one before
        }
    }

    function priceParams() private pure returns (uint64[] memory p) {
        p = new uint64[](16);
        (p[0], p[1], p[2], p[3], p[4]) = (300_000, 300_000, 3_600_000, 1e9, 1e9);
        (p[5], p[6], p[7], p[8], p[9]) = (1_000, 5_000, 86_400_000, 5_000, 100);
        p[11] = 86_400_000;
    }

    function poolParams() private pure returns (uint64[] memory p) {
        p = new uint64[](30);
        (p[0], p[1], p[2], p[3], p[4], p[6], p[7]) = (32, 32, 1, 25, 4, 604_800_000, 3_600_000);
        (p[8], p[9], p[10], p[11], p[12], p[13]) = (600_000, 5_400_000, 200, 150, 201_600, 250);
        (p[15], p[16], p[17], p[18], p[19]) = (30_000, 86_400_000, 6_000_000, 180_000, 20_000);
        (p[20], p[21], p[22], p[23], p[24]) = (75, 125, 7_200, 10, 3_600_000);
    }

    function contestParams() private pure returns (uint64[] memory p) {
        p = new uint64[](10);
        (p[1], p[2], p[4], p[5], p[6], p[7]) = (1, 1, 10_000, 3_600_000, 1_000_000, 600_000);
    }
}
