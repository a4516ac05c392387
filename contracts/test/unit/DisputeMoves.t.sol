// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeEvents} from "../../src/interfaces/IDisputeEvents.sol";
import {IReferee} from "../../src/interfaces/IReferee.sol";
import {Game, Phase, Position} from "../../src/types/DisputeTypes.sol";
import {
    GameCalls,
    Jumping,
    Landing,
    LandingOnOutput,
    Revealing,
    RevealingLeaves
} from "../base/GameCalls.sol";
import {GamePlay} from "../base/GamePlay.sol";
import {vm} from "../base/Vm.sol";

/// @notice disputeMoves.tree: the way down.
contract DisputeMovesTest is GamePlay {
    using GameCalls for *;

    bytes4 private constant COUNT = IDisputeEvents.Disputes_Count.selector;
    bytes4 private constant NO_CHILD = IDisputeEvents.Disputes_NoChild.selector;
    bytes4 private constant NO_NODE = IDisputeEvents.Disputes_NoNode.selector;
    bytes4 private constant OTHER_POSITION = IDisputeEvents.Disputes_OtherPosition.selector;

    bytes private badProof = abi.encodeWithSelector(IDisputeEvents.Disputes_BadProof.selector);

    function _where() private view returns (bytes32) {
        return keccak256(abi.encode(here.anchor, here.site, here.left, here.operator));
    }

    // -------------------------------------------------------------------------------------------------- pick

    function test_Pick() public {
        node = COPY;
        toPick();
        skip(7);
        pick(31);
        Game memory g = now_();
        inPhase(Phase.Reveal);
        eq(g.chosen, 31, "chosen");
        eq(g.position, _where(), "where it was");
        eq(g.challengerLeft, MOVE_CLOCK - 8 + INCREMENT, "eight blocks used, an increment gained");
        eq(g.movedAt, block.number - 1, "moved");
    }

    function test_PickWhatIsNotShown() public {
        node = COPY;
        toPick();
        no(me, picking(32), with(NO_CHILD, 32));
        no(me, picking(type(uint256).max), with(NO_CHILD, type(uint256).max));
        pick(COPY >> 1);
        reveal();
        no(me, picking(0), with(NO_CHILD, uint256(0))); // at the last level of the trace: land
    }

    function test_PickBelowLeaves() public {
        toLeaves(COPY);
        no(me, picking(0), with(NO_CHILD, uint256(0)));
    }

    function test_PickBeforeAnythingIsShown() public {
        node = COPY;
        toPick();
        openAs(COPY, STRANGER, SALT); // the trace is known
        no(me, picking(0), with(NO_CHILD, uint256(0)));
    }

    function test_PickOfAnotherState() public {
        node = COPY;
        toPick();
        uint48 tag = now_().tag;
        bytes memory data = abi.encodeCall(disputes.pick, (caseId(), seal, tag ^ 1, 20));
        no(me, data, abi.encodeWithSelector(IDisputeEvents.Disputes_OtherState.selector, tag, tag ^ 1));
    }

    function test_PickByAnother() public {
        node = COPY;
        toPick();
        bytes32 his = gameId(case_, STRANGER, seal);
        bytes memory none =
            abi.encodeWithSelector(IDisputeEvents.Disputes_WrongPhase.selector, his, Phase.None);
        no(STRANGER, picking(20), none);
    }

    // ------------------------------------------------------------------------------------------------ reveal

    function test_Reveal() public {
        node = COPY;
        toPick();
        pick(COPY >> 1);
        skip(4);
        reveal();
        Game memory g = now_();
        inPhase(Phase.Pick);
        eq(g.position, _where(), "at the picked node");
        eq(g.tag, uint48(uint256(_where())), "tag");
        eq(g.path, COPY >> 1, "path");
        eq(g.levels, 1, "levels");
        eq(g.shown, 1, "shown");
        eq(g.providerLeft, MOVE_CLOCK - 5 + INCREMENT, "five blocks used, an increment gained");
    }

    function test_RevealOfAnotherNode() public {
        node = COPY;
        toPick();
        pick(COPY >> 1);
        Revealing memory a = revealing();
        a.children[1] = any(0);
        no(operator, a.data(), with(OTHER_POSITION, game));
        a = revealing();
        a.children = part(roots, 2, 2); // the provider's own, but not the ones asked for
        (a.siblings,) = upFrom(level5(), 1);
        no(operator, a.data(), with(OTHER_POSITION, game));
        a = revealing();
        a.siblings[4] = any(0);
        no(operator, a.data(), with(OTHER_POSITION, game));
        a = revealing();
        a.left = any(0);
        no(operator, a.data(), with(OTHER_POSITION, game));
    }

    function test_RevealOfAnotherLength() public {
        node = COPY;
        toPick();
        pick(COPY >> 1);
        Revealing memory a = revealing();
        a.children = proof(0, 1);
        no(operator, a.data(), with(COUNT, 2, 1));
        a = revealing();
        a.siblings = proof(0, 4);
        no(operator, a.data(), with(COUNT, 5, 4));
        a.siblings = proof(0, 6);
        no(operator, a.data(), with(COUNT, 5, 6));
    }

    function test_RevealByAnother() public {
        node = COPY;
        toPick();
        pick(COPY >> 1);
        no(STRANGER, revealing().data(), with(OTHER_POSITION, game));
        no(me, revealing().data(), with(OTHER_POSITION, game));
        bytes memory data = revealing().data();
        vm.prank(operator, STRANGER);
        (bool ok, bytes memory why) = address(disputes).call(data);
        yes(!ok && bytes4(why) == IDisputeEvents.Disputes_NotPlain.selector, "through a wallet");
    }

    function test_RevealNodesWhereLeavesAreDue() public {
        toLanded(COPY);
        reveal();
        pick(0);
        RevealingLeaves memory leaves = revealingLeaves(0);
        Revealing memory a = revealing();
        a.children = hashesOf(leavesOf(COPY));
        a.children = part(a.children, 0, 4);
        a.siblings = leaves.siblings;
        no(operator, a.data(), with(COUNT, 8, 0));
    }

    function test_RevealLeavesWhereNodesAreDue() public {
        toLanded(COPY);
        RevealingLeaves memory a = revealingLeaves(0);
        no(operator, a.data(), with(COUNT, 0, 512));
    }

    function test_RevealLeavesOfATrace() public {
        node = COPY;
        toPick();
        pick(COPY >> 1);
        RevealingLeaves memory a;
        (a.game, a.leaves) = (game, new bytes(256));
        no(operator, a.data(), with(COUNT, 0, 256));
    }

    function test_RevealLeaves() public {
        toLanded(COPY);
        reveal();
        pick(0);
        RevealingLeaves memory a = revealingLeaves(0);
        a.leaves[511] ^= 0x01;
        no(operator, a.data(), with(OTHER_POSITION, game));
        a = revealingLeaves(1);
        no(operator, a.data(), with(OTHER_POSITION, game));
        a = revealingLeaves(0);
        a.leaves = bytes.concat(a.leaves, hex"00");
        no(operator, a.data(), with(COUNT, 512, 513));
        a.leaves = new bytes(384);
        no(operator, a.data(), with(COUNT, 512, 384));
        a = revealingLeaves(0);
        a.siblings = new bytes32[](0);
        no(operator, a.data(), with(COUNT, 2, 0));
        revealLeaves(0);
        inPhase(Phase.Pick);
        eq(now_().position, _where(), "at the quarter");
        eq(now_().shown, 2, "leaves");
        eq(now_().levels, 2, "levels");
    }

    // -------------------------------------------------------------------------------------------------- land

    function test_Land() public {
        toLanded(COPY);
        inPhase(Phase.Reveal);
        Game memory g = now_();
        eq(g.position, _where(), "at the tensor's root");
        eq(g.levels, 4, "its tree");
        eq(g.shown, 0, "nothing shown");
        eq(g.path, 0, "from its root");
    }

    function test_LandElsewhere() public {
        toNode(COPY);
        Landing memory a = landing();
        a.node = COPY ^ 2; // not below the anchor
        no(me, a.data(), with(NO_NODE, COPY ^ 2));
        a.node = 64; // an output
        no(me, a.data(), with(NO_NODE, 64));
        a.node = type(uint256).max;
        no(me, a.data(), with(NO_NODE, type(uint256).max));
        a = landing();
        a.node = COPY ^ 1; // its neighbour, with another's header
        (a.tensorRoot, a.siblings[0]) = (roots[COPY ^ 1], roots[COPY]);
        (a.headerProof,) = upFrom(nodeHashes, COPY ^ 1);
        no(me, a.data(), badProof);
    }

    function test_LandWithBadProofs() public {
        toNode(COPY);
        Landing memory a = landing();
        a.tensorRoot = any(0);
        no(me, a.data(), badProof);
        a = landing();
        a.siblings = new bytes32[](0);
        no(me, a.data(), with(COUNT, 1, 0));
        a = landing();
        a.headerProof = new bytes32[](6);
        no(me, a.data(), with(COUNT, 7, 6));
        a = landing();
        a.headerProof[3] = any(0);
        no(me, a.data(), badProof);
        a = landing();
        a.header = headerOf(PRODUCT);
        no(me, a.data(), badProof);
        a = landing();
        a.job.items = 5;
        no(me, a.data(), with(IDisputeEvents.Disputes_WrongJob.selector, case_.jobHash));
    }

    function test_LandTwice() public {
        toLeaves(COPY);
        Landing memory a = landing();
        no(me, a.data(), with(OTHER_POSITION, game));
        no(me, landingOnOutput().data(), with(OTHER_POSITION, game));
    }

    function test_LandFromAnotherPosition() public {
        toNode(COPY);
        for (uint256 i; i < 4; ++i) {
            Landing memory a = landing();
            if (i == 0) a.position.anchor = any(0);
            if (i == 1) a.position.site = any(0);
            if (i == 2) a.position.left = any(0);
            if (i == 3) a.position.operator = STRANGER;
            no(me, a.data(), with(OTHER_POSITION, game));
        }
    }

    /// A header that the Referee does not understand is none that an honest provider starts: nothing is landed on.
    function test_LandOnNonsense() public {
        bytes memory nonsense = hex"07010100000010";
        nodeHashes[COPY] = keccak256(abi.encodePacked(TAG_NODE, nonsense));
        (, job.program.nodesRoot) = upFrom(nodeHashes, 0);
        _repost();
        toNode(COPY);
        Landing memory a = landing();
        a.header = nonsense;
        no(me, a.data(), with(IReferee.Referee_Header.selector, uint256(0)));
    }

    function _repost() private {
        (, bytes32 outputRoot) = upFrom(items, 0);
        bid = posted(leaseBidOf(50), outputRoot);
        case_ = caseOf(bid, ITEM, items[ITEM]);
    }

    function test_LandOnOutput() public {
        toLanded(OUTPUT_OF_OUTPUT);
        inPhase(Phase.Reveal);
        eq(now_().position, _where(), "at the second output's root");
    }

    function test_LandOnNoOutput() public {
        node = OUTPUT;
        toPick();
        LandingOnOutput memory a = landingOnOutput();
        a.node = 63;
        no(me, a.data(), with(NO_NODE, 63));
        a.node = 66;
        no(me, a.data(), with(NO_NODE, 66));
        a = landingOnOutput();
        a.roots[1] = any(0);
        no(me, a.data(), badProof);
        a = landingOnOutput();
        a.roots = proof(0, 1);
        no(me, a.data(), with(COUNT, 2, 1));
        a = landingOnOutput();
        a.headerProof[0] = any(0);
        no(me, a.data(), badProof);
        a = landingOnOutput();
        a.job.items = 5;
        no(me, a.data(), with(IDisputeEvents.Disputes_WrongJob.selector, case_.jobHash));
        a = landingOnOutput();
        a.position.left = any(0);
        no(me, a.data(), with(OTHER_POSITION, game));
    }

    // -------------------------------------------------------------------------------------------------- jump

    function test_Jump() public {
        node = COPY;
        toPick();
        Jumping memory a = jumping();
        does(me, a.data());
        inPhase(Phase.Reveal);
        (here.anchor, here.left) = (a.node, leftOf(here.left, a.index, a.siblings));
        eq(now_().position, _where(), "at the node");
        eq(now_().path, COPY >> 1, "path");
        eq(now_().levels, 1, "levels");
        Revealing memory r = revealing();
        (r.children, r.siblings, r.left) = (part(roots, COPY, 2), new bytes32[](0), here.left);
        does(operator, r.data());
        inPhase(Phase.Pick);
        land();
        inPhase(Phase.Reveal);
    }

    function test_JumpAmiss() public {
        node = COPY;
        toPick();
        Jumping memory a = jumping();
        a.index = 32;
        no(me, a.data(), with(NO_CHILD, 32));
        a = jumping();
        a.siblings = new bytes32[](0);
        no(me, a.data(), with(NO_CHILD, a.index));
        a = jumping();
        a.siblings = proof(0, 6); // down to a node's tensor: land
        no(me, a.data(), with(NO_CHILD, a.index));
        a.siblings = proof(0, 7);
        no(me, a.data(), with(NO_CHILD, a.index));
        a = jumping();
        a.node = any(0);
        no(me, a.data(), badProof);
        a = jumping();
        a.position.left = any(0);
        no(me, a.data(), with(OTHER_POSITION, game));
    }

    /// In a tensor also down to one leaf, which is then shown.
    function test_JumpToALeaf() public {
        toLanded(COPY);
        reveal();
        Jumping memory a;
        bytes32[] memory hashes = hashesOf(leavesOf(COPY));
        (a.caseId, a.seal, a.position, a.node, a.index) = (caseId(), seal, here, hashes[LEAF], LEAF);
        (a.siblings,) = upFrom(hashes, LEAF);
        does(me, a.data());
        skip(1);
        eq(now_().levels, 0, "at the leaf");
        RevealingLeaves memory r;
        (r.game, r.site, r.left) = (game, here.site, leftOf(here.left, LEAF, a.siblings));
        r.leaves = leavesOf(COPY)[LEAF];
        does(operator, r.data());
        inPhase(Phase.Pick);
    }

    // ------------------------------------------------------------------------------------------------- adopt

    function _adopting(address owner, bytes32 bidHash, Position memory p)
        private
        view
        returns (bytes memory)
    {
        return abi.encodeCall(disputes.adopt, (owner, bidHash, case_, me, seal, p));
    }

    function test_Adopt() public {
        toLanded(COPY);
        address next = address(0x0FF1CE);
        bytes32 hash = escrow.bidHash(bid);
        no(next, _adopting(OWNER, hash, here), with(IDisputeEvents.Disputes_NotProvider.selector, next));
        vm.prank(OWNER);
        escrow.register(next, "again");
        no(
            operator,
            _adopting(OWNER, hash, here),
            with(IDisputeEvents.Disputes_NotProvider.selector, operator)
        );
        no(next, revealing().data(), with(OTHER_POSITION, game));
        Position memory elsewhere = here;
        elsewhere.left = any(0);
        no(next, _adopting(OWNER, hash, elsewhere), with(OTHER_POSITION, game));
        bytes32 found = bytes32(abi.encode(escrow.leaseIdOf(OWNER, any(0))));
        no(next, _adopting(OWNER, any(0), here), with(IDisputeEvents.Disputes_WrongLease.selector, found));
        does(next, _adopting(OWNER, hash, here));
        here.operator = next;
        eq(now_().position, _where(), "the new key's");
        eq(now_().tag, uint48(uint256(_where())), "tag");
        no(operator, revealing().data(), with(OTHER_POSITION, game));
        does(next, revealing().data());
        inPhase(Phase.Pick);
    }

    /// In the challenger's turn it would change the tag under each pick on its way.
    function test_AdoptInTheChallengersTurn() public {
        node = COPY;
        toPick();
        bytes memory data = _adopting(OWNER, escrow.bidHash(bid), here);
        no(
            operator,
            data,
            abi.encodeWithSelector(IDisputeEvents.Disputes_WrongPhase.selector, game, Phase.Pick)
        );
    }
}
