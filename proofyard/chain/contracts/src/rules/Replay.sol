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
    /// @return verdicts one for each event
    /// @return books after each event, by rows: cash, held, slashed of every actor; escrow, held, phase, requester, prover,
    ///         deadline, paid of every job; burnt, reserve
    function play(uint64[] memory params, uint64[] memory cash, uint256 jobs, Event[] memory events)
        external
        returns (uint8[] memory verdicts, int256[][] memory books)
    {
        _actors = cash.length;
        _begin(params);
        for (uint256 i = 0; i < cash.length; ++i) {
            _cash[i] = cash[i];
        }
        verdicts = new uint8[](events.length);
        books = new int256[][](events.length);
        for (uint256 k = 0; k < events.length; ++k) {
            verdicts[k] = uint8(_apply(events[k]));
            books[k] = _book(cash.length, jobs);
        }
    }

    function _book(uint256 actors, uint256 jobs) private view returns (int256[] memory book) {
        book = new int256[](3 * actors + 7 * jobs + 2);
        for (uint256 i = 0; i < actors; ++i) {
            book[i] = int256(uint256(_cash[i]));
            book[actors + i] = int256(_held(i));
            book[2 * actors + i] = int256(uint256(_slashed[i]));
        }
        uint256 at = 3 * actors;
        for (uint256 k = 0; k < jobs; ++k) {
            Job storage j = _jobs[k];
            book[at + k] = int256(uint256(j.escrow));
            book[at + jobs + k] = int256(_heldByJob(k));
            book[at + 2 * jobs + k] = int256(uint256(j.phase));
            book[at + 3 * jobs + k] = int256(uint256(j.requester));
            book[at + 4 * jobs + k] = j.prover;
            book[at + 5 * jobs + k] = int256(uint256(j.deadline));
            book[at + 6 * jobs + k] = int256(uint256(j.paid));
        }
        book[at + 7 * jobs] = int256(uint256(_burnt));
        book[at + 7 * jobs + 1] = int256(uint256(_reserve));
    }
}

contract ContestReplay is Contest, Replay {}

contract SecondPriceReplay is SecondPrice, Replay {}

contract BondedReplay is Bonded, Replay {}

contract StakedPoolReplay is StakedPool, Replay {}
