// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuditState} from "./AuditState.sol";
import {IAudits} from "./interfaces/IAudits.sol";
import {History, HistoryLib} from "./libraries/HistoryLib.sol";
import {Auditor} from "./types/AuditTypes.sol";

/// @title The list of auditors, as it is and as it was
/// @notice Dense: who leaves is replaced by the last. Every change is kept with its reading, so a draw reads the list of
/// any earlier moment, whatever has happened since. Nothing here goes over the list.
abstract contract Auditors is AuditState {
    using HistoryLib for History;

    /// @dev Parts of the stake: silence burns one of 8, a false accusation one of 2.
    uint256 internal constant SILENT_PARTS = 8;
    uint256 internal constant FALSE_PARTS = 2;

    mapping(address account => Auditor) private _auditors;
    mapping(uint256 place => History) private _places;
    History private _count;

    /// @inheritdoc IAudits
    function enrol() external {
        if (_auditors[msg.sender].since != 0) revert Audits_Known(msg.sender);
        uint256 place = _count.latest();
        uint48 now_ = clock();
        _auditors[msg.sender] = Auditor(_stake, uint40(now_), 0, 0, uint32(place));
        _places[place].set(now_, uint160(msg.sender));
        _count.set(now_, uint160(place + 1));
        emit Enrolled(msg.sender, place);
        _pull(_stakeToken, _stake);
    }

    /// @inheritdoc IAudits
    function quit() external {
        Auditor storage auditor = _auditors[msg.sender];
        if (auditor.since == 0 || auditor.leftAt != 0) revert Audits_NotEnrolled(msg.sender);
        _remove(auditor, msg.sender);
    }

    /// @inheritdoc IAudits
    function takeStake(address to) external {
        if (to == address(0)) revert Audits_ZeroAddress();
        Auditor memory auditor = _auditors[msg.sender];
        if (auditor.since == 0) revert Audits_NotEnrolled(msg.sender);
        if (auditor.leftAt == 0) revert Audits_StillEnrolled(msg.sender);
        // INVARIANT: what may still burn is here until it is decided.
        if (auditor.busy != 0) revert Audits_Busy(msg.sender, auditor.busy);
        uint256 until = uint256(auditor.leftAt) + _leaveDelay;
        if (clock() <= until) revert Audits_TooEarly(until);
        delete _auditors[msg.sender];
        emit StakeTaken(msg.sender, to, auditor.stake);
        _pay(_stakeToken, to, auditor.stake);
    }

    function _remove(Auditor storage auditor, address account) private {
        uint48 now_ = clock();
        uint256 place = auditor.place;
        uint256 last = _count.latest() - 1;
        if (place != last) {
            address mover = address(_places[last].latest());
            _places[place].set(now_, uint160(mover));
            _auditors[mover].place = uint32(place);
        }
        _count.set(now_, uint160(last));
        auditor.leftAt = uint40(now_);
        emit Left(account, place);
    }

    // ------------------------------------------------------------------------------------------------ audits

    /// @dev The auditor whom a number draws from the list of an earlier `reading`; zero if it left before `calledAt`.
    function _drawn(uint256 random, uint256 count, uint256 reading, uint256 calledAt)
        internal
        view
        returns (address)
    {
        address account = auditorAt(random % count, reading);
        Auditor memory auditor = _auditors[account];
        // One that left and enrolled anew was not there all the time.
        if (auditor.since > reading || auditor.since == 0) return address(0);
        // INVARIANT: nothing that anybody does after the call changes who is drawn.
        if (auditor.leftAt != 0 && auditor.leftAt < calledAt) return address(0);
        return account;
    }

    function _engage(address account) internal {
        ++_auditors[account].busy;
    }

    function _disengage(address account) internal {
        --_auditors[account].busy;
    }

    /// @dev Out of the list with it: who failed once is not to be drawn for other audits.
    function _punish(address account, uint256 parts) internal {
        Auditor storage auditor = _auditors[account];
        uint256 sum = _stake / parts;
        if (sum > auditor.stake) sum = auditor.stake;
        auditor.stake -= uint96(sum);
        burntStake += sum;
        emit Burnt(account, sum);
        if (auditor.leftAt == 0) _remove(auditor, account);
    }

    // ------------------------------------------------------------------------------------------------- views

    /// @inheritdoc IAudits
    function auditorOf(address account) external view returns (Auditor memory) {
        return _auditors[account];
    }

    /// @inheritdoc IAudits
    function countAt(uint256 reading) public view returns (uint256) {
        return _count.read(reading);
    }

    /// @inheritdoc IAudits
    function auditorAt(uint256 place, uint256 reading) public view returns (address) {
        return address(_places[place].read(reading));
    }
}
