// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DeliveryBase} from "../base/DeliveryBase.sol";
import {TestTree} from "../base/TestTree.sol";
import {vm} from "../base/Vm.sol";
import {IDelivery} from "../../src/interfaces/IDelivery.sol";
import {IDeliveryEvents} from "../../src/interfaces/IDeliveryEvents.sol";
import {IDisputeEvents} from "../../src/interfaces/IDisputeEvents.sol";
import {IEscrowCore} from "../../src/interfaces/IEscrowCore.sol";
import {Demand, Kind, OutputProof, Queue, Status, Wanted} from "../../src/types/DeliveryTypes.sol";
import {Job} from "../../src/types/DisputeTypes.sol";
import {Bid, LeaseId, LeaseState} from "../../src/types/Types.sol";

/// @notice delivery.tree: demand, deliver, timeout, collect.
contract DeliveryTest is DeliveryBase {
    using TestTree for bytes32[][];

    function _status(bytes32 demand, Status want) private view {
        eq(uint8(delivery.demandOf(demand).status), uint8(want), "status");
    }

    function _freezes() private view returns (uint256) {
        return view_(bid).freezes;
    }

    // ------------------------------------------------------------------------------------------------ demand

    function test_DemandOnALeaseThatIsNotPosted() public {
        Bid memory b = tapeBid();
        b.capacityNonce = 9;
        bid = openAndStart(b);
        vm.expectRevert(
            abi.encodeWithSelector(IEscrowCore.Escrow_WrongState.selector, idOf(bid), LeaseState.Running)
        );
        this.askItems(CLIENT);
    }

    function askItems(address by) external returns (bytes32) {
        return demandItems(by);
    }

    function askRoots(address by, uint256 item) external returns (bytes32) {
        return demandRoots(by, item);
    }

    function askBelow(address by, uint256 item, uint256 level, uint256 index) external returns (bytes32) {
        return demandBelow(by, item, level, index);
    }

    function test_DemandByAnotherJob() public {
        Job memory j = job();
        j.items = 4;
        bytes32 root = itemRoot(0);
        bytes32[] memory proof = itemsTree().proof(0, 0);
        vm.deal(address(this), 1 ether);
        vm.expectPartialRevert(IDeliveryEvents.Delivery_WrongJob.selector);
        delivery.demandRoots{value: 1 ether}(bid, j, none, 0, root, proof);
    }

    function test_DemandAfterTheWindow() public {
        skip(50);
        demandRoots(STRANGER, 0); // at the last reading
        skip(1);
        vm.expectPartialRevert(IEscrowCore.Escrow_TooLate.selector);
        this.askRoots(CLIENT, 1);
    }

    function test_DemandOnAPrivateLease() public {
        Bid memory b = tapeBid();
        (b.capacityNonce, b.flags) = (9, 1);
        bid = posted(b);
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_Private.selector, STRANGER));
        this.askRoots(STRANGER, 0);
        vm.deal(DELEGATE, 1 ether);
        _status(demandRoots(DELEGATE, 0), Status.Asked);
        _status(demandRoots(CLIENT, 1), Status.Asked);
    }

    function test_DemandOfAPlaceThatIsNotProven() public {
        uint256 bond = delivery.bondOf(4096);
        bytes32[][] memory tree = tensor(0, 0);
        bytes32[] memory proof = tree.proof(5, 1);
        bytes32 node = tree[5][1];
        OutputProof memory o = outputProof(0, 0);
        vm.startPrank(CLIENT);
        vm.expectRevert(IDeliveryEvents.Delivery_BadProof.selector);
        delivery.demandOutput{value: bond}(bid, job(), none, o, node, 0, proof);
        vm.expectRevert(IDeliveryEvents.Delivery_BadProof.selector); // the same place by another name
        delivery.demandOutput{value: bond}(bid, job(), none, o, node, 1 + 4, proof);
        o.header = SMALL;
        vm.expectRevert(IDeliveryEvents.Delivery_BadProof.selector);
        delivery.demandOutput{value: bond}(bid, job(), none, o, node, 1, proof);
        o = outputProof(0, 0);
        o.roots[1] = "another";
        vm.expectRevert(IDeliveryEvents.Delivery_BadProof.selector);
        delivery.demandOutput{value: bond}(bid, job(), none, o, node, 1, proof);
        o = outputProof(0, 0);
        o.output = 2;
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_NoOutput.selector, 2, 2));
        delivery.demandOutput{value: bond}(bid, job(), none, o, node, 1, proof);
        o = outputProof(0, 0);
        o.item = 3;
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_NoItem.selector, 3, 3));
        delivery.demandOutput{value: bond}(bid, job(), none, o, node, 1, proof);
        o = outputProof(0, 0);
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_Count.selector, 7, 8));
        delivery.demandOutput{value: bond}(bid, job(), none, o, node, 1, new bytes32[](8));
        vm.stopPrank();
    }

    function test_DemandOutsideTheShape() public {
        bytes32[][] memory tree = tensor(0, 0); // 100 of 128 leaves
        (bytes32 node, bytes32[] memory proof) = (tree[2][25], tree.proof(2, 25));
        OutputProof memory o = outputProof(0, 0);
        uint256 bond = delivery.bondOf(512);
        vm.startPrank(CLIENT);
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_NoLeaf.selector, 100, 100));
        delivery.demandOutput{value: bond}(bid, job(), none, o, node, 25, proof);
        tree = itemsTree(); // three of four items
        (node, proof) = (tree[1][1], tree.proof(1, 1));
        delivery.demandItems{value: bond}(bid, job(), none, node, 1, proof);
        (node, proof) = (tree[0][3], tree.proof(0, 3));
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_NoItem.selector, 3, 3));
        delivery.demandRoots{value: bond}(bid, job(), none, 3, node, proof);
        // An item's root has no descendants in the items' tree.
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_Count.selector, 2, 2));
        delivery.demandItems{value: bond}(bid, job(), none, tree[0][2], 2, tree.proof(0, 2));
        vm.stopPrank();
    }

    function test_DemandWithTooLowABond() public {
        uint256 bond = delivery.bondOf(64);
        (bytes32 root, bytes32[] memory proof) = (itemRoot(0), itemsTree().proof(0, 0));
        vm.prank(CLIENT);
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_BondTooLow.selector, bond, bond - 1));
        delivery.demandRoots{value: bond - 1}(bid, job(), none, 0, root, proof);
        eq(bond, 4 * BASE_FEE * delivery.answerGas(64), "four times the answer's gas");
    }

    function test_DemandHoldsTheLeaseAndQueues() public {
        uint256 now_ = vm.getBlockNumber();
        eq(delivery.demandOf(demandItems(STRANGER)).until, now_ + CLOCK, "the stranger's first");
        eq(delivery.demandOf(demandRoots(STRANGER, 0)).until, now_ + 2 * CLOCK, "the stranger's second");
        eq(delivery.demandOf(demandRoots(CLIENT, 1)).until, now_ + CLOCK, "the client's first");
        vm.deal(DELEGATE, 1 ether);
        eq(delivery.demandOf(demandRoots(DELEGATE, 2)).until, now_ + 2 * CLOCK, "the delegate's");
        eq(_freezes(), 4, "holds");
        Queue memory q = delivery.queueOf(idOf(bid));
        eq(q.asked, 2, "asked");
        eq(q.requested, 2, "requested");
        eq(address(delivery).balance, 3 * delivery.bondOf(64) + delivery.bondOf(128), "bonds");
    }

    function test_DemandsFitWhatIsBelow() public {
        _isOpen(demandItems(CLIENT), wantedItems());
        _isOpen(demandRoots(CLIENT, 1), wantedRoots(1));
        _isOpen(demandBelow(CLIENT, 1, 7, 0), Wanted(Kind.Nodes, rootsOf(1)[0], 128));
        _isOpen(demandBelow(CLIENT, 1, 6, 1), Wanted(Kind.Nodes, tensor(1, 0)[6][1], 64));
        _isOpen(demandBelow(CLIENT, 1, 5, 3), Wanted(Kind.Leaves, tensor(1, 0)[5][3], 4096));
        _isOpen(demandBelow(CLIENT, 1, 0, 99), Wanted(Kind.Leaves, tensor(1, 0)[0][99], 128));
    }

    function _isOpen(bytes32 demand, Wanted memory wanted) private view {
        eq(demand, id(wanted), "id");
        _status(demand, Status.Asked);
    }

    // ----------------------------------------------------------------------------------------------- deliver

    function test_DeliverByAnother() public {
        demandRoots(CLIENT, 0);
        bytes memory data = abi.encodePacked(rootsOf(0));
        vm.prank(STRANGER, STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_NotProvider.selector, STRANGER));
        delivery.deliver(bid, Kind.Roots, data);
        vm.prank(operator, STRANGER); // through a contract
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_NotPlain.selector, operator));
        delivery.deliver(bid, Kind.Roots, data);
    }

    function test_DeliverOtherBytes() public {
        demandRoots(CLIENT, 0);
        vm.expectPartialRevert(IDeliveryEvents.Delivery_NotOpen.selector);
        this.give(Kind.Roots, abi.encodePacked(rootsOf(1)));
        vm.expectPartialRevert(IDeliveryEvents.Delivery_NotOpen.selector);
        this.give(Kind.Nodes, abi.encodePacked(rootsOf(0)));
        vm.expectPartialRevert(IDeliveryEvents.Delivery_NotOpen.selector);
        this.give(Kind.Roots, abi.encodePacked(rootsOf(0), bytes1(0))); // hashes to the node, but says more
        vm.expectPartialRevert(IDeliveryEvents.Delivery_NotOpen.selector);
        this.give(Kind.Roots, "");
    }

    function give(Kind kind, bytes memory data) external {
        deliver(kind, data);
    }

    function test_DeliverAfterTheClock() public {
        bytes32 demand = demandRoots(CLIENT, 0);
        skip(CLOCK + 1);
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_OutOfTime.selector, demand));
        this.give(Kind.Roots, abi.encodePacked(rootsOf(0)));
    }

    function test_DeliverAnswersEveryKind() public {
        bytes32[4] memory demands = [
            demandItems(CLIENT), demandRoots(STRANGER, 2), demandBelow(CLIENT, 2, 7, 0), demandBelow(STRANGER, 2, 5, 3)
        ];
        deliverItems();
        deliverRoots(2);
        deliver(Kind.Nodes, tensor(2, 0).below(7, 0, 2));
        deliver(Kind.Leaves, leavesBelow(2, 5, 3)); // four leaves of the shape, the rest zero
        for (uint256 i; i < 4; ++i) {
            _status(demands[i], Status.Answered);
        }
        Queue memory q = delivery.queueOf(idOf(bid));
        eq(q.asked + q.requested + _freezes(), 0, "nothing is open");
    }

    function test_DeliverIsRepaidAndTheRestWaits() public {
        uint256 bond = delivery.bondOf(64);
        bytes32 demand = demandRoots(CLIENT, 0);
        uint256 before = operator.balance;
        deliverRoots(0);
        uint256 repaid = operator.balance - before;
        eq(repaid, delivery.answerGas(64) * (BASE_FEE + TIP), "repaid");
        eq(delivery.demandOf(demand).bond, (bond - repaid) / 1 gwei, "rest");
        eq(collect(CLIENT, wantedRoots(0)), bond - repaid, "collected");
        eq(address(delivery).balance, 0, "nothing is left");
    }

    function testFuzz_DeliverAnyNode(uint256 item, uint256 level, uint256 index) public {
        (item, level) = (bound(item, 0, 2), bound(level, 0, 7));
        index = bound(index, 0, (LEAVES - 1) >> level);
        bytes32 demand = demandBelow(STRANGER, item, level, index);
        if (level > 5) deliver(Kind.Nodes, tensor(item, 0).below(level, index, level - 5));
        else deliver(Kind.Leaves, leavesBelow(item, level, index));
        _status(demand, Status.Answered);
    }

    function testFuzz_OneOtherBitIsNoAnswer(uint256 bit) public {
        demandBelow(CLIENT, 0, 5, 0);
        bytes memory data = leavesBelow(0, 5, 0);
        bit %= 8 * 4096;
        data[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        vm.expectPartialRevert(IDeliveryEvents.Delivery_NotOpen.selector);
        this.give(Kind.Leaves, data);
    }

    // ----------------------------------------------------------------------------------------------- timeout

    function test_TimeoutOfWhatIsNotOpen() public {
        demandRoots(CLIENT, 0);
        deliverRoots(0);
        skip(CLOCK + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IDeliveryEvents.Delivery_NotOpen.selector, id(wantedRoots(0)), Status.Answered)
        );
        delivery.timeout(bid, wantedRoots(0));
        vm.expectRevert(
            abi.encodeWithSelector(IDeliveryEvents.Delivery_NotOpen.selector, id(wantedRoots(1)), Status.None)
        );
        delivery.timeout(bid, wantedRoots(1));
    }

    function test_TimeoutBeforeTheClockEnds() public {
        bytes32 demand = demandRoots(CLIENT, 0);
        skip(CLOCK);
        uint256 until = vm.getBlockNumber();
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_InTime.selector, demand, until));
        delivery.timeout(bid, wantedRoots(0));
    }

    function test_TimeoutOfASentencedLease() public {
        challenge(STRANGER, 0);
        demandRoots(CLIENT, 0);
        skip(50);
        disputes.timeout(bid, case_(0), STRANGER, "seal");
        vm.expectRevert(abi.encodeWithSelector(IDisputeEvents.Disputes_Convicted.selector, idOf(bid)));
        delivery.timeout(bid, wantedRoots(0));
        eq(collect(CLIENT, wantedRoots(0)), delivery.bondOf(64), "the bond");
        settle();
        inState(bid, LeaseState.Convicted);
    }

    function test_TimeoutSentencesOnceForDemandsAndGames() public {
        challenge(STRANGER, 0);
        uint256 gameBond = address(disputes).balance;
        demandRoots(CLIENT, 0);
        demandRoots(STRANGER, 1);
        skip(CLOCK + 1);
        vm.prank(address(0xABCD)); // anyone
        delivery.timeout(bid, wantedRoots(0));
        claimSilence(STRANGER, 0);
        skip(CLOCK);
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_Silent.selector, idOf(bid)));
        delivery.timeout(bid, wantedRoots(1));
        settle();
        inState(bid, LeaseState.Convicted);
        // Three claims of a quarter of the reserve are asked; half of the bond would be more.
        uint256 worth = RESERVE / 4;
        eq(disputes.verdictOf(idOf(bid)).reward, 3 * worth, "reward");
        (uint256 client, uint256 stranger) = (token.balanceOf(CLIENT), token.balanceOf(STRANGER));
        eq(collect(CLIENT, wantedRoots(0)), delivery.bondOf(64), "the client's bond");
        eq(collect(STRANGER, wantedRoots(1)), delivery.bondOf(64), "the stranger's bond");
        eq(token.balanceOf(CLIENT) - client, worth, "the client's part");
        eq(token.balanceOf(STRANGER) - stranger, worth, "the stranger's part");
        uint256 before = STRANGER.balance;
        collectGame(STRANGER, 0);
        eq(STRANGER.balance - before, gameBond, "the game's bond");
        eq(token.balanceOf(STRANGER) - stranger, 2 * worth, "the game's share");
        eq(escrow.creditsOf(0, address(disputes)), 0, "all is paid out");
        eq(address(disputes).balance + address(delivery).balance, 0, "no coin is left");
    }

    // ----------------------------------------------------------------------------------------------- collect

    function test_CollectByAnother() public {
        demandRoots(CLIENT, 0);
        deliverRoots(0);
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_NotDemander.selector, STRANGER));
        delivery.collect(bid, wantedRoots(0));
    }

    function test_CollectBeforeTheEnd() public {
        bytes32 demand = demandRoots(CLIENT, 0);
        uint256 until = delivery.demandOf(demand).until;
        vm.prank(CLIENT);
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_InTime.selector, demand, until));
        delivery.collect(bid, wantedRoots(0));
    }

    function test_CollectTwice() public {
        bytes32 demand = demandRoots(CLIENT, 0);
        deliverRoots(0);
        collect(CLIENT, wantedRoots(0));
        vm.prank(CLIENT);
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_NothingToCollect.selector, demand));
        delivery.collect(bid, wantedRoots(0));
    }

    function test_CollectAfterAnotherJudgesConviction() public {
        challenge(STRANGER, 0);
        uint256 gameBond = address(disputes).balance;
        demandRoots(CLIENT, 0);
        judge.convict(bid, 0);
        // Nobody can answer, and nobody has to.
        vm.expectPartialRevert(IEscrowCore.Escrow_WrongState.selector);
        this.give(Kind.Roots, abi.encodePacked(rootsOf(0)));
        skip(100);
        vm.expectPartialRevert(IDisputeEvents.Disputes_NotPosted.selector);
        delivery.timeout(bid, wantedRoots(0));
        eq(collect(CLIENT, wantedRoots(0)), delivery.bondOf(64), "the bond");
        vm.prank(CLIENT);
        vm.expectPartialRevert(IDeliveryEvents.Delivery_NothingToCollect.selector);
        delivery.collect(bid, wantedRoots(0));
        // Nor does a game's bond stay behind.
        uint256 before = STRANGER.balance;
        collectGame(STRANGER, 0);
        eq(STRANGER.balance - before, gameBond, "the game's bond");
    }

    function test_CollectBondAtOnceAndRewardOnceSettled() public {
        demandRoots(CLIENT, 0);
        skip(CLOCK + 1);
        delivery.timeout(bid, wantedRoots(0));
        eq(collect(CLIENT, wantedRoots(0)), delivery.bondOf(64), "the bond");
        vm.prank(CLIENT);
        vm.expectPartialRevert(IDeliveryEvents.Delivery_NothingToCollect.selector);
        delivery.collect(bid, wantedRoots(0));
        settle();
        uint256 before = token.balanceOf(CLIENT);
        eq(collect(CLIENT, wantedRoots(0)), 0, "no coin twice");
        eq(token.balanceOf(CLIENT) - before, RESERVE / 4, "its part");
        vm.prank(CLIENT);
        vm.expectPartialRevert(IDeliveryEvents.Delivery_NothingToCollect.selector);
        delivery.collect(bid, wantedRoots(0));
    }

    // ----------------------------------------------------------------------------------- what Disputes is told

    function test_OnlyAJudgeOfTheKindSentences() public {
        vm.expectRevert(abi.encodeWithSelector(IDisputeEvents.Disputes_NotJudge.selector, address(this)));
        disputes.silence(bid, 1, 1);
        demandRoots(CLIENT, 0);
        vm.prank(address(judge));
        disputes.silence(bid, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputeEvents.Disputes_NotJudge.selector, address(this)));
        disputes.takePart(bid, address(this));
        vm.expectRevert(abi.encodeWithSelector(IDisputeEvents.Disputes_NotConvicted.selector, idOf(bid)));
        vm.prank(address(judge));
        disputes.takePart(bid, address(this));
        settle();
        vm.prank(address(judge));
        disputes.takePart(bid, STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IDisputeEvents.Disputes_NotConvicted.selector, idOf(bid)));
        vm.prank(address(judge));
        disputes.takePart(bid, STRANGER);
        // Its demands find a sentence that is not theirs: bonds come back.
        eq(collect(CLIENT, wantedRoots(0)), delivery.bondOf(64), "the bond");
    }
}
