// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DeliveryBase} from "../base/DeliveryBase.sol";
import {vm} from "../base/Vm.sol";
import {IDeliveryEvents} from "../../src/interfaces/IDeliveryEvents.sol";
import {IEscrowCore} from "../../src/interfaces/IEscrowCore.sol";
import {SizeProof} from "../../src/types/DeliveryTypes.sol";
import {Job} from "../../src/types/DisputeTypes.sol";
import {Bid, LeaseState} from "../../src/types/Types.sol";

/// @notice delivery.tree: burnFee. The job is made long enough: 8 items of 101 leaves are 808, the limit is 800.
contract BurnFeeTest is DeliveryBase {
    uint32 private _items = 8;

    function setUp() public override {
        super.setUp();
        bid = _again(100, 8);
    }

    function _again(uint64 nonce, uint32 items) private returns (bytes32[6] memory) {
        _items = items;
        Bid memory b = tapeBid();
        b.capacityNonce = nonce;
        b.jobHash = hashOf(_bigJob());
        return posted(b);
    }

    function _bigJob() private view returns (Job memory j) {
        j = job();
        j.items = _items;
    }

    function _both() private pure returns (SizeProof[] memory sizes) {
        sizes = new SizeProof[](2);
        (sizes[0], sizes[1]) = (sizeProof(0), sizeProof(1));
    }

    function _burn(address by, SizeProof[] memory sizes) private {
        Job memory j = _bigJob();
        vm.prank(by);
        delivery.burnFee(bid, j, sizes);
    }

    function burn(address by, SizeProof[] memory sizes) external {
        _burn(by, sizes);
    }

    function test_ByAnotherOrByAnotherJob() public {
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_NotClient.selector, STRANGER));
        this.burn(STRANGER, _both());
        _items = 9;
        vm.expectPartialRevert(IDeliveryEvents.Delivery_WrongJob.selector);
        this.burn(CLIENT, _both());
    }

    function test_NobodyButAJudgeAsksTheEscrow() public {
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_NotJudge.selector, CLIENT, TAPE));
        vm.prank(CLIENT);
        escrow.burnFeeInProtest(bid);
    }

    function test_OfOutputsOutOfOrder() public {
        SizeProof[] memory sizes = new SizeProof[](2);
        (sizes[0], sizes[1]) = (sizeProof(0), sizeProof(0)); // one twice would count twice
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_NoOutput.selector, 0, 2));
        this.burn(CLIENT, sizes);
    }

    function test_UpToTheLimit() public {
        SizeProof[] memory sizes = new SizeProof[](1);
        sizes[0] = sizeProof(0); // 800: what is not shown does not count
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_NotBig.selector, 800, 800));
        this.burn(CLIENT, sizes);
        bid = _again(101, 7);
        vm.expectRevert(abi.encodeWithSelector(IDeliveryEvents.Delivery_NotBig.selector, 707, 800));
        this.burn(CLIENT, _both());
    }

    function test_AfterTheWindow() public {
        skip(51);
        vm.expectPartialRevert(IEscrowCore.Escrow_TooLate.selector);
        this.burn(CLIENT, _both());
    }

    function test_Twice() public {
        _burn(CLIENT, _both());
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_FeeBurnt.selector, idOf(bid)));
        this.burn(CLIENT, _both());
    }

    function test_WithoutAsManyCredits() public {
        uint256 all = credits(CLIENT);
        vm.prank(CLIENT);
        escrow.withdrawCredits(0, CLIENT, all - FEE + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IEscrowCore.Escrow_TooFewCredits.selector, CLIENT, FEE, FEE - 1)
        );
        this.burn(CLIENT, _both());
    }

    /// @dev Rule 24, for an output above the limit: the provider that asks for a ransom gets no fee, and the client
    /// gains nothing by that.
    function test_Rule24TheFeeBurnsWithAsMuchOfTheClients() public {
        (uint256 client, uint256 owner) = (credits(CLIENT), credits(OWNER));
        _burn(CLIENT, _both());
        eq(client - credits(CLIENT), FEE, "the client's");
        eq(escrow.burntOf(0), FEE, "burnt at once");
        skip(51);
        uint256 refund = escrow.moneyOf(bid).refundable;
        uint256 earned = escrow.moneyOf(bid).accrued;
        escrow.finalize(bid);
        eq(escrow.burntOf(0), 2 * FEE, "burnt in the end");
        eq(credits(OWNER) - owner, earned, "the stream alone");
        eq(credits(CLIENT), client - FEE + refund, "nothing comes back");
    }

    function test_AConvictionStillPaysTheDepositBack() public {
        uint256 client = credits(CLIENT);
        uint256 deposit = uint256(RATE) * 200 + FEE;
        _burn(CLIENT, _both());
        judge.freeze(bid);
        judge.convict(bid, 0);
        inState(bid, LeaseState.Convicted);
        eq(credits(CLIENT), client - FEE + deposit, "all but what it burnt");
    }
}
