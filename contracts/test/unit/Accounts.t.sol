// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base} from "../base/Base.sol";
import {FeeToken} from "../base/FeeToken.sol";
import {vm} from "../base/Vm.sol";
import {IEscrowCore} from "../../src/interfaces/IEscrowCore.sol";
import {IStaking} from "../../src/interfaces/IStaking.sol";
import {Bid, Deployment, Permit, StakeView} from "../../src/types/Types.sol";

contract CreditsTest is Base {
    function test_Deposit() public {
        vm.expectRevert(IEscrowCore.Escrow_ZeroAddress.selector);
        escrow.deposit(0, address(0), 1);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_UnlistedToken.selector, 2));
        escrow.deposit(2, CLIENT, 1);
        vm.expectEmit();
        emit IEscrowCore.Deposited(0, STRANGER, CLIENT, 9 ether);
        vm.prank(CLIENT);
        escrow.deposit(0, STRANGER, 9 ether);
        eq(credits(STRANGER), 9 ether, "credits");
    }

    function test_DepositWithPermit() public {
        uint256 key = 0xC0FFEE;
        address payer = vm.addr(key);
        token.mint(payer, 8 ether);
        Permit memory p = permit(key, address(escrow), 8 ether);
        vm.prank(payer);
        escrow.depositWithPermit(0, payer, 5 ether, p);
        vm.prank(payer); // the permit is spent, the allowance stands
        escrow.depositWithPermit(0, payer, 3 ether, p);
        eq(credits(payer), 8 ether, "credits");
        vm.prank(payer);
        vm.expectRevert();
        escrow.depositWithPermit(0, payer, 1, p);
    }

    function test_TokenWithAFee() public {
        Deployment memory d = deployment();
        FeeToken fee = new FeeToken();
        d.tokens[0].token = address(fee);
        escrow = deployEscrow(d);
        staking = escrow.staking();
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_ShortTransfer.selector, 100, 99));
        escrow.deposit(0, CLIENT, 100);
        vm.expectRevert(abi.encodeWithSelector(IStaking.Staking_ShortTransfer.selector, 100, 99));
        staking.stake(0, 100, 1, 1);
    }

    function test_WithdrawCredits() public {
        vm.startPrank(CLIENT);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEscrowCore.Escrow_TooFewCredits.selector, CLIENT, 5_000 ether + 1, 5_000 ether
            )
        );
        escrow.withdrawCredits(0, CLIENT, 5_000 ether + 1);
        vm.expectRevert(IEscrowCore.Escrow_ZeroAddress.selector);
        escrow.withdrawCredits(0, address(0), 1);
        escrow.withdrawCredits(0, STRANGER, 5_000 ether);
        vm.stopPrank();
        eq(token.balanceOf(STRANGER), 5_000 ether, "paid");
        eq(credits(CLIENT), 0, "credits");
        eq(token.balanceOf(address(escrow)), 0, "escrow");
    }
}

