// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Game, Job, OperandProof, Phase, Place, Position} from "../../src/types/DisputeTypes.sol";
import {
    Claiming,
    GameCalls,
    Jumping,
    Landing,
    LandingOnOutput,
    Naming,
    Opening,
    Proving,
    ProvingOutside,
    ProvingSegment,
    Revealing,
    RevealingLeaves,
    Running,
    RunningOfSpan,
    Tracing
} from "./GameCalls.sol";
import {GameCast} from "./GameCast.sol";
import {vm} from "./Vm.sol";

/// @notice One game over the cast, brought to any phase in one line. Each move has its arguments, as the right ones
/// for where the game stands, and the move itself. A block passes after each.
abstract contract GamePlay is GameCast {
    using GameCalls for *;

    bytes32 internal constant SALT = "salt";
    bytes32 internal constant OTHER_ROOT = keccak256("the half of a seal that is not opened");

    address internal me = CHALLENGER; // whose game it is
    bytes32 internal seal;
    bytes32 internal game;
    uint256 internal node; // where it leads
    uint256 internal facts; // once landed
    Position internal here;

    // ---------------------------------------------------------------------------------------------- calling

    /// @dev A call that has to succeed.
    function does(address who, bytes memory data) internal {
        as_(who);
        (bool ok, bytes memory answer) = address(disputes).call(data);
        if (ok) return;
        assembly ("memory-safe") {
            revert(add(answer, 0x20), mload(answer))
        }
    }

    /// @dev A call that has to be refused, with exactly this error, and to change nothing.
    function no(address who, bytes memory data, bytes memory why) internal {
        no(who, 0, data, why);
    }

    function no(address who, uint256 value, bytes memory data, bytes memory why) internal {
        bytes32 before = snapshot();
        as_(who);
        (bool ok, bytes memory answer) = address(disputes).call{value: value}(data);
        if (ok) revert Untrue("it ought to have been refused");
        if (keccak256(answer) != keccak256(why)) revert Unlike(answer, why);
        eq(snapshot(), before, "nothing changed");
    }

    error Unlike(bytes got, bytes want);

    /// @dev All that can be read of this game, its lease and its money.
    function snapshot() internal view returns (bytes32) {
        bytes memory money =
            abi.encode(address(disputes).balance, disputes.coinOf(OWNER), disputes.coinOf(me));
        bytes32 root = disputes.traceOf(case_);
        return keccak256(
            abi.encode(disputes.gameOf(game), disputes.verdictOf(case_.leaseId), root, view_(bid), money)
        );
    }

    function inPhase(Phase want) internal view {
        eq(uint8(now_().phase), uint8(want), "phase");
    }

    function now_() internal view returns (Game memory) {
        return disputes.gameOf(game);
    }

    function with(bytes4 error_, uint256 a) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(error_, a);
    }

    function with(bytes4 error_, bytes32 a) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(error_, a);
    }

    function with(bytes4 error_, address a) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(error_, a);
    }

    function with(bytes4 error_, uint256 a, uint256 b) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(error_, a, b);
    }

    // ---------------------------------------------------------------------------------------------- opening

    /// @dev The seal of one who has run the job, and finds this node false.
    function sealFor(uint256 node_, address by, bytes32 salt) internal view returns (bytes32) {
        (bytes32 traceRoot, bytes32 itemRoot) = (OTHER_ROOT, OTHER_ROOT);
        if (node_ < INNER) (, traceRoot) = upFrom(ownRoots(node_), 0);
        else itemRoot = itemRootOf(ownOutputs(node_));
        return cut(keccak256(abi.encode(traceRoot, itemRoot, by, case_.leaseId, ITEM, salt)));
    }

    function ownRoots(uint256 node_) internal view returns (bytes32[] memory own) {
        own = roots;
        own[node_] = tensorRoot(ownLeavesOf(node_));
    }

    function ownOutputs(uint256 node_) internal view returns (bytes32[] memory own) {
        own = outputs;
        own[node_ - INNER] = tensorRoot(ownLeavesOf(node_));
    }

    function bond() internal view returns (uint256) {
        return disputes.bondOf(bid, job.items);
    }

    function opening() internal view returns (Opening memory a) {
        (a.bid, a.job, a.item, a.itemRoot, a.seal) = (bid, job, ITEM, items[ITEM], seal);
        (a.proof,) = upFrom(items, ITEM);
    }

    /// @dev Opens this player's game towards a node.
    function open(uint256 node_) internal {
        openAs(node_, CHALLENGER, SALT);
    }

    function openAs(uint256 node_, address by, bytes32 salt) internal {
        (me, node) = (by, node_);
        seal = sealFor(node_, by, salt);
        openSealed(bond());
    }

    function openSealed(uint256 value) internal {
        game = gameId(case_, me, seal);
        bytes memory data = opening().data();
        vm.deal(me, me.balance + value);
        as_(me);
        (bool ok, bytes memory answer) = address(disputes).call{value: value}(data);
        if (!ok) revert Unlike(answer, "");
        here = Position(disputes.traceOf(case_), 0, 0, address(0));
        facts = 0;
        skip(1);
    }

    function caseId() internal view returns (bytes32) {
        return idOfCase(case_);
    }

    function level5() internal view returns (bytes32[] memory level) {
        level = new bytes32[](32);
        for (uint256 i; i < 32; ++i) {
            level[i] = pair(roots[2 * i], roots[2 * i + 1]);
        }
    }

    function tracing() internal view returns (Tracing memory) {
        return Tracing(OWNER, escrow.bidHash(bid), case_, me, seal, level5());
    }

    function trace() internal {
        does(operator, tracing().data());
        here = Position(disputes.traceOf(case_), 0, 0, operator);
        skip(1);
    }

    // ------------------------------------------------------------------------------------------- going down

    function picking(uint256 index) internal view returns (bytes memory) {
        return abi.encodeCall(disputes.pick, (caseId(), seal, now_().tag, index));
    }

    function pick(uint256 index) internal {
        does(me, picking(index));
        skip(1);
    }

    /// @dev The two nodes that hold the one wanted; or, landed, the four quarters of the tensor.
    function revealing() internal view returns (Revealing memory a) {
        (a.game, a.site, a.left) = (game, here.site, here.left);
        if (facts == 0) {
            a.children = part(roots, node & ~uint256(1), 2);
            (a.siblings,) = upFrom(level5(), node >> 1);
        } else {
            a.children = quarters();
        }
    }

    function quarters() internal view returns (bytes32[] memory four) {
        bytes32[] memory hashes = hashesOf(leavesOf(node));
        four = new bytes32[](4);
        for (uint256 i; i < 4; ++i) {
            (, four[i]) = upFrom(part(hashes, 4 * i, 4), 0);
        }
    }

    function reveal() internal {
        Revealing memory a = revealing();
        does(operator, a.data());
        (, bytes32 anchor) = upFrom(a.children, 0);
        (here.anchor, here.left) = (anchor, leftOf(a.left, node >> 1, a.siblings));
        skip(1);
    }

    function landing() internal view returns (Landing memory a) {
        (a.case_, a.seal, a.position, a.job, a.node) = (case_, seal, here, job, node);
        (a.header, a.tensorRoot) = (headerOf(node), roots[node]);
        (a.headerProof,) = upFrom(nodeHashes, node);
        (a.siblings,) = upFrom(part(roots, node & ~uint256(1), 2), node & 1);
    }

    function land() internal {
        Landing memory a = landing();
        does(me, a.data());
        _landed(roots[node], leftOf(here.left, node, a.siblings));
    }

    function landingOnOutput() internal view returns (LandingOnOutput memory a) {
        (a.case_, a.seal, a.position, a.job, a.node) = (case_, seal, here, job, node);
        (a.header, a.roots) = (headerOf(node), outputs);
        (a.headerProof,) = upFrom(nodeHashes, node);
    }

    function landOnOutput() internal {
        does(me, landingOnOutput().data());
        _landed(outputs[node - INNER], node == INNER ? bytes32(0) : pair(0, outputs[0]));
    }

    function _landed(bytes32 anchor, bytes32 left) private {
        facts = factsOf(node, block.number);
        (here.anchor, here.site, here.left) = (anchor, siteOf(headerOf(node), facts), left);
        skip(1);
    }

    function jumping() internal view returns (Jumping memory a) {
        (a.caseId, a.seal, a.position, a.index) = (caseId(), seal, here, node >> 1);
        (a.siblings,) = upFrom(level5(), node >> 1);
        a.node = level5()[node >> 1];
    }

    function revealingLeaves(uint256 quarter) internal view returns (RevealingLeaves memory a) {
        (a.game, a.site, a.left) = (game, here.site, here.left);
        bytes[] memory leaves = leavesOf(node);
        for (uint256 i; i < 4; ++i) {
            a.leaves = bytes.concat(a.leaves, leaves[4 * quarter + i]);
        }
        (a.siblings,) = upFrom(quarters(), quarter);
    }

    function revealLeaves(uint256 quarter) internal {
        RevealingLeaves memory a = revealingLeaves(quarter);
        does(operator, a.data());
        (here.anchor, here.left) = (quarters()[quarter], leftOf(here.left, quarter, a.siblings));
        skip(1);
    }

    // -------------------------------------------------------------------------------------------- to a phase

    function toPick() internal {
        open(node);
        trace();
    }

    function toNode(uint256 node_) internal {
        node = node_;
        toPick();
        pick(node_ >> 1);
        reveal();
    }

    function toLanded(uint256 node_) internal {
        if (node_ >= INNER) {
            node = node_;
            toPick();
            landOnOutput();
        } else {
            toNode(node_);
            land();
        }
    }

    /// @dev In Pick, over the four leaves around the false one.
    function toLeaves(uint256 node_) internal {
        toLanded(node_);
        downToLeaves();
    }

    function downToLeaves() internal {
        reveal();
        pick(0);
        revealLeaves(0);
    }

    function toChain(uint256 node_) internal {
        toLeaves(node_);
        does(me, naming().data());
        skip(1);
    }

    function toRunning(uint256 span_) internal {
        toChain(LONG);
        running();
        does(me, abi.encodeCall(disputes.span, (caseId(), seal, now_().tag, span_)));
        skip(1);
    }

    // ------------------------------------------------------------------------------------------------ chains

    function naming() internal view returns (Naming memory) {
        return Naming(caseId(), seal, now_().tag, here, keccak256(headerOf(node)), facts, ELEMENT);
    }

    function amongFour(uint256 index) internal view returns (bytes32[] memory siblings) {
        (siblings,) = upFrom(part(hashesOf(leavesOf(node)), index & ~uint256(3), 4), index & 3);
    }

    function runningArgs() internal view returns (Running memory a) {
        (a.game, a.position, a.header, a.facts) = (game, here, headerOf(node), facts);
        (a.leaf, a.siblings) = (leavesOf(node)[LEAF], amongFour(LEAF));
        a.values = node == LONG ? totals : values;
    }

    function running() internal {
        Running memory a = runningArgs();
        does(operator, a.data());
        here.left = leftAt(here.left, a.leaf, a.siblings);
        here.anchor = valuesAnchor(a.values);
        skip(1);
    }

    function leftAt(bytes32 left, bytes memory one, bytes32[] memory siblings)
        internal
        pure
        returns (bytes32)
    {
        bytes memory before = new bytes(OFFSET);
        for (uint256 i; i < OFFSET; ++i) {
            before[i] = one[i];
        }
        return cut(keccak256(abi.encodePacked(leftOf(left, LEAF, siblings), before)));
    }

    function valuesAnchor(bytes memory data) internal view returns (bytes32) {
        (, bytes32 root) = upFrom(wordsOf(data), 0);
        return pair(root, bytes32(claimedOf(node)));
    }

    function spanArgs() internal view returns (RunningOfSpan memory a) {
        (a.game, a.position, a.header, a.facts) = (game, here, headerOf(node), facts);
        (a.claimed, a.totals, a.values) = (claimedOf(node), totals, spanValues[now_().chosen]);
    }

    function runningOfSpan() internal {
        RunningOfSpan memory a = spanArgs();
        does(operator, a.data());
        here.anchor = valuesAnchor(a.values);
        skip(1);
    }

    function segmentArgs(uint256 segment) internal view returns (ProvingSegment memory a) {
        (a.case_, a.seal, a.position, a.header, a.facts) = (case_, seal, here, headerOf(node), facts);
        (a.claimed, a.segment, a.job) = (claimedOf(node), segment, new Job[](0));
        bytes32[] memory words = wordsOf(node == LONG ? spanValues[now_().chosen] : values);
        a.word = words[segment / 8];
        (a.siblings,) = upFrom(words, segment / 8);
        a.operands = new OperandProof[](2);
        for (uint256 side; side < 2; ++side) {
            a.leaves = bytes.concat(a.leaves, leaf((node == LONG ? 52 : 50) + side));
            a.operands[side].tensor = operandSiblings(node, side);
            (a.operands[side].tree,) = upFrom(roots, (node == LONG ? 7 : 5) + side);
        }
    }

    // ------------------------------------------------------------------------------------------------ proofs

    /// @dev The false element of a node that copies.
    function proving() internal view returns (Proving memory a) {
        (a.case_, a.seal, a.position, a.header, a.facts) = (case_, seal, here, headerOf(node), facts);
        (a.number, a.leaf, a.siblings) = (ELEMENT, leavesOf(node)[LEAF], siblingsTo(LEAF));
        a.operands = new OperandProof[](1);
        a.operands[0].tensor = proof(6500, 4);
        a.leaves = leaf(99);
        if (node == COPY_INPUT) (a.operands[0].roots, a.operands[0].tree) = (inputRoots(), proof(6300, 2));
        else if (node == COPY_CONSTANT) (a.operands[0].dtype, a.operands[0].tree) =
        (hex"0102", proof(6200, 1));
        else if (node != OUTPUT_OF_OUTPUT) (a.operands[0].tree,) = upFrom(roots, SOURCE);
        if (node == COPY_INPUT || node == COPY_CONSTANT) {
            a.job = new Job[](1);
            a.job[0] = job;
        }
        if (node == OUTPUT_OF_OUTPUT) {
            a.operands[0].roots = outputs;
            (a.leaves, a.operands[0].tensor) = (leavesOf(OUTPUT)[LEAF], _full(OUTPUT, LEAF));
        }
    }

    /// @dev From a leaf up to where the game stands: the quarter, or the tensor's root.
    function siblingsTo(uint256 index) internal view returns (bytes32[] memory) {
        return now_().levels == 2 ? amongFour(index) : _full(node, index);
    }

    function _full(uint256 node_, uint256 index) internal view returns (bytes32[] memory siblings) {
        (siblings,) = upFrom(hashesOf(leavesOf(node_)), index);
    }

    function provingOutside(uint256 index, uint256 offset) internal view returns (ProvingOutside memory a) {
        (a.case_, a.seal, a.position, a.facts) = (case_, seal, here, facts);
        (a.headerHash, a.index, a.offset) = (keccak256(headerOf(node)), index, offset);
        (a.leaf, a.siblings) = (leavesOf(node)[index], siblingsTo(index));
    }

    /// @dev Straight from landing to the conviction of a node that copies.
    function convict(uint256 node_) internal {
        toLanded(node_);
        does(me, proving().data());
        skip(1);
    }

    // ------------------------------------------------------------------------------------------------ claims

    /// @dev Where the false element of a node stands.
    function placeOf(uint256 node_, uint256 landedAt) internal view returns (Place memory p) {
        (p.caseId, p.node, p.leaf, p.offset, p.width) =
        (caseId(), uint32(node_), uint32(LEAF), uint8(OFFSET), 4);
        p.claimed = uint32(claimedOf(node_));
        p.landedAt = uint32(landedAt);
        bytes32 left;
        if (node_ < INNER) {
            (bytes32[] memory up,) = upFrom(roots, node_);
            left = leftOf(0, node_, up);
        } else {
            p.output = uint8(node_ - INNER + 1);
            if (node_ > INNER) left = pair(0, outputs[0]);
        }
        p.left = leftAt(left, leavesOf(node_)[LEAF], _full(node_, LEAF));
        if (node_ != PRODUCT && node_ != LONG) {
            (p.exact, p.right) = (true, _wordOf(ownLeavesOf(node_)[LEAF]));
        }
    }

    function _wordOf(bytes memory one) private pure returns (uint32 value) {
        for (uint256 i = 4; i > 0; --i) {
            value = value << 8 | uint8(one[OFFSET + i - 1]);
        }
    }

    function claiming(uint256 node_, uint256 landedAt) internal view returns (Claiming memory a) {
        (a.case_, a.place, a.salt, a.other) = (case_, placeOf(node_, landedAt), SALT, OTHER_ROOT);
        bytes[] memory own = ownLeavesOf(node_);
        a.leaf = own[LEAF];
        (a.siblings,) = upFrom(hashesOf(own), LEAF);
        if (node_ < INNER) (a.above,) = upFrom(ownRoots(node_), node_);
        else a.above = ownOutputs(node_);
    }

    function collect(address who, bytes32 seal_) internal returns (uint256 coin, uint256 reward) {
        (coin, reward) = (who.balance, token.balanceOf(who));
        does(who, abi.encodeCall(disputes.collect, (bid, case_, seal_)));
        return (who.balance - coin, token.balanceOf(who) - reward);
    }
}
