// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base} from "../base/Base.sol";
import {vm} from "../base/Vm.sol";
import {IEscrowCore} from "../../src/interfaces/IEscrowCore.sol";
import {IStaking} from "../../src/interfaces/IStaking.sol";
import {Bid, LeaseState} from "../../src/types/Types.sol";

/// @notice One attack, one test: the rules that concern these contracts, each played as the attacker would.
contract RulesTest is Base {
    /// A thief copies a signed bid from the mempool, to burn the provider's nonce.
    function test_Rule01_UnboundBid() public {
        bytes32[6] memory bid = pack(jobBid());
        bytes memory signature = sign(OPERATOR_KEY, bid);
        fundClient(STRANGER, 1_000 ether);
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_NotClient.selector, STRANGER, CLIENT));
        escrow.openLease(bid, signature);
        // With his own name in it, the signature is nobody's.
        bid[0] = bytes32(abi.encodePacked(STRANGER, RATE));
        vm.prank(STRANGER);
        vm.expectRevert();
        escrow.openLease(bid, signature);
        yes(!escrow.isNonceUsed(OWNER, 5), "the nonce is the provider's");
    }

    /// Whoever closes unstarted pays alone; at the deadline both pay; it scales with rate x start deadline, and burns.
    function test_Rule01_ShowUpSums() public {
        Bid memory b = jobBid();
        bytes32[6] memory bid = open(b);
        (uint256 short,) = escrow.showUpOf(bid);
        closeByClient(bid);
        eq(credits(CLIENT) + short, 5_000 ether, "the client alone");
        eq(stakeOf(OWNER).staked, 1_000 ether, "not the provider");
        b.capacityNonce = 50;
        b.startDeadline = 200;
        (uint256 long,) = escrow.showUpOf(pack(b));
        eq(long - SHOW_UP, 10 * (short - SHOW_UP), "scales");
        bid = open(b);
        skip(201);
        escrow.expire(bid);
        eq(credits(CLIENT) + short + long, 5_000 ether, "both: the client");
        eq(stakeOf(OWNER).staked + long, 1_000 ether, "both: the provider");
        eq(escrow.burntOf(0), short + long, "kept, unowned");
        eq(token.balanceOf(address(escrow)), 5_000 ether, "kept, unowned");
    }

    /// Beat, withdraw, compute nothing, close one block before the deadline (or stay away).
    function test_Rule02_PayForNothing() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        run(bid, 245);
        uint256 loot = withdraw(bid);
        eq(loot, 60 ether, "advance");
        vm.roll(1249);
        closeByProvider(bid);
        eq(credits(CLIENT), 5_000 ether, "the client has all back");
        eq(1_000 ether - stakeOf(OWNER).staked, loot + BOND / 8, "and it cost more than the loot");
        Bid memory b = jobBid();
        b.capacityNonce = 50;
        bid = openAndStart(b);
        run(bid, 245);
        withdraw(bid);
        skip(6);
        bytes32 hash = escrow.bidHash(bid);
        vm.expectRevert();
        vm.prank(operator);
        escrow.postResult(OWNER, hash, "late");
        escrow.expire(bid);
        eq(credits(CLIENT), 5_000 ether, "all back");
        eq(1_000 ether - stakeOf(OWNER).staked, 2 * (loot + BOND / 8), "dear again");
    }

    /// Dead for 900 blocks, then one beat.
    function test_Rule03_LateHeartbeat() public {
        Bid memory b = serviceBid();
        b.maxBlocks = 2_000;
        b.topUpCap = 2_000;
        bytes32[6] memory bid = openAndStart(b);
        skip(900);
        beat(bid);
        eq(view_(bid).paidBlocks, b.grace, "grace only");
        skip(4);
        beat(bid);
        eq(view_(bid).paidBlocks, b.grace + 4, "the gap is never caught up");
    }

    /// A client closes just before the provider's batch: the other streams must not gap.
    function test_Rule03_BatchGoesOn() public {
        bytes32[] memory hashes = new bytes32[](3);
        bytes32[6][3] memory bids;
        for (uint64 i; i < 3; ++i) {
            Bid memory b = serviceBid();
            b.capacityNonce = 20 + i;
            bids[i] = openAndStart(b);
            hashes[i] = escrow.bidHash(bids[i]);
        }
        skip(9);
        closeByClient(bids[1]);
        vm.prank(operator);
        escrow.beat(OWNER, hashes);
        eq(view_(bids[0]).paidBlocks, 9, "first");
        eq(view_(bids[1]).paidBlocks, 0, "closed");
        eq(view_(bids[2]).paidBlocks, 9, "last");
    }

    /// Withdraw all that can be, then be convicted: the reserve is there.
    function test_Rule04_NothingLeftForTheChallenger() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        run(bid, 200);
        withdraw(bid);
        post(bid, "garbage");
        withdraw(bid);
        judge.freeze(bid);
        eq(judge.convict(bid, type(uint256).max), RESERVE / 2, "half of the reserve at least");
        eq(credits(CLIENT), 5_000 ether, "after the client");
    }

    /// The client fetches the outputs and closes before `finalize`, or just before `postResult`.
    function test_Rule05_ClosingToSteal() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        run(bid, 30);
        closeByClient(bid); // front-runs the posting below
        skip(8);
        post(bid, "root");
        vm.expectRevert();
        closeByClient(bid);
        vm.expectRevert();
        escrow.expire(bid);
        skip(60);
        escrow.finalize(bid);
        eq(credits(OWNER), 38 ether + FEE, "paid in full");
    }

    /// A challenged cheat looks for a cheaper exit than conviction.
    function test_Rule05_CheatCannotClose() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        post(bid, "garbage");
        judge.freeze(bid);
        vm.expectRevert();
        closeByProvider(bid);
        skip(5_000);
        vm.expectRevert();
        escrow.expire(bid);
        vm.expectRevert();
        escrow.finalize(bid);
        judge.convict(bid, 0);
        eq(stakeOf(OWNER).staked, 900 ether, "the whole bond");
    }

    /// One sham game is lost; the result must not become final while another is open, nor at once after.
    function test_Rule06_LostGamesFinaliseNothing() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        post(bid, "garbage");
        for (uint256 i; i < 5; ++i) {
            judge.freeze(bid);
        }
        skip(60);
        for (uint256 i; i < 4; ++i) {
            judge.release(bid);
            inState(bid, LeaseState.Posted);
            vm.expectRevert();
            escrow.finalize(bid);
        }
        judge.convict(bid, 0);
        inState(bid, LeaseState.Convicted);
    }

    /// A thief holds the operator key: his own client, the largest bond, garbage, a conviction by himself.
    function test_Rule07_StolenOperatorKey() public {
        Bid memory b = jobBid();
        b.client = STRANGER;
        fundClient(STRANGER, 10_000 ether);
        b.bond = 1_000 ether;
        bytes32[6] memory dear = pack(b);
        bytes memory signature = sign(OPERATOR_KEY, dear);
        vm.prank(STRANGER);
        vm.expectRevert(
            abi.encodeWithSelector(IStaking.Staking_OverLeaseCap.selector, OWNER, 1_000 ether, BOND)
        );
        escrow.openLease(dear, signature);
        vm.prank(OWNER);
        staking.setCaps(0, BOND, 2 * BOND);
        b.bond = BOND;
        b.capacityNonce = 100;
        bytes32[6] memory running = openAndStart(b);
        b.capacityNonce = 101;
        bytes32[6] memory opened = open(b);
        b.capacityNonce = 102;
        bytes32[6] memory third = pack(b);
        signature = sign(OPERATOR_KEY, third);
        vm.prank(STRANGER);
        vm.expectRevert(
            abi.encodeWithSelector(IStaking.Staking_OverTotalCap.selector, OWNER, 3 * BOND, 2 * BOND)
        );
        escrow.openLease(third, signature);
        // Replaced: unopened bids, starts, beats, posts and closes of the old key are void at once.
        address next = vm.addr(0xF5E5);
        vm.prank(OWNER);
        escrow.setOperator(next);
        vm.prank(OWNER);
        staking.setCaps(0, BOND, 1_000 ether);
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_NotSigned.selector, operator, next));
        escrow.openLease(third, signature);
        bytes memory notOperator =
            abi.encodeWithSelector(IEscrowCore.Escrow_NotOperator.selector, operator, next);
        vm.expectRevert(notOperator);
        start(opened);
        bytes32[] memory hashes = new bytes32[](1);
        hashes[0] = escrow.bidHash(running);
        vm.prank(operator);
        vm.expectRevert(notOperator);
        escrow.beat(OWNER, hashes);
        vm.prank(operator);
        vm.expectRevert(notOperator);
        escrow.postResult(OWNER, hashes[0], keccak256("garbage"));
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_NotProvider.selector, operator, OWNER));
        closeByProvider(opened);
        // What the thief could not do, the new key can.
        operator = next;
        start(opened);
        beat(running);
        post(running, keccak256("result"));
        closeByProvider(opened);
        inState(running, LeaseState.Posted);
        inState(opened, LeaseState.ProviderClosed);
    }

    /// The operator key moves neither stake nor money.
    function test_Rule07_OperatorKeyCannotTakeMoney() public {
        bytes32[6] memory bid = openAndStart(serviceBid());
        run(bid, 50);
        vm.startPrank(operator);
        bytes32[6][] memory bids = new bytes32[6][](1);
        bids[0] = bid;
        escrow.withdraw(bids);
        eq(token.balanceOf(operator), 0, "the owner is paid");
        eq(token.balanceOf(OWNER), 50 ether, "the owner is paid");
        vm.expectRevert();
        staking.unbond(0, 1 ether);
        vm.expectRevert();
        escrow.withdrawCredits(0, operator, 1);
        vm.stopPrank();
    }

    /// Two results for one lease.
    function test_Rule08_Equivocation() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        post(bid, "one");
        bytes32 hash = escrow.bidHash(bid);
        vm.startPrank(operator);
        vm.expectRevert();
        escrow.postResult(OWNER, hash, "two");
        vm.stopPrank();
        judge.freeze(bid);
        judge.release(bid);
        vm.prank(operator);
        vm.expectRevert();
        escrow.postResult(OWNER, hash, "two");
        eq(escrow.resultOf(idOf(bid)), "one", "the first stands");
    }

    /// A stranger extends a lease for ever, or makes a provider that has finished look silent.
    function test_Rule09_TopUpsAsAWeapon() public {
        bytes32[6] memory bid = openAndStart(serviceBid());
        fundClient(STRANGER, 1_000 ether);
        run(bid, 200); // all funds earned; the provider need not beat any more
        skip(30);
        vm.prank(STRANGER);
        vm.expectRevert();
        escrow.topUp(bid, 100);
        closeByProvider(bid);
        eq(stakeOf(OWNER).staked, 1_000 ether, "no silence is charged");
        Bid memory b = jobBid();
        b.capacityNonce = 70;
        bid = openAndStart(b);
        uint48 deadline = view_(bid).deadline;
        vm.startPrank(STRANGER);
        vm.expectRevert();
        escrow.topUp(bid, 101);
        escrow.topUp(bid, 100);
        eq(view_(bid).deadline, deadline, "deadlines stay");
        vm.roll(deadline + 1);
        vm.expectRevert();
        escrow.topUp(bid, 0);
        vm.stopPrank();
    }

    /// Ten auctions, one GPU: one lease.
    function test_Rule10_BidsOfOneNonceExcludeEachOther() public {
        uint256 opened;
        for (uint256 i; i < 10; ++i) {
            Bid memory b = jobBid();
            b.jobHash = bytes32(i);
            bytes32[6] memory bid = pack(b);
            bytes memory signature = sign(OPERATOR_KEY, bid);
            vm.prank(CLIENT);
            try escrow.openLease(bid, signature) {
                ++opened;
            } catch {}
        }
        eq(opened, 1, "bound once");
    }

    /// Shams fill the counter of open games: 16 bits are not enough to do that.
    function test_Rule11_ShamGamesCannotFillTheCounter() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        post(bid, "root");
        for (uint256 i; i < 300; ++i) {
            judge.freeze(bid);
        }
        eq(view_(bid).freezes, 300, "beyond 8 bits");
        // Put 65,535 games into the slot, as shams would over time, and open one more.
        bytes32 slot = keccak256(abi.encode(idOf(bid), uint256(0)));
        uint256 word = uint256(vm.load(address(escrow), slot));
        eq(word & type(uint32).max, 300, "the slot");
        vm.store(address(escrow), slot, bytes32(word - 300 + 65_535));
        judge.freeze(bid);
        eq(view_(bid).freezes, 65_536, "beyond 16 bits");
        eq(uint8(view_(bid).state), uint8(LeaseState.Posted), "nothing else moved");
    }

    /// Stake in one token does not cover a bond in another.
    function test_Rule12_StakeIsInTheLeasesToken() public {
        other.mint(CLIENT, 1_000e6);
        vm.startPrank(CLIENT);
        other.approve(address(escrow), 1_000e6);
        escrow.deposit(1, CLIENT, 1_000e6);
        vm.stopPrank();
        Bid memory b = jobBid();
        (b.token, b.ratePerBlock, b.completionFee, b.bond) = (1, 1e6, 1e6, 100e6);
        bytes32[6] memory bid = pack(b);
        bytes memory signature = sign(OPERATOR_KEY, bid);
        vm.prank(CLIENT);
        vm.expectRevert(abi.encodeWithSelector(IStaking.Staking_OverLeaseCap.selector, OWNER, 100e6, 0));
        escrow.openLease(bid, signature);
    }

    /// The private flag and the delegates are part of what the provider signed, and reach whoever judges.
    function test_Rule23_PrivateTermsAreSigned() public {
        Bid memory b = jobBid();
        b.flags = 1;
        b.delegates = keccak256(abi.encodePacked(STRANGER));
        bytes32[6] memory bid = pack(b);
        bytes memory signature = sign(OPERATOR_KEY, bid);
        bytes32[6] memory stripped = pack(b);
        stripped[3] = 0;
        vm.prank(CLIENT);
        vm.expectRevert();
        escrow.openLease(stripped, signature);
        stripped = pack(jobBid());
        vm.prank(CLIENT);
        vm.expectRevert();
        escrow.openLease(stripped, signature);
        vm.prank(CLIENT);
        escrow.openLease(bid, signature);
        eq(escrow.decodeBid(bid).delegates, b.delegates, "delegates");
        eq(escrow.decodeBid(bid).flags, 1, "private");
    }

    /// ERC-1271 wallets need no signature here: they call. A contract is client and owner of one lease.
    function test_ContractWalletsAsClientAndOwner() public {
        Wallet client = new Wallet();
        Wallet owner = new Wallet();
        token.mint(address(client), 1_000 ether);
        token.mint(address(owner), 1_000 ether);
        client.exec(address(token), abi.encodeCall(token.approve, (address(escrow), 1_000 ether)));
        owner.exec(address(token), abi.encodeCall(token.approve, (address(staking), 1_000 ether)));
        owner.exec(address(staking), abi.encodeCall(staking.stake, (0, 1_000 ether, BOND, BOND)));
        owner.exec(address(escrow), abi.encodeCall(escrow.register, (operator, "")));
        Bid memory b = jobBid();
        (b.client, b.owner) = (address(client), address(owner));
        bytes32[6] memory bid = pack(b);
        bytes memory signature = sign(OPERATOR_KEY, bid);
        client.exec(address(escrow), abi.encodeCall(escrow.openLeaseFromWallet, (bid, signature)));
        inState(bid, LeaseState.Opened);
        client.exec(address(escrow), abi.encodeCall(escrow.closeByClient, (bid)));
        inState(bid, LeaseState.ClientClosed);
    }
}

/// @notice A contract wallet that does what it is told.
contract Wallet {
    function exec(address to, bytes calldata data) external {
        (bool ok, bytes memory reason) = to.call(data);
        if (!ok) {
            assembly {
                revert(add(reason, 0x20), mload(reason))
            }
        }
    }
}
