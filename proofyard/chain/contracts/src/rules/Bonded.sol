// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Rule} from "./Rule.sol";

/// @title Contestable bonded rollup: the proposer must prove, every claim carries a bond, a higher proof decides disputes.
/// @notice The integers of proofyard/mechanisms/bonded.py, where the rule is described. Money gwei, time ms.
abstract contract Bonded is Rule {
    struct Tier {
        uint64 validity; // gwei, bond of a proof
        uint64 contest; // gwei, bond against it; 0 = cannot be contested
        uint64 cooldown; // ms from proof to settlement
        uint64 window; // ms only the proposer may prove
    }

    struct Params {
        uint64 era;
        uint64 liveness; // gwei, bond of a proposal
        uint64 minTier;
        uint64 zkRate; // bips
        uint64 feeRate; // bips
        uint64 openWindow; // ms
        uint64 contestWindow; // ms
    }

    struct Claim {
        uint64 bond; // gwei, liveness bond of the proposer
        uint64 validity; // gwei, bond of the standing proof
        uint64 contestBond; // gwei
        uint32 contester; // actor, while the job is CONTESTED
        uint8 minTier;
        uint8 tier; // of the standing proof, 0 = none
        uint64 transition; // what the standing proof claims
        uint64 proposed; // ms
        uint64 timestamp; // ms of the standing proof or of its contest, whichever is later
    }

    uint256 private constant SHARED = 1;
    uint256 private constant PACAYA = 2;
    int256 private constant ZK = 3;
    int256 private constant GUARDIAN = 4;

    Params internal _p;
    Tier[4] internal _tiers; // optimistic, TEE, ZK, guardian
    mapping(uint256 job => Claim) internal _claims;

    function _begin(uint64[] memory p) internal override {
        _p = Params(p[0], p[1], p[2], p[3], p[4], p[19], p[20]);
        for (uint256 k = 0; k < 3; ++k) {
            _tiers[k] = Tier(p[5 + 4 * k], p[6 + 4 * k], p[7 + 4 * k], p[8 + 4 * k]);
        }
        _tiers[3] = Tier(0, 0, p[17], p[18]);
    }

    function _held(uint256) internal pure override returns (uint256) {
        return 0;
    }

    function _heldByJob(uint256 job) internal view override returns (uint256) {
        Claim storage c = _claims[job];
        return uint256(c.bond) + c.validity + c.contestBond;
    }

    function _isOpening(uint256, uint256) internal pure override returns (bool) {
        return false; // no bid is sealed
    }

    function _apply(Event memory e) internal override returns (Verdict) {
        Verdict verdict = _checkWindow(e);
        if (verdict != Verdict.OK) return verdict;
        if (e.kind == REQUEST) return _propose(e);
        if (e.kind == PROVE) return _prove(e);
        if (e.kind == CONTEST) return _contest(e);
        if (e.kind == EXPIRE) _expire(e);
        else if (e.kind == SETTLE) _settle(e.job);
        else return Verdict.UNKNOWN;
        return Verdict.OK;
    }

    /// @dev Any tier that is not one of the first three has the guardian's values.
    function _tier(int256 tier) private view returns (Tier storage) {
        return _tiers[tier >= 1 && tier <= ZK ? uint256(tier) - 1 : 3];
    }

    function _claimedTier(Event memory e) private view returns (int256) {
        return e.detail == 0 ? int256(uint256(_claims[e.job].minTier)) : e.detail;
    }

    /// @dev As usual, but a proof of a top tier may come from anyone even in the proposer's window.
    function _checkWindow(Event memory e) private view returns (Verdict) {
        Verdict verdict = _check(e);
        if (verdict != Verdict.NOT_YOURS || e.kind != PROVE || _tier(_claimedTier(e)).contest > 0) return verdict;
        return e.time > _jobs[e.job].deadline ? Verdict.LATE : Verdict.OK;
    }

    /// @dev Lock the liveness bond and give the job to its proposer.
    function _propose(Event memory e) private returns (Verdict) {
        uint64 fee = _bipsOf(uint256(e.amount), _p.feeRate);
        if (uint256(fee) + _p.liveness > _cash[e.actor]) return Verdict.POOR;
        int256 tier = int256(uint256(_p.minTier));
        if (_ticketOf(e.word, BIPS) < _p.zkRate && tier < ZK) tier = ZK;
        _ask(e, fee);
        _cash[e.actor] -= _p.liveness;
        Claim storage c = _claims[e.job];
        c.bond += _p.liveness;
        _assign(e.job, e.actor, e.time + _tier(tier).window);
        c.minTier = uint8(uint256(tier));
        c.proposed = uint64(e.time);
        return Verdict.OK;
    }

    function _afterFriction(uint64 amount) private pure returns (uint64) {
        return uint64((uint256(amount) * 7) >> 3);
    }

    /// @dev Gwei the sender of a proof earns from whoever it shows to be late or wrong.
    function _computeReward(Event memory e) private view returns (uint64) {
        Claim storage c = _claims[e.job];
        Phase phase = _jobs[e.job].phase;
        if (phase == Phase.ASSIGNED) return 0;
        if (phase == Phase.OPEN) return _p.era == SHARED ? _afterFriction(c.bond) : 0;
        if (phase == Phase.PROVEN) return _afterFriction(c.validity);
        if (e.word == c.transition) return _afterFriction(c.contestBond);
        return _afterFriction(c.validity) >> 2;
    }

    /// @dev Gwei that comes to the sender besides its reward, as the proposer, old prover or contester.
    function _computeReturn(Event memory e) private view returns (uint64) {
        Job storage j = _jobs[e.job];
        Claim storage c = _claims[e.job];
        if (j.phase == Phase.ASSIGNED && _p.era != PACAYA) return e.actor == j.requester ? c.bond : 0;
        if (j.phase != Phase.CONTESTED) return 0;
        if (e.word == c.transition) return e.actor == _prover(e.job) ? c.validity : 0;
        return e.actor == c.contester ? c.contestBond + 3 * _computeReward(e) : 0;
    }

    /// @dev Refuse a proof that says nothing new, at a tier that does not count here, or of a sender without the bond.
    function _checkProof(Event memory e) private view returns (Verdict) {
        Claim storage c = _claims[e.job];
        int256 tier = _claimedTier(e);
        int256 standing = int256(uint256(c.tier));
        if (_jobs[e.job].phase == Phase.PROVEN && (_p.era == PACAYA || e.word == c.transition)) {
            return Verdict.WRONG_PHASE;
        }
        if (tier < int256(uint256(c.minTier)) || tier > GUARDIAN) return Verdict.BAD_DETAIL;
        if (tier < standing || (tier == standing && _tier(tier).contest > 0)) return Verdict.BAD_DETAIL;
        uint256 gain = uint256(_computeReward(e)) + _computeReturn(e);
        return _cash[e.actor] + gain >= _tier(tier).validity ? Verdict.OK : Verdict.POOR;
    }

    /// @dev Money of a bond that `loser` loses to `winner`: nothing, if they are the same. The pot was reduced before.
    function _forfeit(uint256 loser, uint256 winner, uint64 amount) private returns (uint64) {
        _cash[winner] += amount;
        if (winner == loser) return 0;
        _slashed[loser] += amount;
        return amount;
    }

    function _keep(uint256 loser, uint64 amount) private {
        _reserve += amount;
        _slashed[loser] += amount;
    }

    /// @dev Decide the liveness bond at the first proof; in the Pacaya era it waits for settlement.
    function _releaseLiveness(Event memory e) private {
        Job storage j = _jobs[e.job];
        Claim storage c = _claims[e.job];
        if (_p.era == PACAYA) return;
        if (j.phase == Phase.ASSIGNED) {
            _cash[j.requester] += c.bond;
        } else {
            uint64 reward = _computeReward(e);
            j.paid += _forfeit(j.requester, e.actor, reward);
            _keep(j.requester, c.bond - reward);
        }
        c.bond = 0;
    }

    /// @dev Divide the bonds of the old claim by what the higher proof says of it.
    function _judge(Event memory e) private {
        Job storage j = _jobs[e.job];
        Claim storage c = _claims[e.job];
        uint256 old = _prover(e.job);
        bool contested = j.phase == Phase.CONTESTED;
        uint64 reward = _computeReward(e);
        if (contested && e.word == c.transition) {
            _cash[old] += c.validity;
            j.paid += _forfeit(c.contester, e.actor, reward);
            _keep(c.contester, c.contestBond - reward);
            (c.validity, c.contestBond) = (0, 0);
            return;
        }
        uint64 rest = c.validity - reward;
        if (contested) {
            _cash[c.contester] += c.contestBond;
            c.contestBond = 0;
            _forfeit(old, c.contester, 3 * reward);
            rest -= 3 * reward;
        }
        j.paid += _forfeit(old, e.actor, reward);
        _keep(old, rest);
        c.validity = 0;
    }

    /// @dev Settle accounts with what stood before, then let this proof stand, with its own bond.
    function _prove(Event memory e) private returns (Verdict) {
        Verdict verdict = _checkProof(e);
        if (verdict != Verdict.OK) return verdict;
        Job storage j = _jobs[e.job];
        Claim storage c = _claims[e.job];
        int256 tier = _claimedTier(e);
        uint256 record = j.phase == Phase.ASSIGNED && _p.era == PACAYA ? j.requester : e.actor;
        if (j.phase == Phase.ASSIGNED || j.phase == Phase.OPEN) _releaseLiveness(e);
        else _judge(e);
        uint64 bond = _tier(tier).validity;
        _cash[e.actor] -= bond;
        c.validity += bond;
        (j.phase, j.prover) = (Phase.PROVEN, int16(uint16(record)));
        j.deadline = uint64(e.time + _tier(tier).cooldown);
        (c.tier, c.transition, c.timestamp) = (uint8(uint256(tier)), uint64(e.word), uint64(e.time));
        return Verdict.OK;
    }

    /// @dev Post the contest bond against the standing proof.
    function _contest(Event memory e) private returns (Verdict) {
        Claim storage c = _claims[e.job];
        uint64 bond = _tier(int256(uint256(c.tier))).contest;
        if (bond == 0) return Verdict.BAD_DETAIL;
        if (bond > _cash[e.actor]) return Verdict.POOR;
        _cash[e.actor] -= bond;
        c.contestBond += bond;
        c.contester = uint32(e.actor);
        c.timestamp = uint64(e.time);
        _jobs[e.job].phase = Phase.CONTESTED;
        _jobs[e.job].deadline = uint64(e.time + _p.contestWindow);
        return Verdict.OK;
    }

    /// @dev Open an unproven job to all; a second time, give it up and keep the liveness bond.
    function _expire(Event memory e) private {
        Job storage j = _jobs[e.job];
        if (j.phase == Phase.ASSIGNED) {
            _openToAll(e.job, e.time + _p.openWindow);
            return;
        }
        Claim storage c = _claims[e.job];
        _keep(j.requester, c.bond);
        c.bond = 0;
        _refund(e.job);
        j.phase = Phase.LOST;
    }

    /// @dev Make the standing proof final; an undecided contest has failed.
    function _settle(uint256 job) private {
        Job storage j = _jobs[job];
        Claim storage c = _claims[job];
        uint256 prover = _prover(job);
        _keep(c.contester, c.contestBond);
        _cash[prover] += c.validity;
        uint64 bond = c.bond;
        if (c.timestamp > uint256(c.proposed) + _tier(int256(uint256(c.minTier))).window) {
            j.paid += _forfeit(j.requester, prover, bond / 2);
            _burnt += bond - bond / 2;
            _slashed[j.requester] += bond - bond / 2;
            bond = 0;
        }
        _cash[j.requester] += bond;
        (c.contestBond, c.validity, c.bond) = (0, 0, 0);
        _pay(job, j.escrow);
        j.phase = Phase.SETTLED;
    }
}
