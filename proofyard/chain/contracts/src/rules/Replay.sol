// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Bonded} from "./Bonded.sol";
import {Contest} from "./Contest.sol";
import {Rule} from "./Rule.sol";
import {SecondPrice} from "./SecondPrice.sol";
import {StakedPool} from "./StakedPool.sol";

/// @title A rule that is given events with their time and dice: for test vectors and audits, never for money.
/// @notice Called without a transaction (`eth_call`), so that each replay begins with an empty state.
abstract contract Replay is Rule {
    /// @notice Play events from genesis.
    /// @param params of the rule, in the order of the Python rule's Params
    /// @param cash gwei of each actor at genesis
    /// @param jobs how many jobs there can be
    /// @param events in order
    /// @return rows for each event its verdict, then the book by rows: cash, held, slashed of every actor; escrow, held,
    ///         phase, requester, prover, deadline, paid of every job; burnt, reserve
    function play(uint64[] memory params, uint64[] memory cash, uint256 jobs, Event[] memory events)
        external
        returns (int256[] memory rows)
    {
        _actors = cash.length;
        _begin(params);
        for (uint256 i = 0; i < cash.length; ++i) {
            _cash[i] = cash[i];
        }
        uint256 width = 3 + 3 * cash.length + 7 * jobs;
        rows = new int256[](events.length * width);
        for (uint256 k = 0; k < events.length; ++k) {
            rows[k * width] = int256(uint256(_apply(events[k])));
            _tell(rows, k * width + 1, cash.length, jobs);
        }
    }

    function _tell(int256[] memory rows, uint256 at, uint256 actors, uint256 jobs) private view {
        for (uint256 i = 0; i < actors; ++i) {
            rows[at + i] = int256(uint256(_cash[i]));
            rows[at + actors + i] = int256(_held(i));
            rows[at + 2 * actors + i] = int256(uint256(_slashed[i]));
        }
        at += 3 * actors;
        for (uint256 k = 0; k < jobs; ++k) {
            Job storage j = _jobs[k];
            rows[at + k] = int256(uint256(j.escrow));
            rows[at + jobs + k] = int256(_heldByJob(k));
            rows[at + 2 * jobs + k] = int256(uint256(j.phase));
            rows[at + 3 * jobs + k] = int256(uint256(j.requester));
            rows[at + 4 * jobs + k] = j.prover;
            rows[at + 5 * jobs + k] = int256(uint256(j.deadline));
            rows[at + 6 * jobs + k] = int256(uint256(j.paid));
        }
        rows[at + 7 * jobs] = int256(uint256(_burnt));
        rows[at + 7 * jobs + 1] = int256(uint256(_reserve));
    }
}

contract ContestReplay is Contest, Replay {}

contract SecondPriceReplay is SecondPrice, Replay {}

contract BondedReplay is Bonded, Replay {}

contract StakedPoolReplay is StakedPool, Replay {}
