// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base} from "../base/Base.sol";
import {TestJudge} from "../base/TestJudge.sol";
import {vm} from "../base/Vm.sol";
import {Ghost, Handler} from "./Handler.sol";
import {
    Deployment,
    LeaseClass,
    LeaseMoney,
    LeaseState,
    LeaseView,
    Listing,
    StakeView
} from "../../src/types/Types.sol";

/// @notice DESIGN section 4, one sentence, one function. docs/contracts.md lists which mistake each of them caught
/// when it was made on purpose.
contract InvariantsTest is Base {
    Handler internal handler;

    function setUp() public override {
        vm.roll(1000);
        token = deployToken("Credit", "CRD", 18);
        other = deployToken("Other", "OTH", 18);
        judge = new TestJudge();
        escrow = deployEscrow(deployment());
        staking = escrow.staking();
        judge.setHost(escrow);
        handler = new Handler(escrow, judge, [token, other]);
        for (uint256 i; i < 3; ++i) {
            for (uint256 t; t < 2; ++t) {
                (t == 0 ? token : other).mint(handler.clients(i), 20_000 ether);
                (t == 0 ? token : other).mint(handler.owners(i), 10_000 ether);
            }
        }
        handler.enrol();
    }

    function deployment() internal view override returns (Deployment memory d) {
        d = super.deployment();
        d.tokens[1] = Listing(address(other), RESERVE, SHOW_UP, SHOW_UP_BPS);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev One door, behind which the actions are weighted so that leases live long enough to end in every way.
    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0].addr = address(handler);
        targets[0].selectors = new bytes4[](1);
        targets[0].selectors[0] = Handler.act.selector;
    }

    // --------------------------------------------------------------------------------------------- invariants

    /// Token balance = credits + open leases + what is burnt (+ what somebody gave away), per token.
    function invariant_EscrowIsSolvent() public view {
        for (uint8 t; t < 2; ++t) {
            uint256 owed = escrow.burntOf(t) + handler.donated(t) + escrow.creditsOf(t, address(judge));
            for (uint256 i; i < 3; ++i) {
                owed += escrow.creditsOf(t, handler.clients(i)) + escrow.creditsOf(t, handler.owners(i));
            }
            Ghost[] memory ghosts = handler.ghosts();
            for (uint256 i; i < ghosts.length; ++i) {
                if (ghosts[i].bid.token == t) owed += ghosts[i].held;
            }
            eq(handler.tokens(t).balanceOf(address(escrow)), owed, "balance = credits + leases + burnt");
        }
    }

    /// The contract's own view of what a lease holds is the ghost's sum.
    function invariant_LeasesHoldWhatWasPaidIn() public view {
        Ghost[] memory ghosts = handler.ghosts();
        for (uint256 i; i < ghosts.length; ++i) {
            LeaseMoney memory m = escrow.moneyOf(ghosts[i].words);
            eq(m.held, ghosts[i].held, "held");
            eq(m.withdrawn, ghosts[i].withdrawn, "withdrawn");
        }
    }

    /// Money withdrawn before a result is final <= the bond that covers it, less the reserve for a dispute.
    function invariant_AdvancesAreCovered() public view {
        Ghost[] memory ghosts = handler.ghosts();
        for (uint256 i; i < ghosts.length; ++i) {
            if (ghosts[i].bid.leaseClass != uint8(LeaseClass.Job)) continue;
            le(ghosts[i].withdrawn, ghosts[i].bid.bond - RESERVE, "advance <= bond - reserve");
        }
    }

    /// locked <= stake; and locked is exactly the bonds of the leases that live.
    function invariant_LockedIsWithinStake() public view {
        Ghost[] memory ghosts = handler.ghosts();
        for (uint8 t; t < 2; ++t) {
            for (uint256 o; o < 3; ++o) {
                address owner = handler.owners(o);
                uint256 bonds;
                for (uint256 i; i < ghosts.length; ++i) {
                    if (ghosts[i].live && ghosts[i].bid.owner == owner && ghosts[i].bid.token == t) {
                        bonds += ghosts[i].bid.bond;
                    }
                }
                StakeView memory s = staking.stakeOf(owner, t);
                le(s.locked, s.staked, "locked <= staked");
                eq(s.locked, bonds, "locked = bonds of live leases");
            }
        }
    }

    /// Staking holds every stake, every sum that waits, and what is burnt.
    function invariant_StakingIsSolvent() public view {
        for (uint8 t; t < 2; ++t) {
            uint256 owed = staking.burntOf(t) + handler.donatedStake(t);
            for (uint256 o; o < 3; ++o) {
                StakeView memory s = staking.stakeOf(handler.owners(o), t);
                owed += uint256(s.staked) + s.unbonding;
            }
            eq(handler.tokens(t).balanceOf(address(staking)), owed, "balance = stakes + unbonding + burnt");
        }
    }

    /// A result never becomes final while a game about it is open, however many were lost before.
    function invariant_HeldResultsAreNotFinal() public view {
        Ghost[] memory ghosts = handler.ghosts();
        for (uint256 i; i < ghosts.length; ++i) {
            yes(!ghosts[i].wasHeldAtEnd, "ended while held");
            if (!ghosts[i].live) continue;
            LeaseView memory v = view_(ghosts[i].words);
            eq(v.freezes, ghosts[i].freezes, "games");
            if (v.freezes != 0) eq(uint8(v.state), uint8(LeaseState.Posted), "held: posted");
        }
    }

    /// withdrawn <= paid <= funded <= cap, and no more blocks are paid than have passed since the start.
    function invariant_StreamsStayWithinTheirBounds() public view {
        Ghost[] memory ghosts = handler.ghosts();
        for (uint256 i; i < ghosts.length; ++i) {
            LeaseView memory v = view_(ghosts[i].words);
            le(v.withdrawnBlocks, v.paidBlocks, "withdrawn <= paid");
            le(v.paidBlocks, v.fundedBlocks, "paid <= funded");
            le(v.fundedBlocks, ghosts[i].bid.topUpCap, "funded <= cap");
            if (v.startedAt != 0) le(v.paidBlocks, vm.getBlockNumber() - v.startedAt, "paid <= passed");
            else eq(v.paidBlocks, 0, "unstarted");
        }
    }

    /// A result is written once and stays.
    function invariant_ResultsStay() public view {
        Ghost[] memory ghosts = handler.ghosts();
        for (uint256 i; i < ghosts.length; ++i) {
            eq(escrow.resultOf(idOf(ghosts[i].words)), ghosts[i].root, "root");
        }
    }

    /// No call order locks money in for ever: from wherever a run ended, strangers can end every lease, and everybody
    /// can take out all that is his. What stays is what was burnt or given away.
    function afterInvariant() public {
        Ghost[] memory ghosts = handler.ghosts();
        vm.roll(vm.getBlockNumber() + 10_000);
        for (uint256 i; i < ghosts.length; ++i) {
            bytes32[6] memory bid = ghosts[i].words;
            for (uint256 f; f < ghosts[i].freezes && ghosts[i].live; ++f) {
                judge.release(bid);
            }
            LeaseState s = state(bid);
            vm.prank(STRANGER);
            if (s == LeaseState.Posted) escrow.finalize(bid);
            else if (s <= LeaseState.Serving) escrow.expire(bid);
            else vm.stopPrank();
        }
        for (uint8 t; t < 2; ++t) {
            for (uint256 i; i < 3; ++i) {
                _takeAll(handler.clients(i), t);
                _takeAll(handler.owners(i), t);
                _unstakeAll(handler.owners(i), t);
            }
            judge.takeCredits(t, STRANGER, escrow.creditsOf(t, address(judge)));
        }
        vm.roll(vm.getBlockNumber() + UNBONDING + 1);
        for (uint8 t; t < 2; ++t) {
            for (uint256 i; i < 3; ++i) {
                address owner = handler.owners(i);
                if (staking.stakeOf(owner, t).unbonding == 0) continue;
                vm.prank(owner);
                staking.claimUnbonded(t, owner);
            }
            eq(
                handler.tokens(t).balanceOf(address(escrow)),
                escrow.burntOf(t) + handler.donated(t),
                "Escrow keeps what is nobody's"
            );
            eq(
                handler.tokens(t).balanceOf(address(staking)),
                staking.burntOf(t) + handler.donatedStake(t),
                "Staking keeps what is nobody's"
            );
        }
    }

    function _takeAll(address account, uint8 t) private {
        uint256 amount = escrow.creditsOf(t, account);
        vm.prank(account);
        escrow.withdrawCredits(t, account, amount);
    }

    function _unstakeAll(address owner, uint8 t) private {
        StakeView memory s = staking.stakeOf(owner, t);
        eq(s.locked, 0, "every bond is free");
        if (s.staked == 0) return;
        vm.prank(owner);
        staking.unbond(t, s.staked);
    }

    // ------------------------------------------------------------------------------------------- the suite itself

    /// The handler is no idle one: in a long random walk every way to end a lease is taken, and all holds throughout.
    function test_TheWalkReachesEveryEnd() public {
        for (uint256 i; i < 3_000; ++i) {
            handler.act(uint256(keccak256(abi.encode("walk", i))));
            if (i % 100 == 0) this.checkAll();
        }
        this.checkAll();
        for (uint8 s = uint8(LeaseState.Finalized); s <= uint8(LeaseState.Convicted); ++s) {
            yes(
                handler.ended(LeaseState(s)) != 0,
                string.concat("never reached end ", vm.toString(uint256(s)))
            );
        }
        afterInvariant();
    }

    /// @dev Called from outside, so that each time starts with fresh memory.
    function checkAll() external view {
        invariant_EscrowIsSolvent();
        invariant_LeasesHoldWhatWasPaidIn();
        invariant_AdvancesAreCovered();
        invariant_LockedIsWithinStake();
        invariant_StakingIsSolvent();
        invariant_HeldResultsAreNotFinal();
        invariant_StreamsStayWithinTheirBounds();
        invariant_ResultsStay();
    }
}
