// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GameCalls} from "../base/GameCalls.sol";
import {GamePlay} from "../base/GamePlay.sol";
import {Phase, Position} from "../../src/types/DisputeTypes.sol";
import {vm} from "../base/Vm.sol";

/// @notice Players of one lease's games that do anything at any time, legal or not, at any gas price. A refused call is
/// no failure; what went through is judged by the invariants alone.
contract DisputeHandler is GamePlay {
    using GameCalls for *;

    address[3] private _players = [address(0xA1), address(0xA2), address(0xA3)];
    bytes32[] private _seals;
    address[] private _owners;
    mapping(Phase => uint256) public seen;
    uint256 public paidIn;

    function games() external view returns (bytes32[] memory ids) {
        ids = new bytes32[](_seals.length);
        for (uint256 i; i < ids.length; ++i) {
            ids[i] = gameId(case_, _owners[i], _seals[i]);
        }
    }

    function held() external view returns (uint256) {
        return view_(bid).freezes;
    }

    function isSettled() external view returns (bool) {
        return disputes.verdictOf(case_.leaseId).settled;
    }

    function theDisputes() external view returns (address) {
        return address(disputes);
    }

    function theOwner() external pure returns (address) {
        return OWNER;
    }

    /// @dev One door: what happens is weighted so that games live long enough to end in every way.
    function act(uint256 what, uint256 which, uint256 extra) external {
        vm.txGasPrice(extra % 5 * 1 gwei);
        vm.fee(extra % 3 * 1 gwei);
        if (_seals.length == 0 || what % 12 == 0) return _challenge(which, extra);
        uint256 i = which % _seals.length;
        (me, seal) = (_owners[i], _seals[i]);
        game = gameId(case_, me, seal);
        here = Position(disputes.traceOf(case_), 0, 0, operator);
        (node, facts) = (COPY, 0);
        uint256 kind = what % 12;
        if (kind == 1) _try(operator, tracing().data());
        else if (kind == 2) _try(me, picking(extra % 33));
        else if (kind == 3) _try(operator, _reveal());
        else if (kind == 4) _try(me, landingOnOutput().data());
        else if (kind == 5) _try(STRANGER, abi.encodeCall(disputes.timeout, (bid, case_, me, seal)));
        else if (kind == 6) _try(me, abi.encodeCall(disputes.resign, (bid, case_, seal)));
        else if (kind == 7) _try(me, abi.encodeCall(disputes.claimSilence, (case_, seal)));
        else if (kind == 8) _try(STRANGER, abi.encodeCall(disputes.settle, (bid)));
        else if (kind == 9) _try(me, abi.encodeCall(disputes.collect, (bid, case_, seal)));
        else if (kind == 10) _try(OWNER, abi.encodeCall(disputes.withdrawCoin, (OWNER)));
        else skip(extra % 100 == 0 ? 60 : extra % 4);
        ++seen[disputes.gameOf(game).phase];
    }

    /// @dev What hangs on the chosen node, if the game stands at the root.
    function _reveal() private view returns (bytes memory) {
        uint256 index = now_().chosen % 32;
        (bytes32[] memory up,) = upFrom(level5(), index);
        bytes32[] memory two = part(roots, 2 * index, 2);
        return abi.encodeCall(disputes.reveal, (game, 0, 0, two, up));
    }

    function _challenge(uint256 which, uint256 extra) private {
        me = _players[which % 3];
        seal = keccak256(abi.encode(which, extra));
        bytes memory data = opening().data();
        // Exactly, with something above it, or a rest that is no gwei.
        uint256 value = bond() + extra % 7 * 1 gwei + (extra % 11 == 0 ? 1 : 0);
        vm.deal(me, me.balance + value);
        as_(me);
        (bool ok,) = address(disputes).call{value: value}(data);
        if (!ok) return;
        paidIn += value;
        _seals.push(seal);
        _owners.push(me);
    }

    function _try(address who, bytes memory data) private {
        as_(who);
        (bool ok,) = address(disputes).call(data);
        if (ok) skip(1);
    }
}
