// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DeliveryBase} from "../base/DeliveryBase.sol";
import {TestTree} from "../base/TestTree.sol";
import {vm} from "../base/Vm.sol";
import {IDeliveryEvents} from "../../src/interfaces/IDeliveryEvents.sol";
import {Demand, Kind, Queue, Status} from "../../src/types/DeliveryTypes.sol";
import {Bid, LeaseState} from "../../src/types/Types.sol";

/// @notice delivery.tree: what a stranger demanded first. INVARIANT: a party never waits longer than its own queue says.
contract DeliveryHastenTest is DeliveryBase {
    using TestTree for bytes32[][];

    address private constant OTHER = address(0x0777);
    mapping(uint256 leaf => bytes32) private _ids;

    function setUp() public override {
        super.setUp();
        vm.deal(OTHER, 1000 ether);
        vm.deal(DELEGATE, 1000 ether);
    }

    function askItems(address by) external {
        demandItems(by);
    }

    function askRoots(address by, uint256 item) external {
        demandRoots(by, item);
    }

    function askBelow(address by, uint256 item, uint256 level, uint256 index) external {
        demandBelow(by, item, level, index);
    }

    function _queue() private view returns (Queue memory) {
        return delivery.queueOf(idOf(bid));
    }

    /// @dev Seven leaves of item 0, and in the eighth place what is told.
    function _fill(uint256 from) private {
        for (uint256 i; i < 7; ++i) {
            demandBelow(OTHER, 0, 0, from + i);
        }
    }

    function test_APartyMovesItToItsOwnQueue() public {
        _fill(0);
        bytes32 demand = demandRoots(OTHER, 2);
        uint256 now_ = vm.getBlockNumber();
        eq(delivery.demandOf(demand).until, now_ + 8 * CLOCK, "eight clocks");
        uint256 before = CLIENT.balance;
        uint256 holds = view_(bid).freezes;
        vm.expectEmit();
        emit IDeliveryEvents.Hastened(demand, idOf(bid), CLIENT, now_ + CLOCK);
        eq(demandRoots(CLIENT, 2), demand, "the same demand");
        Demand memory d = delivery.demandOf(demand);
        eq(uint8(d.status), uint8(Status.Asked), "asked");
        eq(d.until, now_ + CLOCK, "the client's first clock");
        eq(d.demander, OTHER, "still the stranger's");
        eq(uint256(d.bond) * 1 gwei, delivery.bondOf(64), "its bond");
        eq(CLIENT.balance, before, "the client's coin came back");
        eq(view_(bid).freezes, holds, "one hold");
        eq(_queue().asked, 1, "asked");
        eq(_queue().requested, 7, "requested");
    }

    function test_ADelegateDoesToo() public {
        _fill(0);
        bytes32 demand = demandRoots(OTHER, 2);
        demandRoots(DELEGATE, 2);
        eq(delivery.demandOf(demand).until, vm.getBlockNumber() + CLOCK, "one clock");
    }

    function test_NotIfItIsOwedSoonerAlready() public {
        demandRoots(STRANGER, 0); // one clock, as the client would have
        vm.expectPartialRevert(IDeliveryEvents.Delivery_Known.selector);
        this.askRoots(CLIENT, 0);
        demandRoots(STRANGER, 1); // two clocks; the client's second has two as well
        demandBelow(CLIENT, 0, 0, 0);
        vm.expectPartialRevert(IDeliveryEvents.Delivery_Known.selector);
        this.askRoots(CLIENT, 1);
        eq(_queue().asked, 1, "nothing moved");
        eq(_queue().requested, 2, "nothing moved");
    }

    function test_NotByAStrangerNorTwice() public {
        _fill(0);
        demandRoots(OTHER, 2);
        vm.expectPartialRevert(IDeliveryEvents.Delivery_Known.selector);
        this.askRoots(STRANGER, 2);
        demandRoots(CLIENT, 2);
        vm.expectPartialRevert(IDeliveryEvents.Delivery_Known.selector);
        this.askRoots(CLIENT, 2);
        vm.expectPartialRevert(IDeliveryEvents.Delivery_Known.selector);
        this.askRoots(DELEGATE, 2);
    }

    function test_TheAnswerAndTheRestAreTheStrangers() public {
        _fill(0);
        bytes32 demand = demandRoots(OTHER, 2);
        demandRoots(CLIENT, 2);
        uint256 before = operator.balance;
        deliverRoots(2);
        uint256 repaid = operator.balance - before;
        eq(repaid, delivery.answerGas(64) * (BASE_FEE + TIP), "repaid once");
        eq(_queue().asked, 0, "asked");
        eq(_queue().requested, 7, "requested");
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_NotDemander.selector, CLIENT));
        this.collectRoots(CLIENT, 2);
        eq(collect(OTHER, wantedRoots(2)), delivery.bondOf(64) - repaid, "the rest");
        eq(uint8(delivery.demandOf(demand).status), uint8(Status.Closed), "closed");
    }

    function collectRoots(address by, uint256 item) external {
        collect(by, wantedRoots(item));
    }

    function test_SilenceAfterTheShorterClockConvicts() public {
        _fill(0);
        demandRoots(OTHER, 2);
        demandRoots(CLIENT, 2);
        skip(CLOCK + 1);
        delivery.timeout(bid, wantedRoots(2));
        eq(_queue().silent, 8, "each has its part");
        settle();
        inState(bid, LeaseState.Convicted);
        collect(OTHER, wantedRoots(2));
        for (uint256 i; i < 7; ++i) {
            collect(OTHER, wantedBelow(0, 0, i));
        }
        eq(address(delivery).balance, 0, "nothing is left");
        eq(escrow.creditsOf(0, address(disputes)), 0, "nor of the reward, but rounding");
    }

    /// @dev Rules 14 and 16, the attack: the provider's stranger demands one level ahead, each time in the eighth place, and
    /// everything is answered as late as may be. The client still has its leaf after one clock a round, and challenges.
    function test_Rule16AStrangerThatDemandsFirstHoldsNobodyUp() public {
        Bid memory b = tapeBid();
        b.capacityNonce = 6;
        // Lease, then rounds to a leaf of 32 (items, roots, hashes, leaves), a challenge behind them.
        b.challengeWindow = 5 + 5 * (CLOCK + 1);
        bid = posted(b);
        _fill(0);
        demandItems(OTHER);
        this.askItems(CLIENT);
        skip(CLOCK);
        deliver(Kind.Leaves, leaf(0, 0, 0));
        deliverItems();
        demandBelow(OTHER, 0, 0, 7); // the places are filled again before the client sees the answer
        demandRoots(OTHER, 2);
        this.askRoots(CLIENT, 2);
        skip(CLOCK);
        deliver(Kind.Leaves, leaf(0, 0, 1));
        deliverRoots(2);
        demandBelow(OTHER, 0, 0, 8);
        demandBelow(OTHER, 2, 7, 0);
        this.askBelow(CLIENT, 2, 7, 0);
        skip(CLOCK);
        deliver(Kind.Leaves, leaf(0, 0, 2));
        deliver(Kind.Nodes, tensor(2, 0).below(7, 0, 2));
        demandBelow(OTHER, 0, 0, 9);
        demandBelow(OTHER, 2, 5, 3);
        this.askBelow(CLIENT, 2, 5, 3);
        skip(CLOCK);
        deliver(Kind.Leaves, leavesBelow(2, 5, 3));
        challenge(CLIENT, 2);
        inState(bid, LeaseState.Posted);
    }

    /// @dev Rule 16: an honest provider that answers one demand of each queue per clock, the nearest first, is never late,
    /// whatever is hastened when.
    /// forge-config: default.fuzz.runs = 4
    function testFuzz_Rule16TwoAnswersPerClockAreEnough(uint256 seed) public {
        uint256 next;
        for (uint256 round; round < 10 && view_(bid).freezes < 100; ++round) {
            for (uint256 i; i < 1 + seed % 5; ++i) {
                try this.askLeaf(OTHER, next) {
                    ++next;
                } catch {}
                seed = uint256(keccak256(abi.encode(seed)));
            }
            for (uint256 i; i < seed % 3; ++i) {
                // It may be nobody's yet, open in either queue, or answered.
                uint256 index = seed / 7 % (next + 1);
                try this.askLeaf(CLIENT, index) {
                    if (index == next) ++next;
                } catch {}
                seed = uint256(keccak256(abi.encode(seed)));
            }
            _answerNearest(Status.Asked, next);
            _answerNearest(Status.Requested, next);
            skip(CLOCK);
        }
        for (uint256 i; i < next; ++i) {
            Demand memory d = delivery.demandOf(_ids[i]);
            yes(d.status == Status.Answered || d.until >= vm.getBlockNumber(), "late");
        }
    }

    function askLeaf(address by, uint256 index) external {
        _ids[index] = demandBelow(by, 0, 0, index);
    }

    function _answerNearest(Status status, uint256 count) private {
        uint256 best = type(uint256).max;
        uint256 nearest;
        for (uint256 i; i < count; ++i) {
            Demand memory d = delivery.demandOf(_ids[i]);
            if (d.status == status && d.until < best) (best, nearest) = (d.until, i);
        }
        if (best != type(uint256).max) deliver(Kind.Leaves, leaf(0, 0, nearest));
    }
}
