// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Rule} from "./Rule.sol";

/// @title Reverse second price, sealed: the lowest bid wins and is paid the second lowest.
/// @notice The integers of proofyard/mechanisms/sealed_bid.py, where the rule is described. Money gwei, time ms.
abstract contract SecondPrice is Rule {
    struct Params {
        uint64 biddingMs;
        uint64 revealMs;
        uint64 windowMs;
        uint64 minStakeGwei;
        uint64 selfStakeGwei;
        uint64 overcommitRate; // bips
        uint64 slashRate; // bips
        uint64 slashWindowMs;
        uint64 capRate; // bips
        uint64 feeRate; // bips
        uint64 commissionRate; // bips
        uint64 unstakeMs;
        uint64 leastGwei;
        uint64 mostGwei; // 0 = no limit
        uint64 mindLoad; // switch
        uint64 literal; // switch
    }

    struct Bidder {
        uint64 stake; // gwei in force
        uint64 exiting; // gwei unstaked, not withdrawn
        uint64 matures; // ms
        uint16 scale; // bips left by all slashes
        bool idle;
        uint32 leads; // requests it leads or has won, and that are not over
        uint64 price; // gwei, standing fee per proof
        uint64 capacity; // proofs at once
        uint32 openJobs; // won and not over
    }

    struct Lot {
        uint64 asked; // ms
        uint16 first; // actor whose offer is opened first
        uint16 leader; // actor + 1; 0 = nobody
        uint16 second; // actor + 1; 0 = nobody
        uint64 lowest; // gwei
        uint64 secondLowest; // gwei
    }

    struct Seal {
        uint16 actor;
        uint240 word;
    }

    uint256 private constant SEALS = 1_024; // kept at once, over all requests
    uint256 private constant MIN_SCALE = 2_000; // bips: no slash brings the scale below it
    uint256 private constant IDLE_SCALE = 4_000; // bips: below it a prover is no longer active

    Params internal _p;
    mapping(uint256 actor => Bidder) internal _bidders;
    mapping(uint256 job => Lot) internal _lots;
    mapping(uint256 job => Seal[]) internal _seals;
    uint256 internal _openSeals;

    function _begin(uint64[] memory p) internal override {
        _p = Params(
            p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9], p[10], p[11], p[12], p[13], p[14], p[15]
        );
    }

    function _held(uint256 actor) internal view override returns (uint256) {
        return uint256(_bidders[actor].stake) + _bidders[actor].exiting;
    }

    function _heldByJob(uint256) internal pure override returns (uint256) {
        return 0;
    }

    function _apply(Event memory e) internal override returns (Verdict) {
        Verdict verdict = _check(e);
        if (verdict == Verdict.LATE && e.kind == BID && e.time <= _endOfReveal(e.job)) verdict = Verdict.OK;
        if (verdict != Verdict.OK) return verdict;
        if (e.kind < REQUEST) return _account(e);
        if (e.kind == REQUEST) return _request(e);
        if (e.kind == BID) return _bid(e);
        if (e.kind == PROVE) return _prove(e);
        if (e.kind == CLOSE) _close(e);
        else if (e.kind == EXPIRE) _expire(e);
        else return Verdict.UNKNOWN;
        return Verdict.OK;
    }

    /// @dev Bips of the scale: a bidder nobody has slashed has none written.
    function _scaleOf(Bidder storage b) internal view returns (uint256) {
        return b.scale == 0 ? BIPS : b.scale;
    }

    // Who wins.

    function _isAdmitted(uint256 actor) private view returns (bool) {
        Bidder storage b = _bidders[actor];
        if (b.idle || b.stake < _p.minStakeGwei) return false;
        return b.stake - _p.minStakeGwei >= _mulDiv(_p.minStakeGwei, uint256(b.leads) * _p.overcommitRate, BIPS);
    }

    function _hasOffer(uint256 job, uint256 actor) private view returns (bool) {
        Bidder storage b = _bidders[actor];
        if (b.capacity == 0 || b.price > _jobs[job].escrow || !_isAdmitted(actor)) return false;
        return _p.mindLoad == 0 || b.openJobs < b.capacity;
    }

    /// @dev Put an opened bid among the two lowest.
    function _rank(uint256 job, uint256 actor, uint64 fee) private {
        Lot storage lot = _lots[job];
        if (lot.leader == 0 || fee < lot.lowest) {
            (lot.second, lot.secondLowest) = (lot.leader, lot.lowest);
            if (lot.leader > 0) _bidders[lot.leader - 1].leads -= 1;
            (lot.leader, lot.lowest) = (uint16(actor + 1), fee);
            _bidders[actor].leads += 1;
        } else if (lot.second == 0 || fee < lot.secondLowest) {
            (lot.second, lot.secondLowest) = (uint16(actor + 1), fee);
        }
    }

    function _endOfReveal(uint256 job) private view returns (uint256) {
        return uint256(_lots[job].asked) + _p.biddingMs + _p.revealMs;
    }

    function _isOpening(uint256 job, uint256 time) internal view override returns (bool) {
        return time > uint256(_lots[job].asked) + _p.biddingMs;
    }

    /// @dev Place of the sealed bid of `actor`; as many as there are = none.
    function _findSeal(uint256 job, uint256 actor) private view returns (uint256 k) {
        Seal[] storage seals = _seals[job];
        while (k < seals.length && seals[k].actor != actor) ++k;
    }

    /// @dev Seal a bid, or open it.
    function _bid(Event memory e) private returns (Verdict) {
        if (!_isAdmitted(e.actor)) return Verdict.POOR;
        Seal[] storage seals = _seals[e.job];
        uint256 k = _findSeal(e.job, e.actor);
        if (!_isOpening(e.job, e.time)) {
            if (k < seals.length) {
                seals[k].word = uint240(e.word);
                return Verdict.OK;
            }
            if (_openSeals == SEALS) return Verdict.FULL;
            _openSeals += 1;
            seals.push(Seal(uint16(e.actor), uint240(e.word)));
            return Verdict.OK;
        }
        if (k == seals.length) return Verdict.NOT_YOURS;
        if (seals[k].word != e.word) return Verdict.BAD_DETAIL;
        if (uint256(e.amount) > _jobs[e.job].escrow) return Verdict.TOO_DEAR;
        _rank(e.job, e.actor, uint64(uint256(e.amount)));
        return Verdict.OK;
    }

    /// @dev Open the standing offers of those who did not bid themselves.
    function _openOffers(uint256 job) private {
        bool[] memory bade = new bool[](_actors); // looked up for each, seals would be beyond a transaction's gas
        Seal[] storage seals = _seals[job];
        for (uint256 k = seals.length; k > 0; --k) {
            bade[seals[k - 1].actor] = true;
        }
        uint256 actor = _lots[job].first;
        for (uint256 n = _actors; n > 0; --n) {
            if (!bade[actor] && _hasOffer(job, actor)) {
                _rank(job, actor, _bidders[actor].price);
            }
            actor = actor + 1 < _actors ? actor + 1 : 0;
        }
    }

    function _isWanted(uint256 job) private view returns (bool) {
        if (_seals[job].length > 0) return true;
        for (uint256 actor = 0; actor < _actors; ++actor) {
            if (_hasOffer(job, actor)) return true;
        }
        return false;
    }

    /// @dev After the bidding: go on, if anybody bids. After the opening: give the job to the leader.
    function _close(Event memory e) private {
        Job storage j = _jobs[e.job];
        if (e.time <= _endOfReveal(e.job) && _isWanted(e.job)) {
            j.deadline = uint64(_endOfReveal(e.job));
            return;
        }
        if (e.time > _endOfReveal(e.job)) _openOffers(e.job);
        _openSeals -= _seals[e.job].length;
        delete _seals[e.job];
        uint256 leader = _lots[e.job].leader;
        if (leader == 0) {
            _refund(e.job);
            j.phase = Phase.LOST;
        } else {
            _bidders[leader - 1].openJobs += 1;
            _assign(e.job, leader - 1, uint256(_lots[e.job].asked) + _p.windowMs);
        }
    }

    // What becomes of the winner.

    function _request(Event memory e) private returns (Verdict) {
        if (uint256(e.amount) < _p.leastGwei) return Verdict.BAD_AMOUNT;
        if (_p.mostGwei > 0 && _p.mostGwei < uint256(e.amount)) return Verdict.TOO_DEAR;
        _ask(e, uint64(uint256(e.amount)));
        Job storage j = _jobs[e.job];
        (j.phase, j.prover, j.deadline) = (Phase.BIDDING, ANYONE, uint64(e.time + _p.biddingMs));
        _lots[e.job].asked = uint64(e.time);
        _lots[e.job].first = uint16(_ticketOf(e.word, _actors));
        return Verdict.OK;
    }

    function _release(uint256 actor) private {
        _bidders[actor].leads -= 1;
        _bidders[actor].openJobs -= 1;
    }

    /// @dev Pay the second lowest fee.
    function _prove(Event memory e) private returns (Verdict) {
        Bidder storage b = _bidders[e.actor];
        if (_p.literal == 1 && b.idle) return Verdict.POOR;
        Lot storage lot = _lots[e.job];
        uint64 fee = lot.second > 0 ? lot.secondLowest : lot.lowest;
        uint64 kept = _bipsOf(fee, _p.feeRate);
        uint64 commission = _bipsOf(fee - kept, _p.commissionRate);
        uint64 staked = fee - kept - commission;
        Job storage j = _jobs[e.job];
        j.escrow -= kept + staked;
        _reserve += kept;
        b.stake += staked;
        j.paid += staked;
        _pay(e.job, commission);
        _refund(e.job);
        _release(e.actor);
        j.phase = Phase.SETTLED;
        return Verdict.OK;
    }

    /// @dev Refund the requester and slash the winner that delivered nothing.
    function _expire(Event memory e) private {
        Job storage j = _jobs[e.job];
        uint256 winner = _prover(e.job);
        _refund(e.job);
        _release(winner);
        j.phase = Phase.LOST;
        uint256 amount = _bipsOf(_p.minStakeGwei, _p.slashRate);
        if (e.time > uint256(j.deadline) + _p.slashWindowMs || amount == 0 || _held(winner) == 0) return;
        if (_p.literal == 1) _slashScaled(winner, amount);
        else _slashExactly(winner, amount);
    }

    /// @dev Slash in whole bips of all there is, and keep the product of all slashes.
    function _slashScaled(uint256 actor, uint256 amount) private {
        Bidder storage b = _bidders[actor];
        uint256 bips = _mulDiv(amount, BIPS, _held(actor));
        if (bips > _p.capRate) bips = _p.capRate;
        uint256 old = _scaleOf(b);
        uint256 scale = old * (BIPS - bips) / BIPS;
        if (scale < MIN_SCALE) return;
        uint64 own = _bipsOf(b.stake, bips);
        _take(actor, uint64(b.exiting - _mulDiv(b.exiting, scale, old)), own);
        b.scale = uint16(scale);
        if (scale < IDLE_SCALE || (own > 0 && b.stake < _p.selfStakeGwei)) b.idle = true;
    }

    /// @dev Slash the amount, from stake and queue in proportion.
    function _slashExactly(uint256 actor, uint256 amount) private {
        Bidder storage b = _bidders[actor];
        uint256 all = _held(actor);
        uint256 taken = _bipsOf(all, _p.capRate);
        if (amount < taken) taken = amount;
        uint256 queued = _mulDiv(taken, b.exiting, all);
        _take(actor, uint64(queued), uint64(taken - queued));
        if (b.stake < _p.selfStakeGwei) b.idle = true;
    }

    function _take(uint256 actor, uint64 queued, uint64 own) private {
        _bidders[actor].exiting -= queued;
        _bidders[actor].stake -= own;
        _reserve += queued + own;
        _slashed[actor] += queued + own;
    }

    // Money in, money out.

    function _account(Event memory e) private returns (Verdict) {
        Bidder storage b = _bidders[e.actor];
        uint64 amount = uint64(uint256(e.amount));
        if (e.kind == UNSTAKE) return _unstake(e, b, amount);
        if (e.kind == WITHDRAW) {
            if (b.exiting == 0 || amount > b.exiting) return Verdict.POOR;
            if (e.time < b.matures) return Verdict.EARLY;
            if (amount == 0) amount = b.exiting;
            b.exiting -= amount;
            _cash[e.actor] += amount;
            return Verdict.OK;
        }
        if (e.kind == OFFER) {
            if (e.detail < 0 || uint256(e.detail) > MAX_CAPACITY) return Verdict.BAD_DETAIL;
            b.price = amount;
            b.capacity = uint64(uint256(e.detail));
            return Verdict.OK;
        }
        if (e.kind != STAKE) return Verdict.UNKNOWN;
        _cash[e.actor] -= amount;
        b.stake += amount;
        if (b.stake >= _p.selfStakeGwei) b.idle = false;
        return Verdict.OK;
    }

    /// @dev Queue stake; what is left must be enough, or nothing.
    function _unstake(Event memory e, Bidder storage b, uint64 amount) private returns (Verdict) {
        if (amount > b.stake) return Verdict.POOR;
        uint64 left = b.stake - amount;
        if (left > 0 && left < _p.selfStakeGwei) return Verdict.POOR;
        b.stake = left;
        b.exiting += amount;
        b.matures = uint64(e.time + _p.unstakeMs);
        if (left == 0) b.idle = true;
        return Verdict.OK;
    }
}
