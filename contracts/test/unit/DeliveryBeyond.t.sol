// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DeliveryBase} from "../base/DeliveryBase.sol";
import {TestTree} from "../base/TestTree.sol";
import {vm} from "../base/Vm.sol";
import {IDeliveryEvents} from "../../src/interfaces/IDeliveryEvents.sol";
import {IEscrowCore} from "../../src/interfaces/IEscrowCore.sol";
import {Demand, Kind, Status, Wanted} from "../../src/types/DeliveryTypes.sol";
import {Conviction, Job} from "../../src/types/DisputeTypes.sol";
import {Bid, LeaseState} from "../../src/types/Types.sol";

/// @notice delivery.tree: nodes beyond the items. INVARIANT: such a node is zero, or the lease is convicted; an honest tree
/// has no other.
contract DeliveryBeyondTest is DeliveryBase {
    using TestTree for bytes32[][];

    address private constant OTHER = address(0x0777);
    uint32 private _items = 5;
    bytes32[][] private _tree;

    function setUp() public override {
        super.setUp();
        vm.deal(OTHER, 1000 ether);
    }

    function _job() private view returns (Job memory j) {
        j = job();
        j.items = _items;
    }

    /// @dev Roots of items, and behind them zeros or what is told.
    function _post(uint256 items, uint256 place, bytes32 garbage) private {
        _items = uint32(items);
        uint256 width = 1;
        while (width < items) width *= 2;
        bytes32[] memory leaves = new bytes32[](width);
        for (uint256 i; i < items; ++i) {
            leaves[i] = keccak256(abi.encode("item", i));
        }
        if (garbage != 0) leaves[place] = garbage;
        _tree = TestTree.build(leaves, 0);
        Bid memory b = tapeBid();
        (b.jobHash, b.capacityNonce) = (hashOf(_job()), 9);
        bid = openAndStart(b);
        skip(5);
        post(bid, _tree.root());
    }

    function ask(address by, uint256 level, uint256 index) public returns (bytes32) {
        uint256 bond = delivery.bondOf(1024);
        (bytes32 node, bytes32[] memory proof) = (_tree[level][index], _tree.proof(level, index));
        Job memory j = _job();
        vm.prank(by);
        return delivery.demandItems{value: bond}(bid, j, none, node, index, proof);
    }

    function _wanted(uint256 level, uint256 index) private view returns (Wanted memory) {
        return Wanted(Kind.Items, _tree[level][index], 0);
    }

    /// @dev Rule 18: one word behind the last item, and whoever proves any node over it has convicted the lease.
    /// forge-config: default.fuzz.runs = 64
    function testFuzz_Rule18GarbageBeyondTheItemsConvicts(uint256 items, uint256 place, uint256 level, bytes32 garbage)
        public
    {
        items = bound(items, 3, 40);
        if (items & items - 1 == 0) ++items; // a full tree has no room behind the last
        uint256 width = 4;
        while (width < items) width *= 2;
        place = bound(place, items, width - 1);
        if (garbage == 0) garbage = "garbage";
        _post(items, place, garbage);
        level = bound(level, 0, _tree.length - 1);
        while ((place >> level) << level < items) --level;
        bytes32 demand = ask(STRANGER, level, place >> level);
        eq(uint8(delivery.demandOf(demand).status), uint8(Status.Unanswered), "unanswered");
        eq(uint8(disputes.verdictOf(idOf(bid)).how), uint8(Conviction.Silent), "silence");
        settle();
        inState(bid, LeaseState.Convicted);
    }

    /// @dev Rule 18: of no count of items, at no place.
    /// forge-config: default.fuzz.runs = 128
    function testFuzz_Rule18AnHonestTreeIsNeverHit(uint256 items, uint256 level, uint256 index) public {
        items = bound(items, 1, 70);
        _post(items, 0, 0);
        level = bound(level, 0, _tree.length - 1);
        index = bound(index, 0, _tree[level].length - 1);
        if (index << level >= items) {
            vm.expectRevert(
                abi.encodeWithSelector(IDeliveryEvents.Delivery_NoItem.selector, index << level, items)
            );
            this.ask(STRANGER, level, index);
        }
        eq(uint8(disputes.verdictOf(idOf(bid)).how), uint8(Conviction.None), "no verdict");
    }

    function test_AJobOfOneItemHasNothingBeyond() public {
        _post(1, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_Count.selector, 0, 0));
        this.ask(CLIENT, 0, 0);
    }

    /// @dev Rule 18: only what the tree shows, at a place that has one name.
    function test_Rule18GarbageThatIsNotInTheTree() public {
        _post(5, 0, 0);
        uint256 bond = delivery.bondOf(0);
        Job memory j = _job();
        bytes32[] memory proof = _tree.proof(0, 6);
        vm.startPrank(STRANGER);
        vm.expectRevert(IDeliveryEvents.Delivery_BadProof.selector);
        delivery.demandItems{value: bond}(bid, j, none, "garbage", 6, proof);
        vm.expectRevert(IDeliveryEvents.Delivery_BadProof.selector); // item 2 by a number beyond
        delivery.demandItems{value: bond}(bid, j, none, _tree[0][2], 2 + 8, _tree.proof(0, 2));
        bytes32[] memory longer = new bytes32[](4);
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_Count.selector, 3, 4));
        delivery.demandItems{value: bond}(bid, j, none, _tree[0][6], 6, longer);
        vm.stopPrank();
    }

    /// @dev Rule 16: a provider that fills the strangers' places keeps nobody from showing it; all open demands have their part.
    function test_Rule16FullPlacesHideNoGarbage() public {
        _post(5, 6, "garbage");
        for (uint256 i; i < 5; ++i) {
            _askRoots(OTHER, i);
        }
        ask(OTHER, 3, 0);
        ask(OTHER, 2, 0);
        ask(OTHER, 1, 0);
        bytes32 demand = ask(STRANGER, 1, 3);
        eq(delivery.queueOf(idOf(bid)).silent, 8 + 1, "parts");
        eq(uint8(delivery.demandOf(demand).status), uint8(Status.Unanswered), "unanswered");
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_Silent.selector, idOf(bid)));
        this.ask(CLIENT, 0, 6);
        settle();
        Demand memory d = delivery.demandOf(demand);
        uint256 before = token.balanceOf(STRANGER);
        eq(collect(STRANGER, _wanted(1, 3)), uint256(d.bond) * 1 gwei, "the bond");
        yes(token.balanceOf(STRANGER) > before, "and a part of the reward");
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_NothingToCollect.selector, demand));
        this.collectAgain(STRANGER);
    }

    function collectAgain(address by) external {
        collect(by, _wanted(1, 3));
    }

    function _askRoots(address by, uint256 item) private {
        uint256 bond = delivery.bondOf(64);
        Job memory j = _job();
        bytes32[] memory proof = _tree.proof(0, item);
        bytes32 root = _tree[0][item];
        vm.prank(by);
        delivery.demandRoots{value: bond}(bid, j, none, item, root, proof);
    }

    /// @dev The node beyond may be a copy of one that was demanded and answered: its demand has another name.
    function test_ACopyOfWhatWasAnsweredIsExposedToo() public {
        _post(5, 5, 0);
        bytes32[] memory leaves = new bytes32[](8);
        for (uint256 i; i < 8; ++i) {
            leaves[i] = _tree[0][i < 5 ? i : i - 4]; // beyond the five: copies of items 1 to 3
        }
        leaves[6] = leaves[0];
        leaves[7] = leaves[1];
        _tree = TestTree.build(leaves, 0);
        Bid memory b = tapeBid();
        (b.jobHash, b.capacityNonce) = (hashOf(_job()), 10);
        bid = openAndStart(b);
        skip(5);
        post(bid, _tree.root());
        eq(_tree[1][3], _tree[1][0], "a copy");
        ask(CLIENT, 1, 0);
        deliver(Kind.Items, abi.encodePacked(leaves[0], leaves[1]));
        ask(STRANGER, 1, 3);
        eq(uint8(disputes.verdictOf(idOf(bid)).how), uint8(Conviction.Silent), "silence");
    }

    function test_NotAfterTheWindow() public {
        _post(5, 6, "garbage");
        skip(51);
        vm.expectPartialRevert(IEscrowCore.Escrow_TooLate.selector);
        this.ask(STRANGER, 1, 3);
    }
}
