// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Rule} from "./Rule.sol";

/// @title The seats of the staked pool: who is in one, on which terms, with how much weight; stakes in and out.
/// @notice The integers of proofyard/mechanisms/staked_pool.py, where the rule is described. Money gwei, time ms.
abstract contract StakedPoolSeats is Rule {
    struct Params {
        uint64 seats;
        uint64 minCapacity;
        uint64 minStakePerCapacity; // gwei
        uint64 slashPoints; // bips
        uint64 slashMultiplier;
        uint64 oldSlash; // switch
        uint64 exitPeriodMs;
        uint64 changeDelayMs;
        uint64 minWindowMs;
        uint64 maxWindowMs;
        uint64 windowPercent;
        uint64 openRewardPercent;
        uint64 maxOpenJobs;
        uint64 delayPenalty; // bips
        uint64 latePaid; // switch
        uint64 cooldownMs;
        uint64 openWindowMs;
        uint64 gasLimit;
        uint64 anchorGas;
        uint64 baseGas;
        uint64 clipLowPercent;
        uint64 clipHighPercent;
        uint64 averageFactor;
        uint64 initialFee; // gwei per gas
        uint64 initialDelayMs;
        uint64 supply; // gwei
        uint64 intendedAverages; // switch
        uint64 intendedCapacity; // switch
        uint64 intendedDelay; // switch
        uint64 oracleSlash; // switch
    }

    struct Position {
        uint64 stake; // gwei in a seat
        uint64 exiting; // gwei in the exit queue
        uint64 matures; // ms
        uint64 movable; // ms, from when the position may be changed
        uint64 price; // gwei per gas, as offered
        uint64 capacity; // proofs at once, as offered
        uint64 maxCapacity; // proofs at once, in force
        int64 openJobs; // assigned and not yet released
        uint16 seat; // from 1; 0 = none
    }

    struct Seat {
        uint16 holder; // actor + 1; 0 = nobody
        uint64 asked; // gwei per gas its holder asked for
        uint64 rate; // gwei per gas a job would be paid
        int64 free; // proofs it can still take on
        uint64 full; // weight while it has capacity
        uint64 weight; // weight now
    }

    struct Terms {
        uint16 assigned; // actor + 1; 0 = open from the start
        uint64 gas;
        uint64 fee; // gwei per gas charged
        uint64 rate; // gwei per gas paid
        uint64 askedAt; // ms
        uint64 window; // ms
        uint64 took; // ms
    }

    struct Average {
        uint64 value;
        int256 sum;
    }

    uint256 private constant MAX_UINT32 = 2 ** 32 - 1;
    uint256 internal constant PERCENT = 100;
    uint256 internal constant SECOND = 1_000; // ms

    Params internal _p;
    mapping(uint256 actor => Position) internal _positions;
    mapping(uint256 k => Seat) internal _seats;
    mapping(uint256 job => Terms) internal _terms;
    uint256 internal _total; // sum of the weights
    Average internal _fee; // gwei per gas
    Average internal _delay; // s
    uint64 internal _openCount; // unsettled jobs that were open from the start
    uint64 internal _churn;

    function _begin(uint64[] memory p) internal override {
        bytes memory data = abi.encode(p); // offset, length, then the parameters in order
        assembly ("memory-safe") {
            mstore(add(data, 64), sub(mload(data), 64))
            data := add(data, 64)
        }
        _p = abi.decode(data, (Params));
        _fee = Average(_p.initialFee, int256(uint256(_p.initialFee) * _p.averageFactor));
        uint64 delay = _p.initialDelayMs / uint64(SECOND);
        _delay = Average(delay, int256(uint256(delay) * _p.averageFactor));
        _reserve = _p.supply;
    }

    function _held(uint256 actor) internal view override returns (uint256) {
        return uint256(_positions[actor].stake) + _positions[actor].exiting;
    }

    function _heldByJob(uint256) internal pure override returns (uint256) {
        return 0;
    }

    function _isOpening(uint256, uint256) internal pure override returns (bool) {
        return false; // no bid is sealed
    }

    // Seats.

    /// @dev Leave seat `k` room for `free` proofs; without any it has no weight.
    function _setFree(uint256 k, int64 free) internal {
        Seat storage seat = _seats[k];
        seat.free = free;
        uint64 weight = free > 0 ? seat.full : 0;
        _total = _total + weight - seat.weight;
        seat.weight = weight;
    }

    /// @dev What seat `k` would be paid per gas, and its weight.
    function _reweigh(uint256 k) internal {
        Seat storage seat = _seats[k];
        if (seat.holder == 0) return;
        uint256 fee = _fee.value;
        uint256 rate = fee * _p.clipHighPercent / PERCENT;
        if (seat.asked < rate) rate = seat.asked;
        uint256 low = fee * _p.clipLowPercent / PERCENT;
        if (rate < low) rate = low;
        seat.rate = uint64(rate);
        uint256 weight = rate > 0 ? _positions[seat.holder - 1].stake / rate / rate : 0;
        seat.full = rate == 0 ? 0 : weight == 0 ? 1 : uint64(weight);
        _setFree(k, seat.free);
    }

    /// @dev Let `actor` be given one job more, now that one is done.
    function _release(uint256 actor) internal {
        Position storage a = _positions[actor];
        a.openJobs -= 1;
        if (a.seat == 0) return;
        uint256 k = a.seat - 1;
        int64 most = int64(a.maxCapacity);
        int64 free = _p.intendedCapacity == 1 ? most - a.openJobs : _seats[k].free + 1;
        if (_p.intendedCapacity == 1) _setFree(k, free > 0 ? free : int64(0));
        else _setFree(k, free < most ? free : most);
    }

    function _offer(Event memory e) internal returns (Verdict) {
        if (uint256(e.amount) > MAX_UINT32) return Verdict.BAD_AMOUNT;
        if (e.detail < int256(uint256(_p.minCapacity)) || e.detail > int256(MAX_UINT32)) return Verdict.BAD_DETAIL;
        _positions[e.actor].price = uint64(uint256(e.amount));
        _positions[e.actor].capacity = uint64(uint256(e.detail));
        return Verdict.OK;
    }

    /// @dev Stake in seat `k`, once `actor` has left its own seat.
    function _stakeIn(uint256 k, uint256 actor) private view returns (uint64) {
        uint16 holder = _seats[k].holder;
        return holder == 0 || holder == actor + 1 ? 0 : _positions[holder - 1].stake;
    }

    /// @dev Seat with the lowest stake once `actor` has left its own; the lowest number on ties.
    function _findLowest(uint256 actor) private view returns (uint256 lowest) {
        uint64 least = _stakeIn(0, actor);
        for (uint256 k = 1; k < _p.seats; ++k) {
            uint64 held = _stakeIn(k, actor);
            if (held < least) (lowest, least) = (k, held);
        }
    }

    function _withdrawMatured(uint256 actor, uint256 time) private {
        Position storage a = _positions[actor];
        if (time <= a.matures) return;
        _cash[actor] += a.exiting;
        a.exiting = 0;
    }

    /// @dev Empty the seat of `actor`: its stake joins the exit queue, whose time starts again.
    function _leave(uint256 actor, uint256 time) private {
        Position storage a = _positions[actor];
        uint256 k = a.seat - 1;
        _seats[k].full = 0;
        _setFree(k, 0);
        _seats[k].holder = 0;
        a.seat = 0;
        a.exiting += a.stake;
        a.stake = 0;
        a.matures = uint64(time + _p.exitPeriodMs);
    }

    function _checkStake(Event memory e, uint256 k) private view returns (Verdict) {
        Position storage a = _positions[e.actor];
        uint256 amount = uint256(e.amount);
        if (a.capacity == 0) return Verdict.BAD_DETAIL;
        if (amount / a.capacity < _p.minStakePerCapacity) return Verdict.BAD_AMOUNT;
        if (a.seat > 0 && e.time < a.movable) return Verdict.EARLY;
        if (amount > uint256(_cash[e.actor]) + a.exiting + a.stake) return Verdict.POOR;
        return _stakeIn(k, e.actor) >= amount ? Verdict.FULL : Verdict.OK;
    }

    /// @dev Give up the old position and take the seat with the lowest stake, on the terms last offered.
    function _stake(Event memory e) internal returns (Verdict) {
        uint256 k = _findLowest(e.actor);
        Verdict verdict = _checkStake(e, k);
        if (verdict != Verdict.OK) return verdict;
        Position storage a = _positions[e.actor];
        uint64 amount = uint64(uint256(e.amount));
        if (a.seat != k + 1) _churn += 1;
        _withdrawMatured(e.actor, e.time);
        if (a.seat > 0) _leave(e.actor, e.time);
        uint64 reused = a.exiting < amount ? a.exiting : amount;
        a.exiting -= reused;
        _cash[e.actor] -= amount - reused;
        a.stake += amount;
        a.matures = uint64(e.time + _p.exitPeriodMs);
        bool waits = _p.intendedDelay == 1 || a.exiting > 0;
        a.movable = waits ? uint64(e.time + _p.changeDelayMs + 1) : 0;
        uint16 holder = _seats[k].holder;
        if (holder > 0) {
            _withdrawMatured(holder - 1, e.time);
            _leave(holder - 1, e.time);
        }
        _sitDown(e.actor, k);
        return Verdict.OK;
    }

    function _sitDown(uint256 actor, uint256 k) private {
        Position storage a = _positions[actor];
        Seat storage seat = _seats[k];
        a.maxCapacity = a.capacity;
        a.seat = uint16(k + 1);
        seat.holder = uint16(actor + 1);
        seat.asked = a.price;
        int64 free = int64(a.capacity) - (_p.intendedCapacity == 1 ? a.openJobs : int64(0));
        seat.free = free > 0 ? free : int64(0);
        _reweigh(k);
    }

    function _unstake(Event memory e) internal returns (Verdict) {
        Position storage a = _positions[e.actor];
        if (a.seat == 0) return Verdict.POOR;
        if (e.time < a.movable) return Verdict.EARLY;
        _withdrawMatured(e.actor, e.time);
        _leave(e.actor, e.time);
        _churn += 1;
        return Verdict.OK;
    }

    function _withdraw(Event memory e) internal returns (Verdict) {
        Position storage a = _positions[e.actor];
        uint64 amount = uint64(uint256(e.amount));
        if (a.exiting == 0 || amount > a.exiting) return Verdict.POOR;
        if (e.time <= a.matures) return Verdict.EARLY;
        if (amount == 0) amount = a.exiting;
        a.exiting -= amount;
        _cash[e.actor] += amount;
        return Verdict.OK;
    }
}
