// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Exp} from "./Exp.sol";
import {Rule} from "./Rule.sol";

/// @title Proof contest: every bidder pays its bid, and one proves, drawn in proportion to bid^alpha.
/// @notice The integers of proofyard/mechanisms/contest.py, where the rule is described. Money gwei, time ms.
abstract contract Contest is Rule {
    struct Params {
        uint64 form; // 0 one-shot, 1 recurring divided, 2 recurring undivided
        uint64 alphaNum;
        uint64 alphaDen; // 0 = infinity, the highest bid wins
        uint64 bidsTo; // 0 burnt, 1 the requester, 2 the reserve
        uint64 biddingMs;
        uint64 roundMs;
        uint64 slotGwei;
        uint64 windowMs;
        uint64 bondGwei;
        uint64 refundBips;
    }

    struct Bidder {
        uint64 stake; // gwei, free collateral
        uint64 price; // gwei, the bid offered
        uint64 capacity; // proofs at once, as declared
        uint64 openJobs; // assigned and not over
        uint64 standing; // gwei, recurring: the bid of this round
        uint64 left; // undivided: slots of this round not yet used
    }

    struct Bid {
        uint64 actor;
        uint64 amount; // gwei, in the pot
    }

    struct Lot {
        uint64 bond; // gwei of all who bid, then of the winner
        uint64 pot; // gwei, bids paid before the draw
    }

    uint256 private constant ONE_SHOT = 0;
    uint256 private constant UNDIVIDED = 2;
    uint256 private constant MAX_BIDS = 256; // by BID and not yet decided, over all jobs
    uint256 private constant NOBODY = type(uint256).max;

    Params internal _p;
    mapping(uint256 actor => Bidder) internal _bidders;
    mapping(uint256 job => Lot) internal _lots;
    mapping(uint256 job => Bid[]) internal _bids;
    uint256 internal _openBids;
    uint64 internal _round; // from 1; 0 = none yet
    uint64 internal _charge; // gwei a slot costs this round

    function _begin(uint64[] memory p) internal override {
        _p = Params(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9]);
    }

    function _held(uint256 actor) internal view override returns (uint256) {
        return _bidders[actor].stake;
    }

    function _heldByJob(uint256 job) internal view override returns (uint256) {
        return uint256(_lots[job].bond) + _lots[job].pot;
    }

    function _isOpening(uint256, uint256) internal pure override returns (bool) {
        return false; // no bid is sealed
    }

    function _apply(Event memory e) internal override returns (Verdict) {
        Verdict verdict = _check(e);
        if (verdict != Verdict.OK) return verdict;
        if (e.kind == BID) return _bid(e);
        if (e.kind == REQUEST) {
            if (e.amount == 0) return Verdict.BAD_AMOUNT;
            _ask(e, uint64(uint256(e.amount)));
        }
        if (e.kind == REQUEST && _p.form == ONE_SHOT) _turnAway(e);
        else if (e.kind == REQUEST || e.kind == CLOSE) _decide(e);
        else if (e.kind == PROVE) _prove(e.job);
        else if (e.kind == EXPIRE) _expire(e.job);
        else return _account(e);
        return Verdict.OK;
    }

    function _account(Event memory e) private returns (Verdict) {
        Bidder storage b = _bidders[e.actor];
        uint64 amount = uint64(uint256(e.amount));
        if (e.kind == OFFER) {
            if (e.detail < 0 || uint256(e.detail) > MAX_CAPACITY) return Verdict.BAD_DETAIL;
            b.price = amount;
            b.capacity = uint64(uint256(e.detail));
        } else if (e.kind == STAKE) {
            _cash[e.actor] -= amount;
            b.stake += amount;
        } else if (e.kind == UNSTAKE) {
            if (amount > b.stake) return Verdict.POOR;
            b.stake -= amount;
            _cash[e.actor] += amount;
        } else {
            return Verdict.UNKNOWN;
        }
        return Verdict.OK;
    }

    /// @dev Put the offers that collateral covers in force, if a new round has begun.
    function _beginRound(uint256 time) private {
        uint256 number = time / _p.roundMs + 1;
        if (number == _round) return;
        _round = uint64(number);
        uint256 slots = 0;
        for (uint256 i = 0; i < _actors; ++i) {
            Bidder storage b = _bidders[i];
            b.standing = b.price <= b.stake ? b.price : 0;
            b.left = b.standing / _p.slotGwei;
            slots += b.left;
        }
        _charge = uint64(slots * _p.slotGwei);
    }

    /// @dev What everybody bids for the job, 0 for those who take no part: gwei, or slots in the undivided form.
    function _enter(uint256 job) private view returns (uint256[] memory entered) {
        entered = new uint256[](_actors);
        Params memory p = _p;
        for (uint256 i = 0; i < entered.length; ++i) {
            Bidder storage b = _bidders[i];
            uint256 offered = p.form == ONE_SHOT ? b.price : b.standing;
            uint256 due = p.form == UNDIVIDED ? _charge : offered;
            if (b.openJobs < b.capacity && b.stake >= due + p.bondGwei) {
                entered[i] = p.form == UNDIVIDED ? b.left : offered;
            }
        }
        Bid[] storage bids = _bids[job];
        for (uint256 k = 0; k < bids.length; ++k) {
            entered[bids[k].actor] = bids[k].amount;
        }
    }

    /// @dev Winner among those who entered; NOBODY if there are none.
    function _draw(uint256[] memory entered, uint256 word) private view returns (uint256) {
        uint256 top = 0;
        for (uint256 i = 0; i < entered.length; ++i) {
            if (entered[i] > top) top = entered[i];
        }
        if (top == 0) return NOBODY;
        (uint256 num, uint256 den) = (_p.alphaNum, _p.alphaDen);
        uint256 logTop = Exp.log2(top);
        uint256[] memory weight = new uint256[](entered.length);
        uint256 total = 0;
        for (uint256 i = 0; i < entered.length; ++i) {
            if (entered[i] > 0) total += weight[i] = Exp.weight(entered[i], top, logTop, num, den);
        }
        uint256 ticket = _ticketOf(word, total);
        uint256 k = 0;
        while (ticket >= weight[k]) ticket -= weight[k++];
        return k;
    }

    /// @dev Draw the prover, let everybody pay, lock the winner's bond; if nobody takes part, wait or end.
    function _decide(Event memory e) private {
        if (_p.form != ONE_SHOT) _beginRound(e.time);
        uint256[] memory entered = _enter(e.job);
        uint256 winner = _draw(entered, e.word);
        if (winner == NOBODY) {
            _turnAway(e);
            return;
        }
        Bidder storage w = _bidders[winner];
        if (_p.form == UNDIVIDED) w.left -= 1;
        _settleBids(entered, e.job, winner);
        w.stake -= _p.bondGwei;
        _lots[e.job].bond += _p.bondGwei;
        w.openJobs += 1;
        _assign(e.job, winner, e.time + _p.windowMs);
    }

    /// @dev Let a new request wait for bids, or for the next round; end one that has waited.
    function _turnAway(Event memory e) private {
        Job storage j = _jobs[e.job];
        if (e.kind == CLOSE) {
            _refund(e.job);
            j.phase = Phase.LOST;
            return;
        }
        j.phase = Phase.BIDDING;
        j.prover = ANYONE;
        uint256 wait = _p.form == ONE_SHOT ? _p.biddingMs : _p.roundMs - 1 - e.time % _p.roundMs;
        j.deadline = uint64(e.time + wait);
    }

    function _bid(Event memory e) private returns (Verdict) {
        if (_p.form != ONE_SHOT) return Verdict.UNKNOWN;
        if (e.amount == 0) return Verdict.BAD_AMOUNT;
        Bid[] storage bids = _bids[e.job];
        uint256 k = 0;
        while (k < bids.length && bids[k].actor != e.actor) ++k;
        bool isNew = k == bids.length;
        uint64 amount = uint64(uint256(e.amount));
        uint64 bond = isNew ? _p.bondGwei : 0;
        Bidder storage b = _bidders[e.actor];
        if (b.stake < uint256(amount) + bond) return Verdict.POOR;
        if (isNew) {
            if (_openBids == MAX_BIDS) return Verdict.FULL;
            _openBids += 1;
            bids.push(Bid(uint64(e.actor), 0));
        }
        b.stake -= bond + amount;
        _lots[e.job].bond += bond;
        _lots[e.job].pot += amount;
        bids[k].amount += amount;
        return Verdict.OK;
    }

    /// @dev Let everybody pay, or the prover of the slot; bids by BID are in the pot already and get their bonds back.
    function _settleBids(uint256[] memory entered, uint256 job, uint256 winner) private {
        Lot storage lot = _lots[job];
        Bid[] storage bids = _bids[job];
        for (uint256 k = 0; k < bids.length; ++k) {
            entered[bids[k].actor] = 0;
            lot.bond -= _p.bondGwei;
            _bidders[bids[k].actor].stake += _p.bondGwei;
        }
        _openBids -= bids.length;
        delete _bids[job];
        uint64 pot = lot.pot;
        for (uint256 i = 0; i < entered.length; ++i) {
            uint256 due = entered[i];
            if (_p.form == UNDIVIDED) due = i == winner ? _charge : 0;
            if (due > 0) {
                _bidders[i].stake -= uint64(due);
                pot += uint64(due);
            }
        }
        lot.pot = 0;
        if (_p.bidsTo == 1) _cash[_jobs[job].requester] += pot;
        else if (_p.bidsTo == 2) _reserve += pot;
        else _burnt += pot;
    }

    function _prove(uint256 job) private {
        uint256 prover = _prover(job);
        _pay(job, _jobs[job].escrow);
        _bidders[prover].stake += _lots[job].bond;
        _lots[job].bond = 0;
        _bidders[prover].openJobs -= 1;
        _jobs[job].phase = Phase.SETTLED;
    }

    function _expire(uint256 job) private {
        uint256 prover = _prover(job);
        _refund(job);
        uint64 bond = _lots[job].bond;
        uint64 toRequester = _bipsOf(bond, _p.refundBips);
        _cash[_jobs[job].requester] += toRequester;
        _burnt += bond - toRequester;
        _slashed[prover] += bond;
        _lots[job].bond = 0;
        _bidders[prover].openJobs -= 1;
        _jobs[job].phase = Phase.LOST;
    }
}