contract OperatorsTest is Base {
    function test_Register() public {
        vm.startPrank(STRANGER);
        vm.expectRevert(IEscrowCore.Escrow_ZeroAddress.selector);
        escrow.register(address(0), "x");
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_RegistrationTooLong.selector, 2049, 2048));
        escrow.register(operator, new bytes(2049));
        vm.expectEmit();
        emit IEscrowCore.OperatorSet(STRANGER, operator);
        vm.expectEmit();
        emit IEscrowCore.Registered(STRANGER, operator, new bytes(2048));
        escrow.register(operator, new bytes(2048));
        vm.stopPrank();
        eq(escrow.operatorOf(STRANGER), operator, "operator");
    }

    function test_Revoke() public {
        bytes32[6] memory bid = open(jobBid());
        vm.prank(OWNER);
        escrow.setOperator(address(0));
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_NotOperator.selector, operator, address(0)));
        vm.prank(operator);
        escrow.start(bid);
    }

    function test_CancelNonces() public {
        open(jobBid());
        uint64[] memory nonces = new uint64[](3);
        (nonces[0], nonces[1], nonces[2]) = (5, 300, type(uint64).max);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_NotProvider.selector, STRANGER, OWNER));
        vm.prank(STRANGER);
        escrow.cancelNonces(OWNER, nonces);
        vm.recordLogs();
        vm.prank(operator);
        escrow.cancelNonces(OWNER, nonces);
        eq(vm.getRecordedLogs().length, 2, "the spent one is skipped");
        yes(escrow.isNonceUsed(OWNER, 300) && escrow.isNonceUsed(OWNER, type(uint64).max), "void");
        Bid memory b = jobBid();
        b.capacityNonce = 300;
        bytes32[6] memory bid = pack(b);
        bytes memory signature = sign(OPERATOR_KEY, bid);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_NonceSpent.selector, OWNER, 300));
        vm.prank(CLIENT);
        escrow.openLease(bid, signature);
        (nonces[0], nonces[1], nonces[2]) = (1, 2, 3);
        vm.prank(OWNER);
        escrow.cancelNonces(OWNER, nonces);
        yes(escrow.isNonceUsed(OWNER, 3), "by the owner too");
    }
}

contract StakingTest is Base {
    function test_Stake() public {
        vm.startPrank(OWNER);
        vm.expectRevert(IStaking.Staking_ZeroAmount.selector);
        staking.stake(0, 0, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IStaking.Staking_UnlistedToken.selector, 2));
        staking.stake(2, 1, 1, 1);
        vm.stopPrank();
        StakeView memory s = stakeOf(OWNER);
        eq(s.staked, 1_000 ether, "staked");
        eq(s.free, BOND, "within the cap for one lease");
        eq(s.maxPerLease, BOND, "cap");
        eq(s.maxLocked, 1_000 ether, "cap");
    }

    function test_StakeWithPermit() public {
        uint256 key = 0xC0FFEE;
        address payer = vm.addr(key);
        token.mint(payer, 8 ether);
        Permit memory p = permit(key, address(staking), 8 ether);
        vm.prank(payer);
        staking.stakeWithPermit(0, 8 ether, 3 ether, 4 ether, p);
        eq(stakeOf(payer).staked, 8 ether, "staked");
        eq(stakeOf(payer).free, 3 ether, "free");
        eq(token.balanceOf(address(staking)), 1_008 ether, "held");
    }

    function test_Unbond() public {
        open(jobBid());
        vm.startPrank(OWNER);
        vm.expectRevert(
            abi.encodeWithSelector(IStaking.Staking_OverStake.selector, OWNER, 901 ether, 900 ether)
        );
        staking.unbond(0, 901 ether);
        vm.expectRevert(IStaking.Staking_ZeroAmount.selector);
        staking.unbond(0, 0);
        vm.expectRevert(abi.encodeWithSelector(IStaking.Staking_NothingUnbonding.selector, OWNER));
        staking.claimUnbonded(0, OWNER);
        staking.unbond(0, 500 ether);
        vm.roll(2000);
        vm.expectEmit();
        emit IStaking.Unbonding(OWNER, 0, 900 ether, 3600);
        staking.unbond(0, 400 ether); // restarts the delay
        vm.roll(3600);
        vm.expectRevert(abi.encodeWithSelector(IStaking.Staking_TooEarly.selector, 3600, 3600));
        staking.claimUnbonded(0, OWNER);
        vm.roll(3601);
        vm.expectRevert(IStaking.Staking_ZeroAddress.selector);
        staking.claimUnbonded(0, address(0));
        staking.claimUnbonded(0, STRANGER);
        vm.stopPrank();
        eq(token.balanceOf(STRANGER), 900 ether, "paid");
        eq(stakeOf(OWNER).staked, BOND, "the bond stays");
        eq(stakeOf(OWNER).unbonding, 0, "once");
    }

    function test_WhatIsLockedIsNotFree() public {
        vm.prank(OWNER);
        staking.setCaps(0, 5_000 ether, 5_000 ether);
        open(jobBid());
        eq(stakeOf(OWNER).locked, BOND, "locked");
        eq(stakeOf(OWNER).free, 900 ether, "stake less what is locked");
        vm.startPrank(OWNER);
        staking.setCaps(0, 5_000 ether, 250 ether);
        eq(stakeOf(OWNER).free, 150 ether, "cap less what is locked");
        staking.setCaps(0, 5_000 ether, 99 ether);
        eq(stakeOf(OWNER).free, 0, "nothing, where more is locked than the cap says");
        vm.stopPrank();
    }

    function test_ALeaseCostsItsBondAtMost() public {
        open(jobBid());
        vm.startPrank(address(escrow));
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 1));
        staking.unlock(OWNER, 0, BOND, 60 ether, 40 ether + 1);
        staking.unlock(OWNER, 0, BOND, 60 ether, 40 ether);
        vm.stopPrank();
        eq(stakeOf(OWNER).staked, 900 ether, "staked");
    }

    function test_OnlyTheEscrowLocks() public {
        vm.startPrank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(IStaking.Staking_NotEscrow.selector, OWNER));
        staking.lock(OWNER, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(IStaking.Staking_NotEscrow.selector, OWNER));
        staking.unlock(OWNER, 0, 1, 0, 0);
        vm.stopPrank();
        eq(staking.escrow(), address(escrow), "escrow");
    }
}

