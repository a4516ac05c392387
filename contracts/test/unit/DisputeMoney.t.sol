// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Game, Phase} from "../../src/types/DisputeTypes.sol";
import {GameCalls, Opening} from "../base/GameCalls.sol";
import {GamePlay} from "../base/GamePlay.sol";
import {Caller} from "../base/Caller.sol";
import {HookToken} from "../base/HookToken.sol";
import {IDisputes} from "../../src/interfaces/IDisputes.sol";
import {Case} from "../../src/types/DisputeTypes.sol";
import {vm} from "../base/Vm.sol";

/// @notice disputeMoney.tree: what an answer is repaid, and who may be called back meanwhile.
/// @dev The operator's key begins with nothing.
contract DisputeMoneyTest is GamePlay {
    using GameCalls for *;

    function setUp() public override {
        super.setUp();
        vm.deal(operator, 0);
    }

    uint256 private constant ANSWER = 41_000;
    uint256 private constant FOLD = 7_000;
    uint256 private constant WORD = 1_100;
    uint256 private constant SLOT = 20_000;

    /// @dev What the operator gets for an answer, and that the bond pays it.
    function _repaid(bytes memory data, uint256 gasUnits, uint256 price) private {
        (uint256 had, uint256 held) = (operator.balance, now_().bond);
        does(operator, data);
        uint256 sum = gasUnits * price / 1 gwei;
        if (sum > held) sum = held;
        eq(operator.balance - had, sum * 1 gwei, "repaid");
        eq(now_().bond, held - sum, "out of the bond");
        eq(address(disputes).balance, (held - sum) * 1 gwei, "and of nothing else");
        skip(1);
    }

    function test_TheFirstTraceStoresTwoWords() public {
        open(COPY);
        _repaid(tracing().data(), ANSWER + 2 * SLOT + 32 * WORD, 1 gwei);
    }

    function test_ASecondTraceStoresOne() public {
        open(COPY);
        bytes32 first = seal;
        openAs(COPY, STRANGER, SALT);
        trace();
        does(me, abi.encodeCall(disputes.resign, (bid, case_, seal)));
        as_(OWNER);
        disputes.withdrawCoin(OWNER);
        (me, seal, game) = (CHALLENGER, first, gameId(case_, CHALLENGER, first));
        _repaid(tracing().data(), ANSWER + SLOT + 32 * WORD, 1 gwei);
    }

    /// The words that an answer has to show, siblings among them.
    function test_AllAnswers() public {
        node = PRODUCT;
        toPick();
        pick(PRODUCT >> 1);
        _repaid(revealing().data(), ANSWER + (2 + 5) * WORD, 1 gwei);
        (here.anchor, here.left) = (level5()[PRODUCT >> 1], leftOf(0, PRODUCT >> 1, revealing().siblings));
        land();
        _repaid(revealing().data(), ANSWER + 4 * WORD, 1 gwei);
        pick(0);
        _repaid(revealingLeaves(0).data(), ANSWER + (16 + 2) * WORD, 1 gwei);
        (here.anchor, here.left) = (quarters()[0], leftOf(here.left, 0, revealingLeaves(0).siblings));
        does(me, naming().data());
        uint256 words = (64 + headerOf(PRODUCT).length + 128) / 32 + 2 + 8;
        _repaid(runningArgs().data(), ANSWER + FOLD + words * WORD, 1 gwei);
    }

    function test_TheTotals() public {
        toChain(LONG);
        vm.deal(operator, 0);
        (uint256 had, uint256 words) = (now_().bond, (12 + headerOf(LONG).length + 128) / 32 + 2 + 8);
        does(operator, runningArgs().data());
        eq(had - now_().bond, ANSWER + words * WORD, "nothing is folded");
    }

    function test_TheSpan() public {
        toRunning(2);
        uint256 words = (8 + headerOf(LONG).length + 12) / 32 + 8;
        _repaid(spanArgs().data(), ANSWER + FOLD + words * WORD, 1 gwei);
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_Price(uint64 baseFee, uint64 tip) public {
        open(COPY);
        uint256 base = bound(baseFee, 1, 100 gwei);
        vm.fee(base);
        vm.txGasPrice(base + bound(tip, 0, 10 gwei));
        uint256 price = tx.gasprice < base + TIP ? tx.gasprice : base + TIP;
        _repaid(tracing().data(), ANSWER + 2 * SLOT + 32 * WORD, price);
    }

    /// At a price that the bond does not reach for, the answers are the provider's own; the game goes on.
    function test_CappedByTheBond() public {
        open(COPY);
        vm.fee(1_000 gwei);
        vm.txGasPrice(1_000 gwei);
        _repaid(tracing().data(), ANSWER + 2 * SLOT + 32 * WORD, 1_000 gwei);
        eq(now_().bond, 0, "nothing is left");
        here.anchor = disputes.traceOf(case_);
        pick(COPY >> 1);
        _repaid(revealing().data(), ANSWER, 1_000 gwei);
        inPhase(Phase.Pick);
    }

    /// A key that holds the game's bond is not repaid; one that holds a wei less is.
    function test_AKeyThatHoldsTheBond() public {
        open(COPY);
        uint256 held = now_().bond;
        uint256 fork = vm.snapshotState();
        vm.deal(operator, held * 1 gwei);
        _repaid(tracing().data(), 0, 1 gwei);
        eq(now_().bond, held, "the bond is whole");
        vm.revertToState(fork);
        vm.deal(operator, held * 1 gwei - 1);
        _repaid(tracing().data(), ANSWER + 2 * SLOT + 32 * WORD, 1 gwei);
    }

    /// What no answer was repaid goes with the rest of the bond: to the owner from who loses, else back to its payer.
    function test_WhatTheBondKept() public {
        node = COPY;
        open(COPY);
        uint256 held = uint256(now_().bond) * 1 gwei;
        uint256 fork = vm.snapshotState();
        vm.deal(operator, held);
        trace();
        does(me, abi.encodeCall(disputes.resign, (bid, case_, seal)));
        eq(disputes.coinOf(OWNER), held, "all of it");
        vm.revertToState(fork);
        vm.deal(operator, held);
        trace();
        pick(COPY >> 1);
        reveal();
        land();
        does(me, proving().data());
        (uint256 coin,) = collect(me, seal);
        eq(coin, held, "a convicted provider is repaid nothing");
    }

    // --------------------------------------------------------------------------------------------- reentrancy

    /// @dev A game that a contract won by silence, settled, with a token that calls its receivers.
    function _won(Greedy greedy) private returns (uint256 held) {
        vm.etch(address(token), type(HookToken).runtimeCode);
        openAs(COPY, address(greedy), SALT);
        held = uint256(now_().bond) * 1 gwei;
        openAs(COPY, STRANGER, SALT); // what there is to steal
        bytes32 his = seal;
        (me, seal) = (address(greedy), sealFor(COPY, address(greedy), SALT));
        skip(100);
        disputes.timeout(bid, case_, me, seal);
        skip(1);
        greedy.exec(address(disputes), abi.encodeCall(disputes.claimSilence, (case_, seal)));
        as_(STRANGER);
        disputes.claimSilence(case_, his);
        skip(CLAIM_PERIOD + 1);
        disputes.settle(bid);
        greedy.arm(disputes, bid, case_, seal);
        greedy.exec(address(token), abi.encodeWithSignature("hook()"));
    }

    function test_CollectAgainWhileCollecting() public {
        Greedy greedy = new Greedy();
        uint256 held = _won(greedy);
        uint256 had = address(greedy).balance;
        greedy.exec(address(disputes), abi.encodeCall(disputes.collect, (bid, case_, seal)));
        yes(greedy.reached() >= 2, "called back by coin and token");
        eq(address(greedy).balance - had, held, "its own bond");
        eq(token.balanceOf(address(greedy)), 10 ether, "its own share");
        eq(address(disputes).balance, held, "the other's bond is there");
        collect(STRANGER, sealFor(COPY, STRANGER, SALT));
        eq(token.balanceOf(STRANGER), 10 ether, "and his share");
    }

    function test_WithdrawAgainWhileWithdrawing() public {
        open(COPY);
        Greedy greedy = new Greedy();
        uint256 slot = 3; // _coins
        bytes32 place = keccak256(abi.encode(address(greedy), slot));
        vm.store(address(disputes), place, bytes32(uint256(1000 gwei)));
        eq(disputes.coinOf(address(greedy)), 1000 gwei, "owed");
        greedy.arm(disputes, bid, case_, seal);
        uint256 had = address(disputes).balance;
        greedy.exec(address(disputes), abi.encodeCall(disputes.withdrawCoin, (address(greedy))));
        yes(greedy.reached() != 0, "called back");
        eq(had - address(disputes).balance, 1000 gwei, "once");
    }
}

/// @notice A challenger that tries every way out again whenever coin or tokens reach it.
contract Greedy is Caller {
    IDisputes private _disputes;
    bytes32[6] private _bid;
    Case private _case;
    bytes32 private _seal;

    function arm(IDisputes disputes, bytes32[6] calldata bid, Case calldata case_, bytes32 seal) external {
        (_disputes, _bid, _case, _seal) = (disputes, bid, case_, seal);
    }

    function _again() internal override {
        if (address(_disputes) == address(0) || reached > 8) return;
        ++reached;
        try _disputes.collect(_bid, _case, _seal) {} catch {}
        try _disputes.withdrawCoin(address(this)) {} catch {}
        try _disputes.claimSilence(_case, _seal) {} catch {}
        try _disputes.settle(_bid) {} catch {}
    }
}
