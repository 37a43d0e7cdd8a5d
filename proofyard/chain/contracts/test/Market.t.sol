// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Market} from "../src/Market.sol";
import {IProven, Rollup} from "../src/Rollup.sol";
import {Settlement} from "../src/Settlement.sol";
import {Signed} from "../src/Signed.sol";
import {IProofVerifier, Verifier} from "../src/Verifier.sol";
import {Base} from "./Base.sol";

/// @title A verifier that burns all gas it is given, answers a megabyte, or calls back.
contract Wicked is IProofVerifier {
    uint256 private immutable WAY;

    constructor(uint256 way) {
        WAY = way;
    }

    function verify(bytes calldata, bytes32[] calldata) external view returns (bool) {
        if (WAY == 0) assembly { invalid() }
        if (WAY == 1) assembly { return(0, 100000) }
        if (WAY == 2) assembly { mstore(0, 2) return(0, 32) }
        assembly { mstore(0, 1) return(0, 31) }
    }
}

/// @title Takes a known amount of gas and accepts everything.
contract Slow is IProofVerifier {
    function verify(bytes calldata, bytes32[] calldata) external view returns (bool) {
        uint256 last = gasleft() - 400_000;
        while (gasleft() > last) {}
        return true;
    }
}

/// @title Says that everything was proven.
contract Proven is IProven {
    function isProven(bytes32, bytes32) external pure returns (bool) {
        return true;
    }
}

