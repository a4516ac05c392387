// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeEvents} from "../../src/interfaces/IDisputeEvents.sol";
import {IReferee} from "../../src/interfaces/IReferee.sol";
import {Conviction, Job, OperandProof, Phase} from "../../src/types/DisputeTypes.sol";
import {GameCalls, Proving, ProvingOutside} from "../base/GameCalls.sol";
import {GamePlay} from "../base/GamePlay.sol";
import {vm} from "../base/Vm.sol";

/// @notice disputeProofs.tree: `prove` and `proveOutside`.
contract DisputeProofsTest is GamePlay {
    using GameCalls for *;

    bytes4 private constant COUNT = IDisputeEvents.Disputes_Count.selector;
    bytes4 private constant NO_ELEMENT = IDisputeEvents.Disputes_NoElement.selector;

    bytes private badProof = abi.encodeWithSelector(IDisputeEvents.Disputes_BadProof.selector);

    function _convicted() private view {
        inPhase(Phase.Won);
        yes(disputes.verdictOf(case_.leaseId).how == Conviction.Proven, "convicted");
        eq(disputes.verdictOf(case_.leaseId).since, block.number - 1, "since");
    }

    function test_OperandIsANode() public {
        convict(COPY);
        _convicted();
    }

    function test_OperandIsAnInput() public {
        convict(COPY_INPUT);
        _convicted();
    }

    function test_OperandIsAConstant() public {
        convict(COPY_CONSTANT);
        _convicted();
    }

    function test_OfAnOutput() public {
        convict(OUTPUT);
        _convicted();
    }

    function test_OperandIsAnOutput() public {
        convict(OUTPUT_OF_OUTPUT);
        _convicted();
    }

    /// Wherever the game stands once it has landed, also while the provider is to move.
    function test_FromTheLeaves() public {
        toLeaves(COPY);
        does(me, proving().data());
        inPhase(Phase.Won);
    }

    function test_FromAReveal() public {
        toLanded(COPY);
        reveal();
        pick(0);
        does(me, proving().data());
        inPhase(Phase.Won);
    }

    function test_ATrueElement() public {
        toLanded(COPY);
        // Another element of the same leaf, that is what it ought to be.
        Proving memory a = proving();
        a.number = ELEMENT + 1;
        bytes memory one = a.leaf;
        uint256 value = uint256(uint8(one[24])) | uint256(uint8(one[25])) << 8 | uint256(uint8(one[26])) << 16
            | uint256(uint8(one[27])) << 24;
        no(me, a.data(), with(IDisputeEvents.Disputes_StepIsTrue.selector, value));
    }

    function test_OfAnotherLeaf() public {
        toLanded(COPY);
        Proving memory a = proving();
        a.leaf[0] ^= 0x01;
        no(me, a.data(), badProof);
        a = proving();
        a.siblings[2] = any(0);
        no(me, a.data(), badProof);
        a = proving();
        a.siblings = new bytes32[](3);
        no(me, a.data(), with(COUNT, 4, 3));
        a = proving();
        a.leaf = bytes.concat(a.leaf, hex"00");
        no(me, a.data(), with(COUNT, 128, 129));
        a.leaf = new bytes(64);
        no(me, a.data(), with(COUNT, 128, 64));
    }

    function test_OfAnElementElsewhere() public {
        toLeaves(COPY);
        Proving memory a = proving();
        a.number = 4 * 32; // in the next quarter
        no(me, a.data(), with(NO_ELEMENT, uint256(4)));
        a.number = 512;
        no(me, a.data(), with(NO_ELEMENT, uint256(512)));
        a.number = type(uint256).max;
        no(me, a.data(), with(NO_ELEMENT, type(uint256).max));
    }

    function test_OperandsUnproven() public {
        toLanded(COPY);
        Proving memory a = proving();
        a.leaves[OFFSET] ^= 0x02; // no operand of the provider's
        no(me, a.data(), badProof);
        a = proving();
        a.operands[0].tensor[1] = any(0);
        no(me, a.data(), badProof);
        a = proving();
        a.operands[0].tree[5] = any(0);
        no(me, a.data(), badProof);
        a = proving();
        a.operands[0].tensor = new bytes32[](5);
        no(me, a.data(), with(COUNT, 4, 5));
        a = proving();
        a.operands[0].tree = new bytes32[](5);
        no(me, a.data(), with(COUNT, 6, 5));
        a = proving();
        a.operands = new OperandProof[](0);
        no(me, a.data(), with(COUNT, 1, 0));
        a.operands = new OperandProof[](2);
        no(me, a.data(), with(COUNT, 1, 2));
        a = proving();
        a.leaves = bytes.concat(a.leaves, leaf(1));
        no(me, a.data(), with(IReferee.Referee_Leaves.selector, 1, 256));
        a.leaves = "";
        no(me, a.data(), with(IReferee.Referee_Leaves.selector, 1, 0));
    }

    function test_InputUnproven() public {
        toLanded(COPY_INPUT);
        Proving memory a = proving();
        a.operands[0].roots[1] = any(0);
        no(me, a.data(), badProof);
        a = proving();
        a.operands[0].roots[0] = any(0); // the item root is of both
        no(me, a.data(), badProof);
        a = proving();
        a.operands[0].roots = part(a.operands[0].roots, 0, 1);
        no(me, a.data(), badProof);
        a = proving();
        a.operands[0].tree = proof(6300, 1);
        no(me, a.data(), with(COUNT, 2, 1));
        a = proving();
        a.operands[0].tree[1] = any(0);
        no(me, a.data(), badProof);
        a = proving();
        a.job = new Job[](0);
        no(me, a.data(), with(COUNT, 1, 0));
        a.job = new Job[](2);
        no(me, a.data(), with(COUNT, 1, 2));
        a = proving();
        a.job[0].inputRoot = any(0);
        no(me, a.data(), with(IDisputeEvents.Disputes_WrongJob.selector, case_.jobHash));
    }

    function test_ConstantUnproven() public {
        toLanded(COPY_CONSTANT);
        Proving memory a = proving();
        a.operands[0].dtype = hex"0202"; // the same bytes as another type
        no(me, a.data(), badProof);
        a = proving();
        a.operands[0].tree = new bytes32[](0);
        no(me, a.data(), with(COUNT, 1, 0));
        a = proving();
        a.operands[0].tree[0] = any(0);
        no(me, a.data(), badProof);
        a = proving();
        a.job[0].program.constants = 3;
        no(me, a.data(), with(IDisputeEvents.Disputes_WrongJob.selector, case_.jobHash));
    }

    function test_OutputOperandUnproven() public {
        toLanded(OUTPUT_OF_OUTPUT);
        Proving memory a = proving();
        a.operands[0].roots[0] = any(0);
        no(me, a.data(), badProof);
        a = proving();
        a.operands[0].roots[1] = any(0); // not what the item root is of
        no(me, a.data(), badProof);
        a = proving();
        a.operands[0].roots = new bytes32[](0);
        no(me, a.data(), badProof);
    }

    function test_FromAnotherSite() public {
        toLanded(COPY);
        Proving memory a = proving();
        a.header = headerOf(COPY_INPUT);
        no(me, a.data(), with(IDisputeEvents.Disputes_WrongPlace.selector, here.site));
        a = proving();
        a.facts ^= 1; // landed in another block
        no(me, a.data(), with(IDisputeEvents.Disputes_WrongPlace.selector, here.site));
        a = proving();
        a.position.left = any(0);
        no(me, a.data(), with(IDisputeEvents.Disputes_OtherPosition.selector, game));
    }

    function test_BeforeLanding() public {
        toNode(COPY);
        facts = factsOf(COPY, block.number);
        Proving memory a = proving();
        no(me, a.data(), with(IDisputeEvents.Disputes_WrongPlace.selector, bytes32(0)));
    }

    /// The convicting game must be a block old: who saw the final proof in the mempool cannot open a game for it.
    function test_InTheBlockOfTheOpening() public {
        toLanded(OUTPUT);
        address copier = address(0xC09);
        vm.deal(copier, 10 ether);
        openAs(OUTPUT, copier, SALT);
        vm.roll(block.number - 1);
        here.operator = address(0);
        landOnOutput();
        vm.roll(block.number - 1);
        no(copier, proving().data(), with(IDisputeEvents.Disputes_TooYoung.selector, game));
        skip(1);
        does(copier, proving().data());
    }

    function test_Twice() public {
        toLanded(COPY);
        bytes32 first = seal;
        bytes memory data = proving().data();
        openAs(OUTPUT, STRANGER, SALT);
        here.operator = operator;
        does(CHALLENGER, data);
        skip(1);
        no(CHALLENGER, data, _wrongPhase(gameId(case_, CHALLENGER, first)));
        here.operator = address(0);
        landOnOutput();
        no(STRANGER, proving().data(), with(IDisputeEvents.Disputes_Convicted.selector, _lease()));
    }

    function _lease() private view returns (bytes32) {
        return bytes32(abi.encode(case_.leaseId));
    }

    function _wrongPhase(bytes32 which) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IDisputeEvents.Disputes_WrongPhase.selector, which, Phase.Won);
    }

    // ----------------------------------------------------------------------------------------------- chains

    function test_AChainNeedsItsRunningValues() public {
        toLeaves(PRODUCT);
        Proving memory a = proving();
        no(me, a.data(), with(IDisputeEvents.Disputes_NeedsRunning.selector, 16));
    }

    // ---------------------------------------------------------------------------------------------- outside

    function test_OutsideARow() public {
        toLanded(RAGGED);
        does(me, provingOutside(4, 121).data());
        skip(1);
        _convicted();
    }

    function test_OutsideAllRows() public {
        toLanded(RAGGED);
        does(me, provingOutside(11, 127).data());
        skip(1);
        _convicted();
    }

    function test_OutsideAmiss() public {
        toLanded(RAGGED);
        no(me, provingOutside(4, 120).data(), with(IDisputeEvents.Disputes_StepIsTrue.selector, uint256(0)));
        no(me, provingOutside(4, 119).data(), with(NO_ELEMENT, 4)); // inside
        ProvingOutside memory a = provingOutside(4, 121);
        a.offset = 128;
        no(me, a.data(), with(NO_ELEMENT, 4));
        a.offset = type(uint256).max;
        no(me, a.data(), with(NO_ELEMENT, 4));
        a = provingOutside(4, 121);
        a.index = 20; // beyond the tree, with the same siblings
        no(me, a.data(), with(NO_ELEMENT, 20));
        a = provingOutside(4, 121);
        a.leaf[122] = 0x01;
        no(me, a.data(), badProof);
        a = provingOutside(4, 121);
        a.siblings = new bytes32[](3);
        no(me, a.data(), with(COUNT, 4, 3));
        a = provingOutside(4, 121);
        a.headerHash = any(0);
        no(me, a.data(), with(IDisputeEvents.Disputes_WrongPlace.selector, here.site));
    }
}
