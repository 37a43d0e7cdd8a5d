// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Rule} from "./Rule.sol";

/// @title Staked pool: the largest stakes share the jobs by lot; who misses its window is slashed.
/// @notice The integers of proofyard/mechanisms/staked_pool.py, where the rule is described. Money gwei, time ms.
abstract contract StakedPool is Rule {
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
    uint256 private constant OLD_MIN_SLASH = 100_000_000; // gwei, the least the old rule took
    uint256 private constant PERCENT = 100;
    uint256 private constant SECOND = 1_000; // ms

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

    function _apply(Event memory e) internal override returns (Verdict) {
        Verdict verdict = _check(e);
        if (e.kind == STAKE && verdict == Verdict.POOR) verdict = Verdict.OK; // staked money counts there: see _checkStake
        if (verdict != Verdict.OK) return verdict;
        if (e.kind == REQUEST) return _request(e);
        if (e.kind == PROVE) return _prove(e);
        if (e.kind == SETTLE) return _settle(e);
        if (e.kind == EXPIRE) return _expire(e);
        if (e.kind == OFFER) return _offer(e);
        if (e.kind == STAKE) return _stake(e);
        if (e.kind == UNSTAKE) return _unstake(e);
        return e.kind == WITHDRAW ? _withdraw(e) : Verdict.UNKNOWN;
    }

    // Seats.

    /// @dev Leave seat `k` room for `free` proofs; without any it has no weight.
    function _setFree(uint256 k, int64 free) private {
        Seat storage seat = _seats[k];
        seat.free = free;
        uint64 weight = free > 0 ? seat.full : 0;
        _total = _total + weight - seat.weight;
        seat.weight = weight;
    }

    /// @dev What seat `k` would be paid per gas, and its weight.
    function _reweigh(uint256 k) private {
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
    function _release(uint256 actor) private {
        Position storage a = _positions[actor];
        a.openJobs -= 1;
        if (a.seat == 0) return;
        uint256 k = a.seat - 1;
        int64 most = int64(a.maxCapacity);
        int64 free = _p.intendedCapacity == 1 ? most - a.openJobs : _seats[k].free + 1;
        if (_p.intendedCapacity == 1) _setFree(k, free > 0 ? free : int64(0));
        else _setFree(k, free < most ? free : most);
    }

    function _offer(Event memory e) private returns (Verdict) {
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
    function _stake(Event memory e) private returns (Verdict) {
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

    function _unstake(Event memory e) private returns (Verdict) {
        Position storage a = _positions[e.actor];
        if (a.seat == 0) return Verdict.POOR;
        if (e.time < a.movable) return Verdict.EARLY;
        _withdrawMatured(e.actor, e.time);
        _leave(e.actor, e.time);
        _churn += 1;
        return Verdict.OK;
    }

    function _withdraw(Event memory e) private returns (Verdict) {
        Position storage a = _positions[e.actor];
        uint64 amount = uint64(uint256(e.amount));
        if (a.exiting == 0 || amount > a.exiting) return Verdict.POOR;
        if (e.time <= a.matures) return Verdict.EARLY;
        if (amount == 0) amount = a.exiting;
        a.exiting -= amount;
        _cash[e.actor] += amount;
        return Verdict.OK;
    }

    // The life of a job.

    function _computeWindow() private view returns (uint64) {
        uint256 wanted = uint256(_delay.value) * SECOND * _p.windowPercent / PERCENT;
        if (wanted > _p.maxWindowMs) wanted = _p.maxWindowMs;
        return wanted < _p.minWindowMs ? _p.minWindowMs : uint64(wanted);
    }

    /// @dev Charge the requester for the largest job, and draw a prover or open the job to all.
    function _request(Event memory e) private returns (Verdict) {
        if (e.detail < 1 || e.detail > int256(MAX_GWEI)) return Verdict.BAD_DETAIL;
        uint256 gas_ = uint256(e.detail);
        uint256 charged = (gas_ > _p.gasLimit ? gas_ : _p.gasLimit) + _p.anchorGas + _p.baseGas;
        uint256 charge = _mulDiv(_fee.value, charged, 1);
        if (charge > uint256(e.amount)) return Verdict.TOO_DEAR;
        uint256 total = _total;
        if (total == 0 && _openCount >= _p.maxOpenJobs) return Verdict.FULL;
        _ask(e, uint64(charge));
        Terms storage t = _terms[e.job];
        (t.gas, t.fee, t.askedAt) = (uint64(gas_), _fee.value, uint64(e.time));
        if (total == 0) {
            t.rate = _fee.value;
            _openCount += 1;
            _openToAll(e.job, e.time + _p.openWindowMs);
            return Verdict.OK;
        }
        uint256 k = _find(_ticketOf(e.word, total));
        uint256 actor = _seats[k].holder - 1;
        (t.assigned, t.rate, t.window) = (uint16(actor + 1), _seats[k].rate, _computeWindow());
        _positions[actor].openJobs += 1;
        _setFree(k, _seats[k].free - 1);
        _assign(e.job, actor, e.time + t.window);
        return Verdict.OK;
    }

    function _find(uint256 ticket) private view returns (uint256 k) {
        while (ticket >= _seats[k].weight) ticket -= _seats[k++].weight;
    }

    /// @dev Record the first proof; the assigned prover's own frees its capacity at once.
    function _prove(Event memory e) private returns (Verdict) {
        Job storage j = _jobs[e.job];
        if (j.phase == Phase.PROVEN) return Verdict.WRONG_PHASE;
        (j.phase, j.prover, j.deadline) =
            (Phase.PROVEN, int16(uint16(e.actor)), uint64(e.time + _p.cooldownMs));
        Terms storage t = _terms[e.job];
        t.took = uint64(e.time) - t.askedAt;
        if (t.assigned == e.actor + 1) _release(e.actor);
        return Verdict.OK;
    }

    /// @dev Open a job whose window was missed to all; let the oracle prove an open job that nobody wanted.
    function _expire(Event memory e) private returns (Verdict) {
        if (_jobs[e.job].phase == Phase.ASSIGNED) {
            _openToAll(e.job, e.time + _p.openWindowMs);
            return Verdict.OK;
        }
        _settleFee(e.job);
        uint256 assigned = _terms[e.job].assigned;
        if (assigned == 0) {
            _openCount -= 1;
            return Verdict.OK;
        }
        _release(assigned - 1);
        if (_p.oracleSlash == 1) {
            _punish(assigned - 1, _mulDiv(_computeReward(e.job), _p.openRewardPercent, PERCENT), e.time);
        }
        return Verdict.OK;
    }

    /// @dev Take the fee for the gas used, return the rest, and end the life of the job.
    function _settleFee(uint256 job) private {
        Terms storage t = _terms[job];
        uint64 fee = uint64(uint256(t.fee) * (_p.baseGas + t.gas));
        _jobs[job].escrow -= fee;
        _reserve += fee;
        _refund(job);
        _jobs[job].phase = Phase.SETTLED;
    }

    function _computeReward(uint256 job) private view returns (uint256) {
        return _mulDiv(_terms[job].rate, uint256(_p.baseGas) + _terms[job].gas, 1);
    }

    /// @dev Pay the prover out of the reserve, as far as that goes.
    function _mint(uint256 job, uint256 amount) private {
        uint64 paid = amount < _reserve ? uint64(amount) : _reserve;
        _reserve -= paid;
        _cash[_prover(job)] += paid;
        _jobs[job].paid += paid;
    }

    /// @dev Slash `actor` for a job that earned `reward`, out of its exit money first.
    function _punish(uint256 actor, uint256 reward, uint256 time) private {
        Position storage a = _positions[actor];
        uint256 atRisk = uint256(a.stake) + (time <= a.matures ? a.exiting : 0);
        if (atRisk == 0) return;
        uint256 wanted = _bipsOf(atRisk, _p.slashPoints);
        uint256 least = OLD_MIN_SLASH;
        if (_p.oldSlash == 0) {
            wanted /= a.maxCapacity;
            least = _mulDiv(reward, _p.slashMultiplier, 1);
        }
        if (wanted < least) wanted = least;
        uint64 amount = uint64(wanted < atRisk ? wanted : atRisk);
        uint64 queued = amount < a.exiting ? amount : a.exiting;
        a.exiting -= queued;
        a.stake -= amount - queued;
        _burnt += amount;
        _slashed[actor] += amount;
        if (a.seat > 0 && amount > queued) _reweigh(a.seat - 1);
    }

    /// @dev Move an average towards `latest`: literally (it can only fall), or as intended.
    function _learn(Average storage a, uint256 latest) private {
        uint256 factor = _p.averageFactor;
        if (_p.intendedAverages == 1) {
            a.sum += int256(latest) - int256(uint256(a.value));
            a.value = uint64(uint256(a.sum + int256(factor / 2)) / factor);
            return;
        }
        uint256 mean = a.value > 0 ? (a.value * (factor - 1) + latest) / factor : latest;
        if (mean > 0) a.value = uint64(mean);
    }

    /// @dev Move both averages by a job proven in time.
    function _learnFrom(uint256 job) private {
        _learn(_delay, _terms[job].took / SECOND);
        uint64 before = _fee.value;
        _learn(_fee, _terms[job].rate);
        if (_fee.value == before) return;
        for (uint256 k = 0; k < _p.seats; ++k) {
            _reweigh(k);
        }
    }

    /// @dev Pay whoever proved and slash whoever should have.
    function _settle(Event memory e) private returns (Verdict) {
        Terms storage t = _terms[e.job];
        uint256 reward = _computeReward(e.job);
        uint256 premium = _mulDiv(reward, _p.openRewardPercent, PERCENT);
        _settleFee(e.job);
        if (t.assigned == 0) {
            _openCount -= 1;
            _mint(e.job, premium);
            return Verdict.OK;
        }
        uint256 assigned = t.assigned - 1;
        bool rescued = _prover(e.job) != assigned;
        if (!rescued && t.took <= t.window) {
            _mint(e.job, reward - _mulDiv(reward, uint256(t.took) * _p.delayPenalty, BIPS * t.window));
            _learnFrom(e.job);
            return Verdict.OK;
        }
        if (rescued) _release(assigned);
        if (rescued || _p.latePaid == 1) {
            reward = premium;
            _mint(e.job, reward);
        }
        _punish(assigned, reward, e.time);
        return Verdict.OK;
    }
}
