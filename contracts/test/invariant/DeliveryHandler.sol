// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DeliveryBase} from "../base/DeliveryBase.sol";
import {TestTree} from "../base/TestTree.sol";
import {vm} from "../base/Vm.sol";
import {Kind, Queue, Status, Wanted} from "../../src/types/DeliveryTypes.sol";
import {Conviction} from "../../src/types/DisputeTypes.sol";
import {LeaseState} from "../../src/types/Types.sol";

/// @notice Demands, answers, silence, games, convictions and collections in any order, on one lease. It owns the whole
/// deployment, so that what it does is what happened.
contract DeliveryHandler is DeliveryBase {
    using TestTree for bytes32[][];

    Wanted[] private _wanted;
    address[] private _by;
    mapping(bytes32 demand => uint256) private _seed; // of the demand, which says what answers it
    uint256 public done;

    function coin() external view returns (uint256) {
        return address(delivery).balance;
    }

    function freezes() external view returns (uint256) {
        return view_(bid).freezes;
    }

    function leaseState() external view returns (LeaseState) {
        return state(bid);
    }

    /// @dev Whether the queues count the demands that wait in them, as long as nobody is convicted.
    function counted() external view returns (bool) {
        if (disputes.verdictOf(idOf(bid)).how != Conviction.None) return true;
        Queue memory q = delivery.queueOf(idOf(bid));
        return q.asked == with(Status.Asked) && q.requested == with(Status.Requested);
    }

    function with(Status status) public view returns (uint256 count) {
        for (uint256 i; i < _wanted.length; ++i) {
            if (delivery.demandOf(id(_wanted[i])).status == status) ++count;
        }
    }

    /// @dev One door; what cannot be done at the moment is tried all the same, and must revert by itself.
    function act(uint256 seed) external {
        uint256 action = seed % 100;
        seed /= 100;
        if (action < 30) this.tryDemand(seed);
        else if (action < 55) this.tryDeliver(seed);
        else if (action < 70) this.tryCollect(seed);
        else if (action < 75) this.tryGame(seed);
        else if (action < 82) this.tryTimeout(seed);
        else if (action < 86) this.trySettle();
        else if (action < 89) this.tryExpose();
        else skip(1 + seed % 5);
    }

    function tryDemand(uint256 seed) external {
        try this.demandAny(seed) {
            ++done;
        } catch {}
    }

    function demandAny(uint256 seed) external {
        address by = seed % 3 == 0 ? CLIENT : seed % 3 == 1 ? STRANGER : operator;
        vm.deal(by, 1000 ether);
        seed /= 3;
        uint256 item = seed / 8 % ITEMS;
        Wanted memory wanted;
        if (seed % 8 == 0) {
            demandItems(by);
            wanted = wantedItems();
        } else if (seed % 8 < 3) {
            demandRoots(by, item);
            wanted = wantedRoots(item);
        } else {
            uint256 index = seed / 32 % 25;
            demandBelow(by, item, 2, index);
            wanted = wantedBelow(item, 2, index);
        }
        if (_seed[id(wanted)] != 0) return; // hastened: it is in the list, and who made it owns it
        _wanted.push(wanted);
        _by.push(by);
        _seed[id(wanted)] = seed + 1;
    }

    function tryDeliver(uint256 seed) external {
        if (_wanted.length == 0) return;
        try this.deliverAny(seed % _wanted.length) {
            ++done;
        } catch {}
    }

    function deliverAny(uint256 i) external {
        uint256 seed = _seed[id(_wanted[i])] - 1;
        uint256 item = seed / 8 % ITEMS;
        if (seed % 8 == 0) deliverItems();
        else if (seed % 8 < 3) deliverRoots(item);
        else deliver(Kind.Leaves, leavesBelow(item, 2, seed / 32 % 25));
    }

    function tryCollect(uint256 seed) external {
        if (_wanted.length == 0) return;
        uint256 i = seed % _wanted.length;
        vm.prank(_by[i]);
        try delivery.collect(bid, _wanted[i]) {
            ++done;
        } catch {}
    }

    /// @dev INVARIANT: an honest tree of items is zero beyond them, and nobody convicts it there.
    function tryExpose() external {
        try this.expose() {
            revert Untrue("beyond the items");
        } catch {}
    }

    function expose() external {
        bytes32[] memory proof = itemsTree().proof(0, ITEMS);
        uint256 bond = delivery.bondOf(0);
        vm.prank(STRANGER);
        delivery.demandItems{value: bond}(bid, job(), none, 0, ITEMS, proof);
    }

    function tryTimeout(uint256 seed) external {
        if (_wanted.length == 0) return;
        if (seed % 4 == 0) skip(CLOCK);
        try delivery.timeout(bid, _wanted[seed % _wanted.length]) {
            ++done;
        } catch {}
    }

    function tryGame(uint256 seed) external {
        if (seed % 2 == 0) {
            try this.challengeAny(seed / 2 % ITEMS) {} catch {}
        } else {
            try disputes.timeout(bid, case_(seed / 2 % ITEMS), STRANGER, "seal") {} catch {}
        }
    }

    function challengeAny(uint256 item) external {
        challenge(STRANGER, item);
    }

    function trySettle() external {
        try disputes.settle(bid) {} catch {}
        try escrow.finalize(bid) {} catch {}
    }

    /// @dev The end of any run: time passes, everyone does what is left to do; then nothing may be left.
    function wind() external {
        skip(2000);
        for (uint256 i; i < _wanted.length; ++i) {
            try delivery.timeout(bid, _wanted[i]) {} catch {}
        }
        for (uint256 i; i < ITEMS; ++i) {
            try disputes.timeout(bid, case_(i), STRANGER, "seal") {} catch {}
        }
        for (uint256 i; i < ITEMS; ++i) {
            try this.claimGame(i) {} catch {}
        }
        skip(CLAIM_PERIOD + 1);
        this.trySettle();
        for (uint256 i; i < _wanted.length; ++i) {
            vm.prank(_by[i]);
            try delivery.collect(bid, _wanted[i]) {} catch {}
        }
    }

    function claimGame(uint256 item) external {
        claimSilence(STRANGER, item);
    }

    /// @dev What its demands say that Delivery owes, in wei.
    function owed() external view returns (uint256 sum) {
        for (uint256 i; i < _wanted.length; ++i) {
            sum += uint256(delivery.demandOf(id(_wanted[i])).bond) * 1 gwei;
        }
    }

    /// @dev Demands that the provider owes, or that convicted it.
    function owing() external view returns (uint256 sum) {
        for (uint256 i; i < _wanted.length; ++i) {
            Status s = delivery.demandOf(id(_wanted[i])).status;
            if (s == Status.Asked || s == Status.Requested || s == Status.Unanswered) ++sum;
        }
    }
}
