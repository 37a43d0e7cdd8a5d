// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {StakedPoolSeats} from "./StakedPoolSeats.sol";

/// @title Staked pool: the largest stakes share the jobs by lot; who misses its window is slashed.
/// @notice The integers of proofyard/mechanisms/staked_pool.py, where the rule is described. Money gwei, time ms.
abstract contract StakedPool is StakedPoolSeats {
    uint256 private constant OLD_MIN_SLASH = 100_000_000; // gwei, the least the old rule took

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
