// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GameBase} from "../base/GameBase.sol";
import {GameCalls} from "../base/GameCalls.sol";
import {GameCast} from "../base/GameCast.sol";
import {GamePlay} from "../base/GamePlay.sol";
import {WholeDispute} from "../base/WholeDispute.sol";
import {vm} from "../base/Vm.sol";
import {DisputeTerms} from "../../src/types/DisputeTypes.sol";

/// @notice Gas of answers from a key that holds less than the bond, so that each is repaid at once (ADR 045), into
/// snapshots/low_purse.json. At any price up to the capped one, an answer is repaid no less than it costs.
/// @dev With --isolate no gas has a price: a charge for bytes is what is paid, and shows how many words an answer is repaid for.
abstract contract LowPurse is GameBase {
    uint256 internal constant ANSWER = 41_000;
    uint256 internal constant FOLD = 7_000;
    uint256 internal constant SLOT = 20_000;
    uint256 private constant WORD = 1_100;
    uint256 private constant PURSE = 1 gwei;

    uint256 private held;

    function disputeTerms() internal pure virtual override returns (DisputeTerms memory t) {
        t = super.disputeTerms();
        t.dataFee = 1 gwei;
    }

    /// @dev The operator is about to answer.
    function lower(bytes32 game) internal {
        vm.deal(operator, PURSE);
        held = disputes.gameOf(game).bond;
    }

    /// @dev It has answered; `units` are what is repaid beside the words.
    function covered(bytes32 game, string memory name, uint256 units) internal returns (uint256 used) {
        used = vm.snapshotGasLastCall("low_purse", name);
        uint256 sum = held - disputes.gameOf(game).bond;
        eq(operator.balance, PURSE + sum * 1 gwei, "repaid at once");
        le(used, units + sum / 32 * WORD, name);
    }
}

contract LowPurseGasTest is WholeDispute, LowPurse {
    uint256 private total;

    function setUp() public override(WholeDispute, GameBase) {
        super.setUp();
    }

    function disputeTerms() internal pure override(GameBase, LowPurse) returns (DisputeTerms memory) {
        return LowPurse.disputeTerms();
    }

    function test_WholeDispute() public {
        play();
        vm.snapshotValue("low_purse", "dispute_gas", total);
    }

    function moved(string memory name) internal override {
        total += vm.snapshotGasLastCall("low_purse", name);
    }

    function answers() internal override {
        lower(game);
        super.answers();
    }

    function answered(string memory name) internal override {
        uint256 units = ANSWER;
        if (same(name, "trace")) units += 2 * SLOT;
        if (same(name, "running")) units += FOLD;
        total += covered(game, name, units);
    }

    function same(string memory a, string memory b) private pure returns (bool) {
        return keccak256(bytes(a)) == keccak256(bytes(b));
    }
}

/// @notice Short answers, of which the fixed part is the larger.
contract LowPurseShortGasTest is GamePlay, LowPurse {
    using GameCalls for *;

    function setUp() public override(GameCast, GameBase) {
        super.setUp();
    }

    function disputeTerms() internal pure override(GameBase, LowPurse) returns (DisputeTerms memory) {
        return LowPurse.disputeTerms();
    }

    function _answer(string memory name, bytes memory data, uint256 units) private {
        uint256 fork = vm.snapshotState();
        lower(game);
        does(operator, data);
        covered(game, name, units);
        vm.revertToState(fork);
    }

    function test_ASecondTrace() public {
        open(COPY);
        bytes32 first = seal;
        openAs(COPY, STRANGER, SALT);
        trace();
        (me, seal, game) = (CHALLENGER, first, gameId(case_, CHALLENGER, first));
        _answer("second_trace", tracing().data(), ANSWER + SLOT);
    }

    function test_ShortReveals() public {
        node = PRODUCT;
        toPick();
        pick(PRODUCT >> 1);
        _answer("reveal_2", revealing().data(), ANSWER);
        reveal();
        land();
        _answer("reveal_4", revealing().data(), ANSWER);
        reveal();
        pick(0);
        _answer("reveal_leaves_landed", revealingLeaves(0).data(), ANSWER);
        revealLeaves(0);
        does(me, naming().data());
        skip(1);
        _answer("running_16", runningArgs().data(), ANSWER + FOLD);
    }

    function test_Spans() public {
        toChain(LONG);
        _answer("totals_3", runningArgs().data(), ANSWER);
        running();
        _answerSpan("span_2", 2);
        _answerSpan("span_128", 1);
    }

    function _answerSpan(string memory name, uint256 number) private {
        uint256 fork = vm.snapshotState();
        does(me, abi.encodeCall(disputes.span, (caseId(), seal, now_().tag, number)));
        _answer(name, spanArgs().data(), ANSWER + FOLD);
        vm.revertToState(fork);
    }
}
