// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DeliveryBase} from "../base/DeliveryBase.sol";
import {TestTree} from "../base/TestTree.sol";
import {vm} from "../base/Vm.sol";
import {IDeliveryEvents} from "../../src/interfaces/IDeliveryEvents.sol";
import {DemandLib} from "../../src/libraries/DemandLib.sol";
import {Kind, OutputProof} from "../../src/types/DeliveryTypes.sol";
import {Job} from "../../src/types/DisputeTypes.sol";
import {Bid} from "../../src/types/Types.sol";

/// @notice Demands to which an honest provider has no answer, each refused by a guard of its own: without it the provider
/// would be convicted of silence.
contract DeliveryGuardsTest is DeliveryBase {
    using TestTree for bytes32[][];

    bytes4 private constant BAD_PROOF = IDeliveryEvents.Delivery_BadProof.selector;
    bytes4 private constant COUNT = IDeliveryEvents.Delivery_Count.selector;

    function _posted(Job memory j, bytes32 root) private returns (bytes32[6] memory other) {
        Bid memory b = tapeBid();
        (b.jobHash, b.capacityNonce) = (hashOf(j), 9);
        other = openAndStart(b);
        skip(5);
        post(other, root);
    }

    function test_ItemsThatAreNotUnderTheResult() public {
        bytes32[][] memory tree = itemsTree();
        bytes32[] memory proof = tree.proof(1, 0);
        uint256 bond = delivery.bondOf(64);
        vm.startPrank(CLIENT);
        vm.expectRevert(BAD_PROOF);
        delivery.demandItems{value: bond}(bid, job(), none, "another node", 0, proof);
        vm.expectRevert(BAD_PROOF);
        delivery.demandItems{value: bond}(bid, job(), none, tree[1][1], 0, proof);
        proof[0] = "another sibling";
        vm.expectRevert(BAD_PROOF);
        delivery.demandItems{value: bond}(bid, job(), none, tree[1][0], 0, proof);
        bond = delivery.bondOf(128);
        vm.expectRevert(BAD_PROOF);
        delivery.demandItems{value: bond}(bid, job(), none, "another root", 0, none_());
        vm.stopPrank();
    }

    function test_ItemsBeyondTheCount() public {
        Job memory j = job();
        j.items = 5;
        bytes32[] memory leaves = new bytes32[](5);
        for (uint256 i; i < 5; ++i) {
            leaves[i] = itemRoot(i);
        }
        bytes32[][] memory tree = TestTree.build(leaves, 0);
        bytes32[6] memory other = _posted(j, tree.root());
        bytes32[] memory proof = tree.proof(1, 3);
        uint256 bond = delivery.bondOf(64);
        vm.prank(CLIENT);
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_NoItem.selector, 6, 5));
        delivery.demandItems{value: bond}(other, j, none, tree[1][3], 3, proof);
    }

    /// What stands above the items is no item: nobody has roots that hash to it.
    function test_RootsOfWhatIsNoItem() public {
        bytes32[][] memory tree = itemsTree();
        bytes32[] memory proof = tree.proof(1, 0);
        uint256 bond = delivery.bondOf(64);
        vm.startPrank(CLIENT);
        vm.expectRevert(abi.encodeWithSelector(COUNT, 2, 1));
        delivery.demandRoots{value: bond}(bid, job(), none, 0, tree[1][0], proof);
        vm.expectRevert(abi.encodeWithSelector(COUNT, 2, 0));
        delivery.demandRoots{value: bond}(bid, job(), none, 0, tree.root(), none_());
        vm.stopPrank();
    }

    function test_AHeaderProofOfAnotherLength() public {
        bytes32[][] memory tree = tensor(0, 0);
        OutputProof memory o = outputProof(0, 0);
        o.headerProof = new bytes32[](1);
        uint256 bond = delivery.bondOf(4096);
        bytes32[] memory proof = tree.proof(5, 0);
        vm.prank(CLIENT);
        vm.expectRevert(abi.encodeWithSelector(COUNT, 2, 1));
        delivery.demandOutput{value: bond}(bid, job(), none, o, tree[5][0], 0, proof);
    }

    /// A cheat's item may have more roots than the job has outputs; none of them is an output.
    function test_AnItemOfMoreOutputs() public {
        bytes32[] memory roots = new bytes32[](3);
        (roots[0], roots[1], roots[2]) = (rootsOf(0)[0], rootsOf(0)[1], "a third");
        bytes32[] memory leaves = new bytes32[](ITEMS);
        leaves[0] = keccak256(abi.encodePacked(keccak256("gavel.tape.item.v1"), roots));
        bytes32[][] memory items = TestTree.build(leaves, 0);
        bytes32[6] memory other = _posted(job(), items.root());
        OutputProof memory o = outputProof(0, 0);
        (o.roots, o.itemProof) = (roots, items.proof(0, 0));
        bytes32[][] memory tree = tensor(0, 0);
        bytes32[] memory proof = tree.proof(5, 0);
        uint256 bond = delivery.bondOf(4096);
        vm.prank(CLIENT);
        vm.expectRevert(abi.encodeWithSelector(COUNT, 2, 3));
        delivery.demandOutput{value: bond}(other, job(), none, o, tree[5][0], 0, proof);
    }

    /// One silence ends the lease: from then on nothing is answered and repaid, and nothing is demanded.
    function test_DeliverAfterTheSilence() public {
        demandRoots(CLIENT, 0);
        demandRoots(CLIENT, 1); // the second has two clocks
        skip(CLOCK + 1);
        delivery.timeout(bid, wantedRoots(0));
        bytes memory data = abi.encodePacked(rootsOf(1));
        bytes memory silent = abi.encodeWithSelector(IDeliveryEvents.Delivery_Silent.selector, idOf(bid));
        vm.prank(operator, operator);
        vm.expectRevert(silent);
        delivery.deliver(bid, Kind.Roots, data);
        uint256 bond = delivery.bondOf(64);
        (bytes32 root, bytes32[] memory proof) = (itemRoot(2), itemsTree().proof(0, 2));
        vm.prank(STRANGER);
        vm.expectRevert(silent);
        delivery.demandRoots{value: bond}(bid, job(), none, 2, root, proof);
    }

    /// A bond that does not fit in its field would be cut.
    function test_ABondTooHigh() public {
        uint256 most = DemandLib.MOST_BOND * 1 gwei;
        vm.deal(CLIENT, most + 1 gwei);
        bytes32[] memory proof = itemsTree().proof(0, 0);
        vm.prank(CLIENT);
        vm.expectRevert(
            abi.encodeWithSelector(IDeliveryEvents.Delivery_BondTooHigh.selector, most, most + 1 gwei)
        );
        delivery.demandRoots{value: most + 1 gwei}(bid, job(), none, 0, itemRoot(0), proof);
    }

    /// What a demand keeps is gwei: a rest would be nobody's.
    function test_ABondThatIsNotWhole() public {
        uint256 bond = delivery.bondOf(64);
        bytes32[] memory proof = itemsTree().proof(0, 0);
        vm.startPrank(CLIENT);
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_BondNotWhole.selector, bond + 1));
        delivery.demandRoots{value: bond + 1}(bid, job(), none, 0, itemRoot(0), proof);
        delivery.demandRoots{value: bond + 1 gwei}(bid, job(), none, 0, itemRoot(0), proof);
        vm.stopPrank();
        eq(uint256(delivery.demandOf(id(wantedRoots(0))).bond) * 1 gwei, bond + 1 gwei, "all of it");
        eq(address(delivery).balance, bond + 1 gwei, "and no more");
    }

    function testFuzz_ABondIsAskedForInWholeGwei(uint64 baseFee, uint16 size) public {
        vm.fee(bound(baseFee, 0, 1e12));
        uint256 least = 4 * delivery.answerGas(size) * block.basefee;
        uint256 asked = delivery.bondOf(size);
        yes(asked >= least && asked - least < 1 gwei && asked % 1 gwei == 0, "rounded up to gwei");
    }

    function none_() private pure returns (bytes32[] memory) {
        return new bytes32[](0);
    }
}
