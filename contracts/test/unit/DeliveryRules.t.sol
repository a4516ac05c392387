// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DeliveryBase} from "../base/DeliveryBase.sol";
import {TestTree} from "../base/TestTree.sol";
import {vm} from "../base/Vm.sol";
import {IDeliveryEvents} from "../../src/interfaces/IDeliveryEvents.sol";
import {IEscrowCore} from "../../src/interfaces/IEscrowCore.sol";
import {Kind, OutputProof, Status, Wanted} from "../../src/types/DeliveryTypes.sol";
import {Bid, LeaseState} from "../../src/types/Types.sol";

/// @notice Known attacks around delivery, each played to its end. The numbers are the rules'.
contract DeliveryRulesTest is DeliveryBase {
    using TestTree for bytes32[][];

    address private constant OTHER = address(0x0777);

    function setUp() public override {
        super.setUp();
        vm.deal(OTHER, 100 ether);
    }

    function askRoots(address by, uint256 item) external {
        demandRoots(by, item);
    }

    function askBelow(address by, uint256 item, uint256 level, uint256 index) external {
        demandBelow(by, item, level, index);
    }

    function give(Kind kind, bytes calldata data) external {
        deliver(kind, data);
    }

    /// @dev Rule 6: a provider that serves nothing is convicted, and silence costs it the whole bond.
    function test_Rule6AProviderThatServesNothing() public {
        uint256 client = credits(CLIENT);
        uint256 deposit = uint256(RATE) * 200 + FEE;
        demandItems(CLIENT);
        skip(CLOCK + 1);
        delivery.timeout(bid, wantedItems());
        vm.expectPartialRevert(IEscrowCore.Escrow_Held.selector);
        escrow.finalize(bid);
        settle();
        inState(bid, LeaseState.Convicted);
        eq(credits(CLIENT), client + deposit, "the client has all of it back");
        eq(stakeOf(OWNER).staked, 1000 ether - BOND, "the bond is gone");
        eq(collect(CLIENT, wantedItems()), delivery.bondOf(128), "the demander's bond");
    }

    /// @dev Rule 6: all but one leaf. The last 4 kB that are not served are forced out, or convict.
    function test_Rule6AProviderThatServesAllButOneLeaf() public {
        demandBelow(CLIENT, 1, 7, 0); // the client has everything else, and finds the subtree that it lacks
        deliver(Kind.Nodes, tensor(1, 0).below(7, 0, 2));
        demandBelow(CLIENT, 1, 5, 2);
        bytes memory data = leavesBelow(1, 5, 2);
        data[17 * 128] ^= 0x01;
        vm.expectPartialRevert(IDeliveryEvents.Delivery_NotOpen.selector);
        this.give(Kind.Leaves, data); // 31 right leaves are no answer
        skip(CLOCK + 1);
        delivery.timeout(bid, wantedBelow(1, 5, 2));
        settle();
        inState(bid, LeaseState.Convicted);
    }

    /// @dev Rule 11: a conviction by a game while demands are open locks nothing: each owner takes its own.
    function test_Rule11AGameConvictsWhileDemandsAreOpen() public {
        challenge(STRANGER, 0);
        demandRoots(CLIENT, 1);
        demandRoots(STRANGER, 2);
        skip(50);
        disputes.timeout(bid, case_(0), STRANGER, "seal");
        claimSilence(STRANGER, 0);
        settle();
        eq(collect(CLIENT, wantedRoots(1)), delivery.bondOf(64), "the client's");
        eq(collect(STRANGER, wantedRoots(2)), delivery.bondOf(64), "the stranger's");
        collectGame(STRANGER, 0);
        eq(address(delivery).balance + address(disputes).balance, 0, "coin");
        eq(escrow.creditsOf(0, address(disputes)), 0, "reward");
    }

    /// @dev Rule 11: nothing iterates: many demands are no more work for an answer.
    function test_Rule11ManyDemandsMakeNothingDearer() public {
        this.askRoots(CLIENT, 2);
        uint256 alone = this.gasOfAnswer(0);
        for (uint256 i; i < LEAVES; ++i) {
            this.askBelow(CLIENT, 0, 0, i);
        }
        le(this.gasOfAnswer(1), alone, "gas");
    }

    function gasOfAnswer(uint256 item) external returns (uint256) {
        demandRoots(CLIENT, item);
        bytes memory data = abi.encodePacked(rootsOf(item));
        vm.prank(operator, operator);
        uint256 before = gasleft();
        delivery.deliver(bid, Kind.Roots, data);
        return before - gasleft();
    }

    /// @dev Rule 12: the provider's own tip is not repaid, and what it is repaid covers the answer.
    function test_Rule12ATipIsNotRepaid() public {
        demandRoots(CLIENT, 0);
        vm.txGasPrice(50 gwei);
        uint256 before = operator.balance;
        deliverRoots(0);
        eq(operator.balance - before, delivery.answerGas(64) * (BASE_FEE + TIP), "at base fee and tip");
        demandRoots(CLIENT, 1);
        vm.txGasPrice(BASE_FEE);
        before = operator.balance;
        deliverRoots(1);
        eq(operator.balance - before, delivery.answerGas(64) * BASE_FEE, "no more than it paid");
    }

    /// @dev Rule 12: a base fee that rises fourfold is still repaid; above that the bond ends.
    function test_Rule12TheBondHoldsFourTimesTheGas() public {
        demandRoots(CLIENT, 0);
        vm.fee(4 * BASE_FEE);
        vm.txGasPrice(4 * BASE_FEE);
        uint256 before = operator.balance;
        deliverRoots(0);
        eq(operator.balance - before, delivery.answerGas(64) * 4 * BASE_FEE, "all");
        vm.fee(BASE_FEE);
        demandRoots(CLIENT, 1);
        vm.fee(40 * BASE_FEE);
        vm.txGasPrice(40 * BASE_FEE);
        before = operator.balance;
        deliverRoots(1);
        eq(operator.balance - before, delivery.answerGas(64) * 4 * BASE_FEE, "the bond");
    }

    /// @dev Rule 15: an answer one block before the clock ends is in time, and the lease goes on.
    function test_Rule15AnAnswerInTheLastBlock() public {
        demandRoots(CLIENT, 0);
        skip(CLOCK);
        deliverRoots(0);
        skip(1);
        vm.expectPartialRevert(IDeliveryEvents.Delivery_NotOpen.selector);
        delivery.timeout(bid, wantedRoots(0));
    }

    /// @dev Rule 16: a client that demands what it was served pays for it, and costs an honest provider nothing.
    function test_Rule16AClientThatDemandsWhatItWasServed() public {
        uint256 before = operator.balance;
        uint256 paid = CLIENT.balance;
        for (uint256 i; i < 3; ++i) {
            demandRoots(CLIENT, i);
            deliverRoots(i);
            collect(CLIENT, wantedRoots(i));
            // The same bytes stand in the chain already.
            vm.expectPartialRevert(IDeliveryEvents.Delivery_Known.selector);
            this.askRoots(CLIENT, i);
        }
        eq(operator.balance - before, 3 * delivery.answerGas(64) * (BASE_FEE + TIP), "repaid");
        eq(paid - CLIENT.balance, operator.balance - before, "by the client");
        skip(51);
        uint256 owner = credits(OWNER);
        uint256 earned = escrow.moneyOf(bid).accrued;
        escrow.finalize(bid);
        eq(credits(OWNER) - owner, FEE + earned, "and paid in full");
    }

    /// @dev Rule 16: strangers' floods end at eight, delay no client, and hold the lease no longer than its window and
    /// eight clocks, however they are timed.
    function test_Rule16AFloodOfStrangers() public {
        skip(50); // the window's last block
        for (uint256 i; i < 8; ++i) {
            demandBelow(i % 2 == 0 ? STRANGER : OTHER, 0, 0, i);
        }
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_Full.selector, 8));
        this.askBelow(OTHER, 0, 0, 8);
        eq(delivery.demandOf(demandRoots(CLIENT, 0)).until, vm.getBlockNumber() + CLOCK, "the client's time");
        deliverRoots(0);
        skip(CLOCK); // an honest provider answers one per clock at the least
        for (uint256 i; i < 8; ++i) {
            deliver(Kind.Leaves, leaf(0, 0, i));
            skip(CLOCK);
        }
        vm.expectPartialRevert(IEscrowCore.Escrow_TooLate.selector);
        this.askBelow(STRANGER, 0, 0, 9);
        escrow.finalize(bid);
    }

    /// @dev Rule 16: the client's own flood only gives the provider time.
    function test_Rule16AFloodOfTheClient() public {
        for (uint256 i; i < 20; ++i) {
            eq(
                delivery.demandOf(demandBelow(CLIENT, 0, 0, i)).until, vm.getBlockNumber() + (i + 1) * CLOCK, "k clocks"
            );
        }
        for (uint256 i; i < 20; ++i) {
            skip(CLOCK);
            deliver(Kind.Leaves, leaf(0, 0, i));
        }
        escrow.finalize(bid);
    }

    /// @dev Rule 16: filling the strangers' places with demands of one's own keeps the client out of nothing, and pays
    /// nothing: eight of a silent provider's own and one honest demand share one reserve, and half the bond burns.
    function test_Rule16AProviderThatFillsThePlaces() public {
        for (uint256 i; i < 8; ++i) {
            demandBelow(OTHER, 0, 0, i);
        }
        demandRoots(CLIENT, 0);
        skip(CLOCK + 1);
        delivery.timeout(bid, wantedRoots(0));
        settle();
        uint256 before = token.balanceOf(CLIENT);
        collect(CLIENT, wantedRoots(0));
        eq(token.balanceOf(CLIENT) - before, RESERVE / 9, "an even part of four claims");
        le(disputes.verdictOf(idOf(bid)).reward, BOND / 2, "half burns");
    }

    /// @dev Rule 18: what is asked for with a wrong depth or place is refused at the asking, so that an honest provider has
    /// an answer to each demand that stands.
    function testFuzz_Rule18NoDemandWithoutAnAnswer(uint256 level, uint256 index, uint256 siblings) public {
        (level, siblings) = (bound(level, 0, 7), bound(siblings, 0, 8));
        bytes32[][] memory tree = tensor(0, 0);
        bytes32 node = tree[level][index % tree[level].length];
        bytes32[] memory proof = new bytes32[](siblings);
        bytes32[] memory right = tree.proof(level, index % tree[level].length);
        for (uint256 i; i < siblings && i < right.length; ++i) {
            proof[i] = right[i];
        }
        OutputProof memory o = outputProof(0, 0);
        uint256 bond = delivery.bondOf(4096);
        vm.prank(CLIENT);
        try delivery.demandOutput{value: bond}(bid, job(), none, o, node, index, proof) {
            yes(siblings == 7 - level && index < tree[level].length, "only at its place");
            if (level > 5) deliver(Kind.Nodes, tree.below(level, index, level - 5));
            else deliver(Kind.Leaves, leavesBelow(0, level, index));
        } catch {
            yes(siblings != 7 - level || index > (LEAVES - 1) >> level, "a true place is never refused");
        }
    }

    /// @dev Rule 21: a wrong item cannot be named by who knows no item's root; they are forced out, and then one can
    /// be challenged within the same window.
    function test_Rule21ItemRootsAreForcedOut() public {
        demandItems(STRANGER);
        deliverItems();
        challenge(STRANGER, 2); // with the root and proof that the answer's calldata shows
        eq(view_(bid).freezes, 1, "the game holds it");
    }

    /// @dev Malformed calldata at every entry is refused and changes nothing.
    function testFuzz_MalformedCalls(uint256 entry, bytes calldata garbage) public {
        bytes4[9] memory entries = [
            delivery.demandItems.selector,
            delivery.demandRoots.selector,
            delivery.demandOutput.selector,
            delivery.deliver.selector,
            delivery.timeout.selector,
            delivery.collect.selector,
            delivery.burnFee.selector,
            bytes4(garbage.length < 4 ? bytes4(0) : bytes4(garbage[:4])),
            bytes4(0)
        ];
        demandRoots(CLIENT, 0);
        bytes32 word = vm.load(address(escrow), keccak256(abi.encode(idOf(bid), uint256(0))));
        bytes memory unknown = abi.encode(Wanted(Kind(entry % 5), keccak256(garbage), uint32(entry)));
        bytes[3] memory tails = [bytes(garbage), abi.encodePacked(bid, garbage), abi.encodePacked(bid, unknown)];
        for (uint256 i; i < 3; ++i) {
            bytes memory call = abi.encodePacked(entries[entry % 9], tails[i]);
            vm.prank(operator, operator);
            (bool done, bytes memory answer) = address(delivery).call(call);
            if (!done || answer.length != 0) continue; // refused, or a view
            revert Untrue("garbage was taken");
        }
        eq(vm.load(address(escrow), keccak256(abi.encode(idOf(bid), uint256(0)))), word, "the lease");
        eq(uint8(delivery.demandOf(id(wantedRoots(0))).status), uint8(Status.Asked), "the demand");
        eq(address(delivery).balance, delivery.bondOf(64), "the coin");
    }
}
