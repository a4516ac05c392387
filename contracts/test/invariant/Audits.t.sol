// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Assertions} from "../base/Assertions.sol";
import {AuditHandler} from "./AuditHandler.sol";
import {Answer, Audit, Part, Stage, Task} from "../../src/types/AuditTypes.sol";
import {LeaseState} from "../../src/types/Types.sol";

/// @notice What holds of audits in whatever order things happen: one sentence, one function.
contract AuditInvariantsTest is Assertions {
    AuditHandler internal handler;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public {
        handler = new AuditHandler();
        handler.setUp();
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0].addr = address(handler);
        targets[0].selectors = new bytes4[](1);
        targets[0].selectors[0] = handler.act.selector;
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev One walk for all: a walk for each would take five times as long and see no more.
    /// forge-config: default.invariant.runs = 3
    function invariant_WhateverHappens() public view {
        everyTokenIsAccountedFor();
        whoIsBusyHasOpenTasks();
        countersAreAnswers();
        nothingIsShownTooEarly();
        abstainingNeitherPaysNorCosts();
        noAnswerIsTakenForAnotherDraw();
    }

    /// @dev Rule 8: an answer names the draw that it is given to.
    function noAnswerIsTakenForAnotherDraw() private view {
        eq(handler.replayed(), 0, "answers to another draw");
    }

    /// @dev Tokens held = stakes + fees of tasks that are not over + owed + burnt.
    function everyTokenIsAccountedFor() private view {
        eq(handler.tokensHeld(), handler.tokensOwed(), "tokens");
    }

    /// @dev An auditor is bound by as many audits as have an open task of its.
    function whoIsBusyHasOpenTasks() private view {
        for (uint256 i; i < handler.PEOPLE(); ++i) {
            address who = handler.person(i);
            (, uint256 busy,) = handler.stakeOfAuditor(who);
            eq(busy, _openOf(who, true) + _openOf(who, false), "busy");
        }
    }

    function _openOf(address who, bool byClient) private view returns (uint256 open_) {
        Task[] memory tasks = handler.tasksOf(byClient);
        for (uint256 i; i < tasks.length; ++i) {
            if (tasks[i].auditor == who && tasks[i].part < Part.Rewarded) ++open_;
        }
    }

    /// @dev The counters of an audit are its answers and abstentions, each once.
    function countersAreAnswers() private view {
        _counters(true);
        _counters(false);
    }

    function _counters(bool byClient) private view {
        Audit memory a = handler.auditOf(byClient);
        if (a.stage != Stage.Drawn) return;
        Task[] memory tasks = handler.tasksOf(byClient);
        uint256 committed = a.answer == Answer.None ? 0 : 1;
        uint256 opened = a.answer == Answer.Revealed ? 1 : 0;
        for (uint256 i; i < a.assigned; ++i) {
            if (tasks[i].part != Part.Assigned) ++committed;
            if (tasks[i].part > Part.Committed) ++opened;
        }
        eq(a.committed, committed, "committed");
        eq(a.opened, opened, "opened");
    }

    /// @dev Nothing is shown while somebody can still commit to a copy of it.
    function nothingIsShownTooEarly() private view {
        _sealed(true);
        _sealed(false);
    }

    function _sealed(bool byClient) private view {
        Audit memory a = handler.auditOf(byClient);
        if (a.stage != Stage.Drawn || handler.now_() > a.commitUntil) return;
        Task[] memory tasks = handler.tasksOf(byClient);
        bool open_ = a.answer == Answer.None;
        bool shown = a.answer == Answer.Revealed;
        for (uint256 i; i < a.assigned; ++i) {
            if (tasks[i].part == Part.Assigned) open_ = true;
            if (tasks[i].part == Part.Revealed) shown = true;
        }
        yes(!(open_ && shown), "shown");
    }

    /// @dev Who abstains is paid nothing for it and loses nothing by it.
    function abstainingNeitherPaysNorCosts() private view {
        for (uint256 i; i < handler.PEOPLE(); ++i) {
            address who = handler.person(i);
            le(handler.earned(who), handler.price() * handler.commits(who), "earned");
            (uint256 stake,, bool known) = handler.stakeOfAuditor(who);
            if (known && handler.draws(who) == handler.abstentions(who)) eq(stake, 80 ether, "stake");
        }
    }

    /// @dev Whatever happened, nothing is locked for ever: all leave with what is theirs, and the lease ends.
    function afterInvariant() public {
        handler.wind();
        LeaseState state = handler.leaseState();
        yes(state == LeaseState.Finalized || state == LeaseState.Convicted, "the lease has ended");
        eq(handler.tokensHeld(), handler.burnt(), "what is left is burnt");
        // A walk that is cut down to what broke it is short.
        yes(handler.done() > 10 || handler.steps() < 100, "things happened");
    }
}
