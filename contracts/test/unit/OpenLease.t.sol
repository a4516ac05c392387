// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base} from "../base/Base.sol";
import {vm} from "../base/Vm.sol";
import {IEscrowCore} from "../../src/interfaces/IEscrowCore.sol";
import {IStaking} from "../../src/interfaces/IStaking.sol";
import {Bid, LeaseId, LeaseState, LeaseView, Permit} from "../../src/types/Types.sol";

contract OpenLeaseTest is Base {
    uint256 private constant DEPOSIT = 207 ether;

    function _refuse(bytes32[6] memory bid, bytes memory signature, bytes memory reason) private {
        vm.prank(CLIENT);
        vm.expectRevert(reason);
        escrow.openLease(bid, signature);
    }

    function _refuse(Bid memory b, bytes memory reason) private {
        bytes32[6] memory bid = pack(b);
        _refuse(bid, sign(OPERATOR_KEY, bid), reason);
    }

    function _bad(bytes32 field) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IEscrowCore.Escrow_BadBid.selector, field);
    }

    function test_WhenTermsContradict() public {
        Bid memory b = jobBid();
        b.flags = 2;
        _refuse(b, _bad("flags"));
        b = jobBid();
        b.maxBlocks = 0;
        _refuse(b, _bad("maxBlocks"));
        b = jobBid();
        b.topUpCap = b.maxBlocks - 1;
        _refuse(b, _bad("topUpCap"));
        b = jobBid();
        b.grace = 1;
        _refuse(b, _bad("grace"));
        b = jobBid();
        b.startDeadline = 0;
        _refuse(b, _bad("startDeadline"));
        b = jobBid();
        b.challengeWindow = MAX_WINDOW + 1;
        _refuse(b, _bad("challengeWindow"));
        b = jobBid();
        b.resultDeadline = 0;
        _refuse(b, _bad("resultDeadline"));
        b = jobBid();
        b.traceAllowance = b.challengeWindow + 1;
        _refuse(b, _bad("traceAllowance"));
        b = jobBid();
        b.leaseClass = 0;
        _refuse(b, _bad("leaseClass"));
        b.leaseClass = 3;
        _refuse(b, _bad("leaseClass"));
        b = serviceBid();
        b.resultDeadline = 1;
        _refuse(b, _bad("resultDeadline"));
        b = serviceBid();
        b.completionFee = 1;
        _refuse(b, _bad("completionFee"));
        b = serviceBid();
        b.verification = TAPE;
        _refuse(b, _bad("verification"));
        bytes32[6] memory bid = pack(jobBid());
        bid[5] = bytes32(uint256(bid[5]) | 1);
        _refuse(bid, sign(OPERATOR_KEY, bid), _bad("reserved"));
    }

    function test_WhenTheClockLeftItsField() public {
        vm.roll(1 << 40);
        _refuse(
            jobBid(), abi.encodeWithSignature("SafeCastOverflowedUintDowncast(uint8,uint256)", 40, 1 << 40)
        );
    }

    function test_WhenTokenBondOrJudgeIsNotFromHere() public {
        Bid memory b = jobBid();
        b.token = 2;
        _refuse(b, abi.encodeWithSelector(IEscrowCore.Escrow_UnlistedToken.selector, 2));
        b.token = 255;
        _refuse(b, abi.encodeWithSelector(IEscrowCore.Escrow_UnlistedToken.selector, 255));
        b = jobBid();
        b.bond = RESERVE - 1;
        _refuse(b, abi.encodeWithSelector(IEscrowCore.Escrow_BondTooLow.selector, b.bond, RESERVE));
        b = jobBid();
        b.verification = 2;
        _refuse(b, abi.encodeWithSelector(IEscrowCore.Escrow_NoJudge.selector, 2));
    }

    function test_WhenCallerIsNotTheClient() public {
        bytes32[6] memory bid = pack(jobBid());
        bytes memory signature = sign(OPERATOR_KEY, bid);
        fundClient(STRANGER, 1000 ether);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_NotClient.selector, STRANGER, CLIENT));
        vm.prank(STRANGER);
        escrow.openLease(bid, signature);
    }

    function test_WhenExpired() public {
        Bid memory b = jobBid();
        b.expiry = 1000;
        open(b); // the last reading still counts
        b.capacityNonce = 77;
        vm.roll(1001);
        _refuse(b, abi.encodeWithSelector(IEscrowCore.Escrow_Expired.selector, 1000, 1001));
    }

    function test_WhenNotSignedByTheOperator() public {
        bytes32[6] memory bid = pack(jobBid());
        bytes memory forged = sign(THIEF_KEY, bid);
        _refuse(
            bid,
            forged,
            abi.encodeWithSelector(IEscrowCore.Escrow_NotSigned.selector, vm.addr(THIEF_KEY), operator)
        );
        bytes memory nobody =
            abi.encodeWithSelector(IEscrowCore.Escrow_NotSigned.selector, address(0), operator);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(OPERATOR_KEY, escrow.bidDigest(bid));
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        _refuse(bid, abi.encodePacked(r, order - uint256(s), uint8(55 - v)), nobody);
        _refuse(bid, abi.encodePacked(r, s), nobody);
        _refuse(bid, "", nobody);
        _refuse(bid, abi.encodePacked(r, s, uint8(0)), nobody);
        // An owner without an operator is nobody's owner.
        Bid memory b = jobBid();
        b.owner = STRANGER;
        bid = pack(b);
        _refuse(
            bid, "", abi.encodeWithSelector(IEscrowCore.Escrow_NotSigned.selector, address(0), address(0))
        );
    }

    function test_WhenSignedForAnotherChain() public {
        bytes32[6] memory bid = pack(jobBid());
        bytes memory signature = sign(OPERATOR_KEY, bid);
        vm.chainId(999);
        bytes32 digest = escrow.bidDigest(bid);
        vm.prank(CLIENT);
        vm.expectRevert();
        escrow.openLease(bid, signature);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(OPERATOR_KEY, digest);
        vm.prank(CLIENT);
        escrow.openLease(bid, abi.encodePacked(r, s, v));
    }

    function test_WhenNonceIsSpent() public {
        open(jobBid());
        Bid memory b = jobBid();
        b.jobHash = keccak256("another auction");
        _refuse(b, abi.encodeWithSelector(IEscrowCore.Escrow_NonceSpent.selector, OWNER, 5));
        // The very same bid neither.
        _refuse(jobBid(), abi.encodeWithSelector(IEscrowCore.Escrow_NonceSpent.selector, OWNER, 5));
        // Neighbours in the same word are free.
        b.capacityNonce = 4;
        open(b);
        yes(escrow.isNonceUsed(OWNER, 4) && !escrow.isNonceUsed(OWNER, 6), "bits");
        eq(escrow.nonceWord(OWNER, 0), (1 << 5) | (1 << 4), "word");
    }

    function test_WhenCreditsAreTooFew() public {
        vm.prank(CLIENT);
        escrow.withdrawCredits(0, CLIENT, 5_000 ether - DEPOSIT + 1);
        _refuse(
            jobBid(),
            abi.encodeWithSelector(IEscrowCore.Escrow_TooFewCredits.selector, CLIENT, DEPOSIT, DEPOSIT - 1)
        );
    }

    function test_WhenStakeOrCapsDoNotCover() public {
        Bid memory b = jobBid();
        b.bond = BOND + 1;
        _refuse(b, abi.encodeWithSelector(IStaking.Staking_OverLeaseCap.selector, OWNER, b.bond, BOND));
        vm.prank(OWNER);
        staking.setCaps(0, 2_000 ether, 2_000 ether);
        b.bond = 1_001 ether;
        _refuse(b, abi.encodeWithSelector(IStaking.Staking_OverStake.selector, OWNER, b.bond, 1_000 ether));
        vm.prank(OWNER);
        staking.setCaps(0, BOND, BOND);
        open(jobBid());
        b = jobBid();
        b.capacityNonce = 9;
        _refuse(b, abi.encodeWithSelector(IStaking.Staking_OverTotalCap.selector, OWNER, 2 * BOND, BOND));
    }

    function test_FromCredits() public {
        uint256 held = token.balanceOf(address(escrow));
        bytes32[6] memory bid = pack(jobBid());
        bytes memory signature = sign(OPERATOR_KEY, bid);
        vm.expectEmit();
        emit IEscrowCore.LeaseOpened(idOf(bid), OWNER, CLIENT, bid);
        vm.prank(CLIENT);
        LeaseId id = escrow.openLease(bid, signature);
        eq(LeaseId.unwrap(id), LeaseId.unwrap(idOf(bid)), "id");
        eq(credits(CLIENT), 5_000 ether - DEPOSIT, "credits");
        eq(token.balanceOf(address(escrow)), held, "no token moved");
        eq(stakeOf(OWNER).locked, BOND, "bond");
        eq(escrow.moneyOf(bid).held, DEPOSIT, "held");
        eq(escrow.depositOf(bid), DEPOSIT, "deposit");
        LeaseView memory v = view_(bid);
        eq(uint8(v.state), uint8(LeaseState.Opened), "state");
        eq(v.openedAt, 1000, "opened");
        eq(v.deadline, 1020, "start deadline");
        eq(v.fundedBlocks, 200, "funded");
        eq(v.grace, 10, "grace");
    }

    function test_FromWallet() public {
        bytes32[6] memory bid = pack(jobBid());
        bytes memory signature = sign(OPERATOR_KEY, bid);
        uint256 wallet = token.balanceOf(CLIENT);
        uint256 held = token.balanceOf(address(escrow));
        vm.prank(CLIENT);
        escrow.openLeaseFromWallet(bid, signature);
        eq(token.balanceOf(CLIENT), wallet - DEPOSIT, "wallet");
        eq(token.balanceOf(address(escrow)), held + DEPOSIT, "escrow");
        eq(credits(CLIENT), 5_000 ether, "credits stay");
        inState(bid, LeaseState.Opened);
    }

    function test_WithPermit() public {
        uint256 key = 0xC0FFEE;
        address payer = vm.addr(key);
        token.mint(payer, DEPOSIT);
        Bid memory b = jobBid();
        b.client = payer;
        bytes32[6] memory bid = pack(b);
        bytes memory signature = sign(OPERATOR_KEY, bid);
        Permit memory p = permit(key, address(escrow), DEPOSIT);
        // Somebody submits the permit first: no harm.
        token.permit(payer, address(escrow), p.value, p.deadline, p.v, p.r, p.s);
        vm.prank(payer);
        escrow.openLeaseWithPermit(bid, signature, p);
        eq(token.balanceOf(payer), 0, "wallet");
        inState(bid, LeaseState.Opened);
    }

    /// Every field of the packed layout reaches the EIP-712 hash and the decoded bid, and nothing else does.
    function testFuzz_PackingAndHashing(Bid memory b) public view {
        bytes32[6] memory bid = pack(b);
        eq(keccak256(abi.encode(escrow.decodeBid(bid))), keccak256(abi.encode(b)), "decoded");
        bytes32 typehash = keccak256(
            "Bid(address client,uint96 ratePerBlock,address owner,uint96 completionFee,bytes32 jobHash,bytes32 delegates,uint96 bond,uint64 capacityNonce,uint48 expiry,uint32 startDeadline,uint16 grace,uint32 maxBlocks,uint32 topUpCap,uint32 resultDeadline,uint32 challengeWindow,uint32 traceAllowance,uint8 token,uint8 leaseClass,uint8 verification,uint8 flags)"
        );
        bytes32 hash = keccak256(abi.encode(typehash, b));
        eq(escrow.bidHash(bid), hash, "struct hash");
        eq(LeaseId.unwrap(idOf(bid)), keccak256(abi.encodePacked(b.owner, hash)), "id");
        eq(
            escrow.bidDigest(bid),
            keccak256(abi.encodePacked(hex"1901", escrow.DOMAIN_SEPARATOR(), hash)),
            "digest"
        );
        eq(escrow.depositOf(bid), uint256(b.ratePerBlock) * b.maxBlocks + b.completionFee, "deposit");
    }
}