contract ViewsTest is Base {
    function test_UnknownCalls() public {
        (bool ok,) = address(escrow).call(abi.encodeWithSignature("upgradeTo(address)", address(1)));
        yes(!ok, "unknown selector");
        (ok,) = address(escrow).call("");
        yes(!ok, "no selector");
        (ok,) = payable(address(escrow)).call{value: 1}("");
        yes(!ok, "coin");
    }

    /// `EscrowViews` is called by delegatecall: an instruction that changes state in it could do anything.
    function test_ViewsCannotChangeState() public view {
        bytes memory code = vm.getDeployedCode("EscrowViews.sol:EscrowViews");
        uint256 seen;
        for (uint256 i; i < code.length; ++i) {
            uint8 op = uint8(code[i]);
            if (op >= 0x60 && op <= 0x7f) {
                i += op - 0x5f;
                continue;
            }
            yes(op != 0x55 && op != 0x5d, "SSTORE or TSTORE");
            yes(op != 0xf0 && op != 0xf5, "CREATE");
            yes(op != 0xf1 && op != 0xf2 && op != 0xf4 && op != 0xff, "CALL, DELEGATECALL, SELFDESTRUCT");
            yes(op < 0xa0 || op > 0xa4, "LOG");
            if (op == 0x54) ++seen;
        }
        yes(seen > 5, "the walk saw the code");
    }

    function test_Fixed() public view {
        eq(escrow.tokens().length, 2, "tokens");
        eq(escrow.tokens()[1].token, address(other), "token");
        eq(escrow.tokens()[0].reserve, RESERVE, "reserve");
        eq(escrow.tokens()[0].showUpSum, SHOW_UP, "show-up sum");
        eq(escrow.tokens()[0].showUpBps, SHOW_UP_BPS, "show-up price");
        eq(escrow.kindOf(address(judge)), TAPE, "judge");
        eq(escrow.kindOf(STRANGER), 0, "no judge");
        yes(escrow.isKindJudged(TAPE), "kind 1");
        for (uint256 kind; kind < 256; ++kind) {
            if (kind != TAPE) yes(!escrow.isKindJudged(uint8(kind)), "no other kind");
        }
        eq(escrow.minGrace(), 2, "grace");
        eq(escrow.maxChallengeWindow(), MAX_WINDOW, "window");
        eq(staking.unbondingDelay(), UNBONDING, "unbonding");
        (, string memory name, string memory version,, address where,,) = escrow.eip712Domain();
        eq(keccak256(bytes(name)), keccak256("Gavel"), "name");
        eq(keccak256(bytes(version)), keccak256("1"), "version");
        eq(where, address(escrow), "domain");
    }
}
