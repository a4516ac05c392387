// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuditBase} from "../base/AuditBase.sol";
import {TestTree} from "../base/TestTree.sol";
import {vm} from "../base/Vm.sol";
import {Answer, Audit, Part, Stage, Task} from "../../src/types/AuditTypes.sol";
import {LeaseId, LeaseState} from "../../src/types/Types.sol";

/// @notice Both audits of a lease, with all who take part in them, in any order; one lease after the other. It owns the
/// whole deployment, so that what it does is what happened.
contract AuditHandler is AuditBase {
    using TestTree for bytes32[][];

    uint256 public constant PEOPLE = 8;

    bytes32 private _result;
    bytes32[] private _roots;
    bytes32[][] private _outputs;
    bytes32[][] private _proofs;
    uint64 private _nonce = 100;
    mapping(address who => uint256) public draws;
    mapping(address who => uint256) public commits;
    mapping(address who => uint256) public abstentions;
    /// @notice Answers taken that named another draw.
    uint256 public replayed;
    uint256 public steps;
    uint256 public done;
    uint256 public leases;

    function setUp() public override {
        super.setUp();
        token.mint(CLIENT, 1e6 ether);
        token.mint(STRANGER, 1e6 ether);
        _result = itemsTree().root();
        for (uint256 i; i < ITEMS; ++i) {
            _roots.push(itemRoot(i));
            _outputs.push(rootsOf(i));
            _proofs.push(itemsTree().proof(0, i));
        }
    }

    /// @dev One door; what cannot be done at the moment is tried all the same, and must revert by itself. Seeds of a
    /// fuzzer are too like each other to choose among so many actions.
    function act(uint256 seed) external {
        seed = uint256(keccak256(abi.encode(seed, ++steps)));
        uint256 action = seed % 100;
        seed /= 100;
        if (action < 12) _try(abi.encodeCall(this.orderAny, (seed)));
        else if (action < 16) _try(abi.encodeCall(this.drawAny, (seed)));
        else if (action < 34) _try(abi.encodeCall(this.commitAny, (seed)));
        else if (action < 44) _try(abi.encodeCall(this.abstainAny, (seed)));
        else if (action < 60) _try(abi.encodeCall(this.revealAny, (seed)));
        else if (action < 70) _try(abi.encodeCall(this.answerAny, (seed)));
        else if (action < 76) _try(abi.encodeCall(this.endAny, (seed)));
        else if (action < 80) _try(abi.encodeCall(this.comeOrGo, (seed)));
        else if (action < 81) _try(abi.encodeCall(this.convict, ()));
        else if (action < 85) _try(abi.encodeCall(this.renew, ()));
        else if (action < 88) _try(abi.encodeCall(this.replayAny, (seed)));
        else skip(1 + seed % 16);
    }

    function _try(bytes memory data) private {
        (bool ok,) = address(this).call(data);
        if (ok) ++done;
    }

    // ------------------------------------------------------------------------------------------------ actions

    function orderAny(uint256 seed) external {
        bool byClient = seed % 2 == 0;
        order(byClient ? CLIENT : STRANGER, 1 + seed / 2 % 3);
        skip(5);
        if (seed / 8 % 4 != 0) _draw(byClient);
    }

    function drawAny(uint256 seed) external {
        bool byClient = seed % 2 == 0;
        if (seed / 2 % 2 == 0) audits.redraw(bid, byClient);
        else _draw(byClient);
    }

    function _draw(bool byClient) private {
        audits.draw(bid, byClient);
        Task[] memory tasks = tasksOf(byClient);
        for (uint256 i; i < auditOf(byClient).assigned; ++i) {
            ++draws[tasks[i].auditor];
        }
    }

    function commitAny(uint256 seed) external {
        (bool byClient, uint256 i, address who) = _one(seed, Part.Assigned);
        bytes32 commitment = _seal(byClient, who, _trace(seed / 64));
        Audit memory a = auditOf(byClient);
        vm.prank(who);
        audits.commit(bid, byClient, i, a.seed, commitment, _roots[a.item]);
        ++commits[who];
    }

    function abstainAny(uint256 seed) external {
        (bool byClient, uint256 i, address who) = _one(seed, Part.Assigned);
        bytes32 draw_ = auditOf(byClient).seed;
        vm.prank(who);
        audits.abstain(bid, byClient, i, draw_);
        ++abstentions[who];
    }

    /// @dev Answers to another draw: the other audit's, or none.
    function replayAny(uint256 seed) external {
        bool byClient = seed % 2 == 0;
        bytes32 other = auditOf(!byClient).seed;
        seed /= 2;
        if (seed % 3 == 0) {
            vm.prank(operator);
            audits.commitAsProvider(bid, byClient, other, "seal");
        } else {
            (bool drawnBy, uint256 i, address who) = _one(seed / 3, Part.Assigned);
            other = auditOf(!drawnBy).seed;
            vm.prank(who);
            if (seed % 3 == 1) audits.commit(bid, drawnBy, i, other, "seal", "root");
            else audits.abstain(bid, drawnBy, i, other);
        }
        ++replayed;
    }

    function revealAny(uint256 seed) external {
        (bool byClient, uint256 i, address who) = _one(seed, Part.Committed);
        uint256 item = auditOf(byClient).item;
        LeaseId id = idOf(bid);
        vm.prank(who);
        audits.reveal(id, byClient, i, _trace(seed / 64), _roots[item], SALT);
    }

    function answerAny(uint256 seed) external {
        bool byClient = seed % 2 == 0;
        Audit memory a = auditOf(byClient);
        if (a.answer == Answer.None) {
            bytes32 commitment = _seal(byClient, OWNER, TRACE);
            vm.prank(operator);
            audits.commitAsProvider(bid, byClient, a.seed, commitment);
        } else {
            vm.prank(operator, operator);
            audits.revealAsProvider(bid, byClient, TRACE, _outputs[a.item], SALT, _proofs[a.item], TRACE, none_);
        }
    }

    function endAny(uint256 seed) external {
        bool byClient = seed % 2 == 0;
        Audit memory a = auditOf(byClient);
        if (a.stage == Stage.Contested) audits.close(bid, byClient, TRACE, _roots[a.item]);
        else if (a.stage == Stage.Silent) audits.takeReward(bid, byClient, seed / 2 % a.tasks);
        else audits.finish(bid, byClient);
    }

    function comeOrGo(uint256 seed) external {
        address who = auditor(seed % PEOPLE);
        if (audits.auditorOf(who).since == 0) return enrolAuditor(who);
        if (audits.auditorOf(who).leftAt == 0) return quit(who);
        vm.prank(who);
        audits.takeStake(address(0x57A3E));
    }

    function convict() external {
        judge.freeze(bid);
        judge.convict(bid, 0);
    }

    /// @dev Another lease, after the end of this one and of its audits.
    function renew() external {
        _endAll();
        if (stakeOf(OWNER).staked < 2 * BOND) _stakeMore();
        bid = openAndStart(auditedBid(++_nonce));
        post(bid, _result);
        ++leases;
    }

    function _stakeMore() private {
        token.mint(OWNER, 10 * BOND);
        vm.startPrank(OWNER);
        token.approve(address(staking), 10 * BOND);
        staking.stake(0, 10 * BOND, BOND, 10 * BOND);
        vm.stopPrank();
    }

    // --------------------------------------------------------------------------------------------------- reads

    function auditOf(bool byClient) public view returns (Audit memory) {
        return audits.auditOf(idOf(bid), byClient);
    }

    function tasksOf(bool byClient) public view returns (Task[] memory) {
        return audits.tasksOf(idOf(bid), byClient);
    }

    function person(uint256 i) external pure returns (address) {
        return auditor(i);
    }

    function stakeOfAuditor(address who) external view returns (uint256 stake, uint256 busy, bool known) {
        return (stakeLeft(who), audits.auditorOf(who).busy, audits.auditorOf(who).since != 0);
    }

    function earned(address who) external view returns (uint256) {
        return owed(who);
    }

    function price() external view returns (uint256) {
        return fee();
    }

    function now_() external view returns (uint256) {
        return vm.getBlockNumber();
    }

    function tokensHeld() external view returns (uint256) {
        return token.balanceOf(address(audits));
    }

    function tokensOwed() external view returns (uint256 sum) {
        sum = audits.burntStake() + owed(CLIENT) + owed(STRANGER);
        for (uint256 i; i < PEOPLE; ++i) {
            sum += stakeLeft(auditor(i)) + owed(auditor(i));
        }
        return sum + fee() * (_openTasks(true) + _openTasks(false));
    }

    function _openTasks(bool byClient) private view returns (uint256 open_) {
        Task[] memory tasks = tasksOf(byClient);
        for (uint256 i; i < tasks.length; ++i) {
            if (tasks[i].part < Part.Rewarded) ++open_;
        }
    }

    /// @dev Mostly one whose turn it is.
    function _one(uint256 seed, Part wanted) private view returns (bool byClient, uint256 i, address who) {
        byClient = seed % 2 == 0;
        uint256 count = auditOf(byClient).assigned;
        require(count != 0, "nobody");
        Task[] memory tasks = tasksOf(byClient);
        i = seed / 2 % count;
        for (uint256 step; step < count && seed / 16 % 4 != 0; ++step) {
            if (tasks[(i + step) % count].part != wanted) continue;
            i = (i + step) % count;
            break;
        }
        who = tasks[i].auditor;
    }

    function _trace(uint256 seed) private pure returns (bytes32) {
        return seed % 4 == 0 ? bytes32("another trace") : TRACE;
    }

    function _seal(bool byClient, address account, bytes32 traceRoot) private view returns (bytes32) {
        Audit memory a = auditOf(byClient);
        return keccak256(abi.encode(traceRoot, _roots[a.item], account, idOf(bid), a.seed, SALT));
    }

    // ------------------------------------------------------------------------------------------------- the end

    /// @dev Time passes, everyone does what is left to do; then nothing may be left.
    function wind() external {
        _endAll();
        for (uint256 i; i < PEOPLE; ++i) {
            _try(abi.encodeCall(this.goAway, (auditor(i))));
        }
        skip(LEAVE + 1);
        for (uint256 i; i < PEOPLE; ++i) {
            _withdraw(auditor(i));
            if (audits.auditorOf(auditor(i)).since == 0) continue;
            vm.prank(auditor(i));
            audits.takeStake(auditor(i));
        }
        _withdraw(CLIENT);
        _withdraw(STRANGER);
    }

    function _endAll() private {
        for (uint256 round; round < 3; ++round) {
            skip(2 * (WINDOW + GAME));
            for (uint256 i; i < 2; ++i) {
                try audits.redraw(bid, i == 0) {} catch {}
                try audits.finish(bid, i == 0) {} catch {}
                bytes32 item = _roots[auditOf(i == 0).item];
                try audits.close(bid, i == 0, TRACE, item) {} catch {}
            }
            try disputes.settle(bid) {} catch {}
        }
        if (state(bid) == LeaseState.Posted) escrow.finalize(bid);
    }

    function goAway(address who) external {
        quit(who);
    }

    function _withdraw(address who) private {
        vm.prank(who);
        audits.withdraw(0, who);
    }

    function burnt() external view returns (uint256) {
        return audits.burntStake();
    }

    function leaseState() external view returns (LeaseState) {
        return state(bid);
    }
}
