// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base} from "../base/Base.sol";
import {vm} from "../base/Vm.sol";
import {Bid} from "../../src/types/Types.sol";

/// @notice Gas of whole transactions (run with --isolate), into snapshots/lease.json, which CI compares.
/// Every balance, credit, nonce word and lock that a measured call touches is non-zero before it; all slots are
/// cold; allowances are unlimited. Addresses are as dense as real ones.
contract GasTest is Base {
    address private constant DENSE_CLIENT = 0x71C7656EC7ab88b098defB751B7401B5f6d8976F;
    address private constant DENSE_OWNER = 0x8ba1f109551bD432803012645Ac136ddd64DBA72;
    uint256 private constant BATCH = 5;

    function setUp() public override {
        super.setUp();
        fundClient(DENSE_CLIENT, 100_000 ether);
        enrol(DENSE_OWNER, operator, 100_000 ether);
        // Touch what the measured leases will touch: lock, nonce word, credits of both sides, all balances.
        Bid memory b = _job(1);
        open(b);
        token.mint(address(this), 2 ether);
        token.approve(address(escrow), 2 ether);
        escrow.deposit(0, DENSE_OWNER, 1 ether);
        escrow.deposit(0, CLIENT, 1 ether);
        token.mint(DENSE_OWNER, 1 ether);
    }

    function _job(uint64 nonce) private view returns (Bid memory b) {
        b = jobBid();
        b.client = DENSE_CLIENT;
        b.owner = DENSE_OWNER;
        b.capacityNonce = nonce;
    }

    function _service(uint64 nonce) private view returns (Bid memory b) {
        b = serviceBid();
        b.client = DENSE_CLIENT;
        b.owner = DENSE_OWNER;
        b.capacityNonce = nonce;
    }

    function _started(uint256 count) private returns (bytes32[6][] memory bids, bytes32[] memory hashes) {
        bids = new bytes32[6][](count);
        hashes = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            bids[i] = openAndStart(_service(uint64(10 + i)));
            hashes[i] = escrow.bidHash(bids[i]);
        }
        skip(5);
        vm.prank(operator);
        escrow.beat(DENSE_OWNER, hashes);
        skip(5);
    }

    function test_OpenFromCredits() public {
        bytes32[6] memory bid = pack(_service(2));
        bytes memory signature = sign(OPERATOR_KEY, bid);
        vm.prank(DENSE_CLIENT);
        escrow.openLease(bid, signature);
        vm.snapshotGasLastCall("lease", "open_credits");
    }

    function test_OpenJobWithJudgeFromCredits() public {
        bytes32[6] memory bid = pack(_job(2));
        bytes memory signature = sign(OPERATOR_KEY, bid);
        vm.prank(DENSE_CLIENT);
        escrow.openLease(bid, signature);
        vm.snapshotGasLastCall("lease", "open_credits_judged");
    }

    function test_OpenFromWallet() public {
        bytes32[6] memory bid = pack(_service(2));
        bytes memory signature = sign(OPERATOR_KEY, bid);
        vm.prank(DENSE_CLIENT);
        escrow.openLeaseFromWallet(bid, signature);
        vm.snapshotGasLastCall("lease", "open_pull");
    }

    function test_Start() public {
        bytes32[6] memory bid = open(_job(2));
        start(bid);
        vm.snapshotGasLastCall("lease", "start");
    }

    function test_TopUpFromWallet() public {
        bytes32[6] memory bid = openAndStart(_service(2));
        vm.prank(DENSE_CLIENT);
        escrow.topUpFromWallet(bid, 10);
        vm.snapshotGasLastCall("lease", "top_up");
    }

    function test_TopUpFromCredits() public {
        bytes32[6] memory bid = openAndStart(_service(2));
        vm.prank(DENSE_CLIENT);
        escrow.topUp(bid, 10);
        vm.snapshotGasLastCall("lease", "top_up_credits");
    }

    function test_Beat() public {
        (, bytes32[] memory hashes) = _started(1);
        vm.prank(operator);
        escrow.beat(DENSE_OWNER, hashes);
        vm.snapshotGasLastCall("lease", "beat_1");
    }

    function test_BeatFive() public {
        (, bytes32[] memory hashes) = _started(BATCH);
        vm.prank(operator);
        escrow.beat(DENSE_OWNER, hashes);
        vm.snapshotGasLastCall("lease", "beat_5");
    }

    function test_Withdraw() public {
        (bytes32[6][] memory bids,) = _started(1);
        vm.prank(operator);
        escrow.withdraw(bids);
        vm.snapshotGasLastCall("lease", "withdraw_1");
    }

    function test_WithdrawFive() public {
        (bytes32[6][] memory bids,) = _started(BATCH);
        vm.prank(operator);
        escrow.withdraw(bids);
        vm.snapshotGasLastCall("lease", "withdraw_5");
    }

    /// @dev The provider has withdrawn what it earned; the rest comes back to the client's credits.
    function test_CloseService() public {
        (bytes32[6][] memory bids,) = _started(1);
        escrow.withdraw(bids);
        vm.prank(DENSE_CLIENT);
        escrow.closeByClient(bids[0]);
        vm.snapshotGasLastCall("lease", "close_refund");
    }

    /// @dev The same, and what the provider has not withdrawn becomes its credits in the same transaction.
    function test_CloseServiceAndPay() public {
        (bytes32[6][] memory bids,) = _started(1);
        vm.prank(DENSE_CLIENT);
        escrow.closeByClient(bids[0]);
        vm.snapshotGasLastCall("lease", "close_refund_and_pay");
    }

    function test_FirstResult() public {
        bytes32[6] memory bid = openAndStart(_job(2));
        bytes32 hash = escrow.bidHash(bid);
        skip(5);
        vm.prank(operator);
        escrow.postResult(DENSE_OWNER, hash, keccak256("root"));
        vm.snapshotGasLastCall("lease", "first_result");
    }

    function test_Finalize() public {
        bytes32[6] memory bid = openAndStart(_job(2));
        bytes32 hash = escrow.bidHash(bid);
        skip(5);
        vm.prank(operator);
        escrow.postResult(DENSE_OWNER, hash, keccak256("root"));
        skip(60);
        escrow.finalize(bid);
        vm.snapshotGasLastCall("lease", "finalize");
    }

    function test_Deposit() public {
        vm.prank(DENSE_CLIENT);
        escrow.deposit(0, DENSE_CLIENT, 1 ether);
        vm.snapshotGasLastCall("lease", "deposit");
    }

    function test_WithdrawCredits() public {
        vm.prank(DENSE_CLIENT);
        escrow.withdrawCredits(0, DENSE_CLIENT, 1 ether);
        vm.snapshotGasLastCall("lease", "withdraw_credits");
    }
}