contract MarketTest is Base {
    function testFuzz_money_is_conserved_whatever_is_signed(uint64 ceiling, uint64 price, uint64 bond, bool proves) public {
        ceiling = ceiling % WEALTH;
        price = uint64(uint256(price) % (uint256(ceiling) + 1));
        bond = bond % WEALTH;
        vm.prank(prover);
        vault.stake(WEALTH / 2);
        if (bond > WEALTH / 2) bond = WEALTH / 2;
        (Signed.Order memory o, bytes32[] memory inputs) = assigned(1, ceiling, price, bond);
        if (proves) {
            market.prove(o, proofOf(inputs), inputs);
            equal(free(prover), WEALTH / 2 + price, "paid");
            equal(free(requester), WEALTH - price, "the rest came back");
            equal(held(prover), WEALTH / 2, "stake untouched");
        } else {
            vm.warp(block.timestamp + 3_601);
            market.expire(o);
            equal(free(requester), WEALTH + bond / 2, "refunded, and half the bond");
            equal(free(market.BURNT()), bond - bond / 2, "the rest is burnt");
            equal(held(prover), WEALTH / 2 - bond, "slashed");
        }
        equal(free(address(market)), 0, "nothing stays in the market");
        equal(pool(prover).locked, 0, "no lock stays");
    }

    function test_a_job_is_proven_once_and_not_after_it_expired() public {
        (Signed.Order memory o, bytes32[] memory inputs) = assigned(1, 10, 10, 0);
        market.prove(o, proofOf(inputs), inputs);
        vm.expectRevert(Market.WrongPhase.selector);
        market.prove(o, proofOf(inputs), inputs);
        vm.warp(block.timestamp + 3_601);
        vm.expectRevert(Market.WrongPhase.selector);
        market.expire(o);
        (o, inputs) = assigned(2, 10, 10, 0);
        vm.warp(block.timestamp + 3_601);
        vm.expectRevert(Market.Late.selector);
        market.prove(o, proofOf(inputs), inputs);
    }

    function test_a_wicked_verifier_is_a_bad_proof_and_costs_its_cap() public {
        for (uint256 way = 0; way < 4; ++way) {
            bytes32 name = bytes32(way + 1);
            Wicked wicked = new Wicked(way);
            verifier.add(
                name,
                Verifier.Circuit(wicked, 100_000, 1, Verifier.Kind.PLAIN, false, IProofVerifier(address(0)), 0, 0)
            );
            uint256 before = gasleft();
            require(!verifier.verify(name, "x", new bytes32[](1)), "not good");
            require(before - gasleft() < 160_000, "no more than the cap and some");
        }
    }

    /// With however little gas it is called, a good proof is never told to be a bad one; and it needs no more than it uses.
    function test_a_good_proof_is_good_or_lacks_gas() public {
        uint32[2] memory caps = [uint32(402_000), 3_000_000]; // just enough, and far more
        for (uint256 k = 0; k < 2; ++k) {
            bytes32 name = bytes32(k + 1);
            IProofVerifier none = IProofVerifier(address(0));
            verifier.add(name, Verifier.Circuit(new Slow(), caps[k], 1, Verifier.Kind.PLAIN, false, none, 0, 0));
            for (uint256 given = 380_000; given < 450_000; given += 500) {
                try verifier.verify{gas: given}(name, "x", new bytes32[](1)) returns (bool good) {
                    require(good, "called bad");
                    require(given > 400_000, "it cannot have been verified");
                } catch {
                    require(given < 440_000, "less than the cap is enough");
                }
            }
        }
    }

    function test_at_the_last_second_a_job_is_proven_and_only_after_it_missed() public {
        for (uint64 nonce = 1; nonce <= 2; ++nonce) {
            (Signed.Order memory o, bytes32[] memory inputs) = assigned(nonce, 10, 10, 0);
            vm.warp(o.deadline + nonce - 1);
            if (nonce == 2) {
                vm.expectRevert(Market.Late.selector);
                market.prove(o, proofOf(inputs), inputs);
                market.expire(o);
            } else {
                vm.expectRevert(Market.Early.selector);
                market.expire(o);
                market.prove(o, proofOf(inputs), inputs);
            }
        }
    }

    function test_a_cancelled_order_is_given_to_nobody() public {
        (Signed.Order memory o,) = order(1, 10);
        bytes32 id = market.hashOrder(o);
        bytes memory signature = signed(REQUESTER, id);
        market.request(o, signature);
        vm.prank(requester);
        market.cancel(id);
        Signed.Offer memory offer = Signed.Offer(id, prover, 10, 0, o.deadline);
        bytes memory offered = signed(PROVER, market.hashOffer(offer));
        vm.expectRevert(Market.WrongPhase.selector);
        market.assign(o, signature, offer, offered);
        vm.prank(requester);
        market.cancelNonce(2);
        (o,) = order(2, 10);
        signature = signed(REQUESTER, market.hashOrder(o));
        vm.expectRevert(Signed.UsedNonce.selector);
        market.request(o, signature);
    }

    /// In a batch the proof is public before the payment: nothing a requester sends in between may void its order.
    function test_nobody_voids_what_a_batch_is_about_to_pay() public {
        bytes[2] memory ways;
        ways[0] = abi.encodeWithSignature("cancelNonce(uint64)", uint64(1));
        ways[1] = abi.encodeWithSignature("cancel(bytes32)", bytes32(0));
        (Signed.Order memory o, bytes32[] memory inputs) = order(1, 10);
        for (uint256 k = 0; k < 2; ++k) {
            vm.prank(requester);
            (bool done,) = address(settlement).call(ways[k]);
            require(!done, "voided");
        }
        vm.prank(requester);
        vault.leave(WEALTH);
        Settlement.Batch memory b;
        (b.head, b.circuit, b.proof, b.inputs) = (bytes32(uint256(1)), CIRCUIT, proofOf(inputs), inputs);
        Settlement.Payment[] memory payments = new Settlement.Payment[](1);
        payments[0] = Settlement.Payment(o, signed(REQUESTER, settlement.hashOrder(o)), prover, 10);
        settlement.settle(b, payments, new Settlement.Change[](0));
        equal(free(prover), WEALTH + 10, "paid");
    }

    function test_whoever_advances_the_rollup_can_hide_its_transfers() public {
        Proven proven = new Proven();
        Rollup rollup = new Rollup(proven, proven, CIRCUIT, 7, bytes32(uint256(1)));
        bytes32[] memory words = new bytes32[](5);
        for (uint256 k = 0; k < 5; ++k) words[k] = bytes32(k + 1);
        words[4] = bytes32(uint256(7));
        vm.expectRevert(Rollup.NoData.selector);
        rollup.advance(words, "");
        rollup.advance(words, "none of them"); // not held to the commitment, words[2]
        equal(uint256(rollup.root()), 2, "it moved on");
        vm.expectRevert(Rollup.WrongRoot.selector);
        rollup.advance(words, "none of them");
    }

    function test_a_signature_written_the_other_way_is_refused() public {
        (Signed.Order memory o,) = order(1, 10);
        bytes32 id = market.hashOrder(o);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(REQUESTER, id);
        uint256 n = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        bytes memory other = abi.encodePacked(r, bytes32(n - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        vm.expectRevert(Signed.BadSignature.selector);
        market.request(o, other);
    }

    function test_an_order_of_one_contract_is_none_of_another() public {
        Market other = new Market(vault, verifier, address(this), 5_000);
        (Signed.Order memory o,) = order(1, 10);
        bytes memory signature = signed(REQUESTER, market.hashOrder(o));
        vm.expectRevert(Signed.BadSignature.selector);
        other.request(o, signature);
    }

    function testFuzz_net_changes_take_no_more_than_the_mandate(int64 amount, uint64 limit) public {
        vm.assume(amount > type(int64).min);
        uint64 size = uint64(amount < 0 ? -amount : amount) % WEALTH;
        limit = limit % WEALTH;
        vm.prank(prover);
        settlement.grant(Signed.Mandate(prover, limit, uint64(block.timestamp) + 60), "");
        Settlement.Change[] memory changes = new Settlement.Change[](2);
        changes[0] = Settlement.Change(prover, -int64(size));
        changes[1] = Settlement.Change(requester, int64(size));
        Settlement.Batch memory b;
        b.head = bytes32(uint256(1));
        settlement.settle(b, new Settlement.Payment[](0), changes);
        uint64 taken = size > limit ? limit : size;
        equal(free(prover), WEALTH - taken, "taken at most what was granted");
        equal(free(requester), WEALTH + taken, "given what was taken");
        (,,, int64 open) = settlement.granted(prover);
        equal(uint64(-open), size - taken, "the rest is owed");
        equal(free(address(settlement)), 0, "nothing stays");
    }
}
