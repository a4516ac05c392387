// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeEvents} from "../../src/interfaces/IDisputeEvents.sol";
import {Phase, Position, Verdict} from "../../src/types/DisputeTypes.sol";
import {LeaseState} from "../../src/types/Types.sol";
import {Claiming, GameCalls} from "../base/GameCalls.sol";
import {GamePlay} from "../base/GamePlay.sol";
import {vm} from "../base/Vm.sol";

/// @notice disputeRewards.tree: claims, shares, and what everybody gets back.
/// @dev The bond is 100, 40 of it were withdrawn: half of the other 60 is the reward. A dispute's gas is worth 10.
contract DisputeRewardsTest is GamePlay {
    using GameCalls for *;

    bytes4 private constant WRONG_PHASE = IDisputeEvents.Disputes_WrongPhase.selector;
    uint256 private constant REWARD = 30 ether;
    uint256 private constant GAS_WORTH = 10 ether;

    bytes private badSeal = abi.encodeWithSelector(IDisputeEvents.Disputes_BadSeal.selector);
    address[] private players;

    /// @dev So many games that moved, all sealed to the node's right value, beside one that convicts by it.
    function _convictBeside(uint256 node_, uint256 others) private returns (uint256 landedAt) {
        for (uint256 i; i < others; ++i) {
            openAs(node_, address(uint160(0xD000 + i)), SALT);
            players.push(me);
            if (i == 0) trace();
            else vm.roll(block.number - 1);
        }
        skip(1);
        here = Position(disputes.traceOf(case_), 0, 0, address(0));
        for (uint256 i = 1; i < others; ++i) {
            (me, seal) = (players[i], sealFor(node_, players[i], SALT));
            does(me, jumping().data());
        }
        openAs(node_, CHALLENGER, SALT);
        if (others == 0) trace();
        landedAt = _win(node_);
    }

    function _win(uint256 node_) private returns (uint256 landedAt) {
        if (here.operator == address(0)) _adoptedWay();
        else _way();
        landedAt = block.number;
        land();
        if (node_ == PRODUCT) {
            if (here.operator != operator) revert Untrue("operator");
            downToLeaves();
            does(me, naming().data());
            running();
            does(me, segmentArgs(FALSE_SEGMENT).data());
        } else {
            does(me, proving().data());
        }
        inPhase(Phase.Won);
        skip(1);
    }

    function _way() private {
        pick(node >> 1);
        reveal();
    }

    function _adoptedWay() private {
        does(me, jumping().data());
        (bytes32[] memory up,) = upFrom(level5(), node >> 1);
        (here.left, here.anchor) = (leftOf(0, node >> 1, up), level5()[node >> 1]);
        does(operator, abi.encodeCall(disputes.adopt, (OWNER, escrow.bidHash(bid), case_, me, seal, here)));
        here.operator = operator;
        bytes32[] memory two = part(roots, node & ~uint256(1), 2);
        does(operator, abi.encodeCall(disputes.reveal, (game, 0, here.left, two, new bytes32[](0))));
        skip(1);
    }

    function _claimed(address who, uint256 node_, uint256 landedAt) private {
        does(who, claiming(node_, landedAt).data());
    }

    function _settle() private {
        vm.roll(uint256(disputes.verdictOf(case_.leaseId).since) + CLAIM_PERIOD + 1);
        disputes.settle(bid);
    }

    // ------------------------------------------------------------------------------------------------ shares

    /// With nobody else the convicting game has all of it.
    function test_OneClaim() public {
        uint256 landedAt = _convictBeside(COPY, 0);
        uint256 held = uint256(now_().bond) * 1 gwei;
        _claimed(CHALLENGER, COPY, landedAt);
        Verdict memory v = disputes.verdictOf(case_.leaseId);
        eq(v.claims, 1, "claims");
        yes(v.won, "the convicting one");
        _settle();
        eq(disputes.verdictOf(case_.leaseId).reward, REWARD, "half of what is left of the bond");
        inState(bid, LeaseState.Convicted);
        (uint256 coin, uint256 reward) = collect(CHALLENGER, seal);
        eq(coin, held, "the bond");
        eq(reward, REWARD, "the reward");
        eq(address(disputes).balance, 0, "no coin is left");
        eq(credits(CLIENT), 5_000 ether, "the client is whole");
        eq(staking.burntOf(0), 30 ether, "the rest burns");
    }

    function test_NoClaim() public {
        _convictBeside(COPY, 0);
        _settle();
        eq(disputes.verdictOf(case_.leaseId).reward, 0, "nobody asked");
        eq(staking.burntOf(0), 60 ether, "all burns");
        (uint256 coin, uint256 reward) = collect(CHALLENGER, seal);
        yes(coin != 0, "the bond comes back");
        eq(reward, 0, "no reward");
    }

    /// The convicting game's gas first, then even shares, rounded down.
    function _shares(uint256 others) private {
        uint256 landedAt = _convictBeside(COPY, others);
        bytes32 own = seal;
        for (uint256 i; i < others; ++i) {
            _claimed(players[i], COPY, landedAt);
        }
        _claimed(CHALLENGER, COPY, landedAt);
        _settle();
        uint256 share = (REWARD - GAS_WORTH) / (others + 1);
        uint256 sum;
        (, uint256 reward) = collect(CHALLENGER, own);
        eq(reward, GAS_WORTH + share, "the convicting one");
        sum += reward;
        for (uint256 i; i < others; ++i) {
            (, reward) = collect(players[i], sealFor(COPY, players[i], SALT));
            eq(reward, share, "an even share");
            sum += reward;
        }
        le(sum, REWARD, "no more than there is");
        le(REWARD - sum, others, "dust");
        eq(escrow.creditsOf(0, address(disputes)), REWARD - sum, "dust");
        eq(address(disputes).balance, 0, "all coin is out");
    }

    function test_TwoClaims() public {
        _shares(1);
    }

    function test_FiftyOneClaims() public {
        _shares(50);
    }

    /// If the convicting one does not claim, nothing is set aside for it.
    function test_TheOthersAlone() public {
        uint256 landedAt = _convictBeside(COPY, 2);
        for (uint256 i; i < 2; ++i) {
            _claimed(players[i], COPY, landedAt);
        }
        _settle();
        for (uint256 i; i < 2; ++i) {
            (, uint256 reward) = collect(players[i], sealFor(COPY, players[i], SALT));
            eq(reward, REWARD / 2, "half");
        }
        (, uint256 none) = collect(CHALLENGER, seal);
        eq(none, 0, "no claim, no share");
    }

    // ------------------------------------------------------------------------------------------------ claims

    function test_ClaimOfAnOutput() public {
        toLanded(OUTPUT_OF_OUTPUT);
        uint256 landedAt = block.number - 1;
        does(me, proving().data());
        skip(1);
        _claimed(me, OUTPUT_OF_OUTPUT, landedAt);
        inPhase(Phase.Claimed);
        eq(now_().chosen, 1, "the convicting one");
    }

    function test_ClaimOfAChain() public {
        uint256 landedAt = _convictBeside(PRODUCT, 1);
        _claimed(CHALLENGER, PRODUCT, landedAt);
        inPhase(Phase.Claimed);
        _claimed(players[0], PRODUCT, landedAt);
    }

    /// Any element but the provider's counts in a chain; the provider's own does not.
    function test_ClaimOfTheProvidersOwn() public {
        node = PRODUCT;
        me = CHALLENGER;
        (, bytes32 traceRoot) = upFrom(roots, 0);
        seal = cut(keccak256(abi.encode(traceRoot, OTHER_ROOT, me, case_.leaseId, ITEM, SALT)));
        openSealed(bond());
        trace();
        uint256 landedAt = _win(PRODUCT);
        Claiming memory a = claiming(PRODUCT, landedAt);
        a.leaf = leavesOf(PRODUCT)[LEAF];
        (a.above,) = upFrom(roots, PRODUCT);
        no(me, a.data(), badSeal);
    }

    function test_ClaimOfAWrongValue() public {
        uint256 landedAt = _convictBeside(COPY, 0);
        Claiming memory a = claiming(COPY, landedAt);
        a.leaf[OFFSET] ^= 0x02;
        no(me, a.data(), badSeal);
    }

    /// What is left of the place has to be the provider's: nobody seals made-up numbers.
    function test_ClaimThatDiffersOnTheLeft() public {
        uint256 landedAt = _convictBeside(COPY, 0);
        Claiming memory a = claiming(COPY, landedAt);
        a.leaf[OFFSET - 1] ^= 0x01;
        no(me, a.data(), badSeal);
        a = claiming(COPY, landedAt);
        a.siblings[0] = any(0); // leaf 2
        no(me, a.data(), badSeal);
        a = claiming(COPY, landedAt);
        a.above[1] = any(0); // nodes 40 and 41
        no(me, a.data(), badSeal);
        a = claiming(COPY, landedAt);
        a.siblings = new bytes32[](3);
        no(me, a.data(), badSeal);
    }

    /// What is right of it may differ, and makes another seal.
    function test_ClaimOfAnotherSeal() public {
        uint256 landedAt = _convictBeside(COPY, 0);
        for (uint256 i; i < 5; ++i) {
            Claiming memory a = claiming(COPY, landedAt);
            if (i == 0) a.salt = "another";
            if (i == 1) a.other = any(0);
            if (i == 2) a.leaf[OFFSET + 4] ^= 0x01;
            if (i == 3) a.siblings[3] = any(0);
            if (i == 4) a.above[0] = any(0); // node 43
            as_(me);
            (bool ok, bytes memory why) = address(disputes).call(a.data());
            yes(!ok && bytes4(why) == WRONG_PHASE, "no such game");
        }
    }

    function test_ClaimElsewhere() public {
        uint256 landedAt = _convictBeside(COPY, 0);
        bytes memory why = with(IDisputeEvents.Disputes_WrongPlace.selector, caseId());
        for (uint256 i; i < 9; ++i) {
            Claiming memory a = claiming(COPY, landedAt);
            if (i == 0) a.place.node += 1;
            if (i == 1) a.place.output = 1;
            if (i == 2) a.place.leaf += 1;
            if (i == 3) a.place.offset += 4;
            if (i == 4) a.place.width = 1;
            if (i == 5) a.place.left = any(0);
            if (i == 6) a.place.right ^= 1;
            if (i == 7) a.place.exact = false;
            if (i == 8) a.place.landedAt += 1;
            no(me, a.data(), why);
        }
        Claiming memory b = claiming(COPY, landedAt);
        b.case_.item = 1;
        b.place.caseId = idOfCase(b.case_);
        no(me, b.data(), with(IDisputeEvents.Disputes_WrongPlace.selector, b.place.caseId));
        b.place.caseId = caseId();
        bytes32 other = idOfCase(b.case_);
        no(me, b.data(), with(IDisputeEvents.Disputes_WrongPlace.selector, other));
        b = claiming(COPY, landedAt);
        b.leaf = new bytes(127);
        no(me, b.data(), with(IDisputeEvents.Disputes_Count.selector, 128, 127));
    }

    function test_ClaimTwice() public {
        uint256 landedAt = _convictBeside(COPY, 0);
        _claimed(me, COPY, landedAt);
        no(me, claiming(COPY, landedAt).data(), abi.encodeWithSelector(WRONG_PHASE, game, Phase.Claimed));
    }

    function test_ClaimOfAGameThatNeverMoved() public {
        openAs(COPY, STRANGER, SALT);
        bytes32 idle = game;
        uint256 landedAt = _convictBeside(COPY, 0);
        game = idle;
        no(STRANGER, claiming(COPY, landedAt).data(), abi.encodeWithSelector(WRONG_PHASE, idle, Phase.Trace));
    }

    /// A game that stands as it was opened: a move in the same block is none. One later is, also after the conviction.
    function test_ClaimOfAGameThatMovesAfterTheConviction() public {
        node = COPY;
        toPick();
        (bytes32 winning, Position memory spot) = (seal, here);
        openAs(COPY, address(0xD000), SALT);
        vm.roll(block.number - 1);
        does(me, jumping().data());
        openAs(COPY, STRANGER, SALT);
        (bytes32 his, bytes32 idle, Position memory start) = (seal, game, here);
        (me, seal, game, here) = (CHALLENGER, winning, gameId(case_, CHALLENGER, winning), spot);
        uint256 landedAt = _win(COPY);
        (me, seal, game, here) = (STRANGER, his, idle, start);
        no(STRANGER, claiming(COPY, landedAt).data(), abi.encodeWithSelector(WRONG_PHASE, idle, Phase.Pick));
        does(STRANGER, jumping().data());
        _claimed(STRANGER, COPY, landedAt);
        inPhase(Phase.Claimed);
        game = gameId(case_, address(0xD000), sealFor(COPY, address(0xD000), SALT));
        bytes memory still = abi.encodeWithSelector(WRONG_PHASE, game, Phase.Reveal);
        no(address(0xD000), claiming(COPY, landedAt).data(), still);
    }

    /// A byte outside the shape ought to be zero, so what is right there is known.
    function test_ClaimOfAByteOutside() public {
        bytes[] memory own = leavesOf(RAGGED);
        own[11][127] = 0;
        bytes32[] memory mine = roots;
        mine[RAGGED] = tensorRoot(own);
        (, bytes32 traceRoot) = upFrom(mine, 0);
        (me, node) = (CHALLENGER, RAGGED);
        seal = cut(keccak256(abi.encode(traceRoot, OTHER_ROOT, me, case_.leaseId, ITEM, SALT)));
        openSealed(bond());
        trace();
        _way();
        uint256 landedAt = block.number;
        land();
        does(me, provingOutside(11, 127).data());
        skip(1);
        Claiming memory a;
        (a.case_, a.salt, a.other, a.leaf) = (case_, SALT, OTHER_ROOT, own[11]);
        (a.siblings,) = upFrom(hashesOf(own), 11);
        (a.above,) = upFrom(mine, RAGGED);
        (a.place.caseId, a.place.node, a.place.leaf) = (caseId(), uint32(RAGGED), 11);
        (a.place.offset, a.place.width, a.place.claimed, a.place.exact) = (127, 1, 0x07, true);
        a.place.landedAt = uint32(landedAt);
        a.place.left = leftOf(leftOf(0, RAGGED, a.above), 11, a.siblings);
        a.place.left = cut(keccak256(abi.encodePacked(a.place.left, new bytes(127))));
        a.leaf[127] = 0x06;
        no(me, a.data(), badSeal);
        a.leaf[127] = 0;
        does(me, a.data());
        inPhase(Phase.Claimed);
    }

    function test_ClaimOfALostGame() public {
        openAs(COPY, STRANGER, SALT);
        trace();
        does(me, abi.encodeCall(disputes.resign, (bid, case_, seal)));
        bytes32 lost = game;
        openAs(COPY, CHALLENGER, SALT);
        uint256 landedAt = _win(COPY);
        game = lost;
        no(STRANGER, claiming(COPY, landedAt).data(), abi.encodeWithSelector(WRONG_PHASE, lost, Phase.Lost));
    }

    function test_ClaimPeriod() public {
        uint256 landedAt = _convictBeside(COPY, 1);
        uint256 until = uint256(disputes.verdictOf(case_.leaseId).since) + CLAIM_PERIOD;
        vm.roll(until);
        bytes memory early = with(IDisputeEvents.Disputes_TooEarly.selector, until);
        no(STRANGER, abi.encodeCall(disputes.settle, (bid)), early);
        _claimed(me, COPY, landedAt);
        vm.roll(until + 1);
        no(players[0], claiming(COPY, landedAt).data(), with(IDisputeEvents.Disputes_TooLate.selector, until));
        disputes.settle(bid);
        bytes memory not =
            abi.encodeWithSelector(IDisputeEvents.Disputes_NotConvicted.selector, case_.leaseId);
        no(players[0], claiming(COPY, landedAt).data(), not);
        no(STRANGER, abi.encodeCall(disputes.settle, (bid)), not);
    }

    function test_BeforeAConviction() public {
        node = COPY;
        toPick();
        bytes memory not =
            abi.encodeWithSelector(IDisputeEvents.Disputes_NotConvicted.selector, case_.leaseId);
        no(me, claiming(COPY, 0).data(), not);
        no(me, abi.encodeCall(disputes.claimSilence, (case_, seal)), not);
        no(me, abi.encodeCall(disputes.settle, (bid)), not);
        no(me, abi.encodeCall(disputes.collect, (bid, case_, seal)), not);
    }

    // ----------------------------------------------------------------------------------------------- silence

    /// Gas back for every game that was open, the convicting one first; the rest burns.
    function test_Silence() public {
        open(COPY);
        bytes32 convicting = seal;
        openAs(COPY, STRANGER, SALT);
        bytes32 other = seal;
        skip(60);
        does(STRANGER, abi.encodeCall(disputes.timeout, (bid, case_, CHALLENGER, convicting)));
        skip(1);
        no(CHALLENGER, claiming(COPY, 0).data(), _notConvicted());
        does(STRANGER, abi.encodeCall(disputes.claimSilence, (case_, other)));
        does(CHALLENGER, abi.encodeCall(disputes.claimSilence, (case_, convicting)));
        no(
            CHALLENGER,
            abi.encodeCall(disputes.claimSilence, (case_, convicting)),
            abi.encodeWithSelector(WRONG_PHASE, gameId(case_, CHALLENGER, convicting), Phase.Claimed)
        );
        _settle();
        eq(disputes.verdictOf(case_.leaseId).reward, 2 * GAS_WORTH, "gas of two");
        (uint256 coin, uint256 reward) = collect(CHALLENGER, convicting);
        yes(coin != 0, "bond");
        eq(reward, GAS_WORTH, "its gas");
        (coin, reward) = collect(STRANGER, other);
        yes(coin != 0, "bond");
        eq(reward, GAS_WORTH, "its gas");
        eq(address(disputes).balance, 0, "all coin is out");
        eq(staking.burntOf(0), 40 ether, "the rest burns");
    }

    /// Where half of the bond is not enough, the convicting game comes first.
    function test_SilenceOfMany() public {
        open(COPY);
        bytes32 convicting = seal;
        for (uint256 i; i < 5; ++i) {
            openAs(COPY, address(uint160(0xD000 + i)), SALT);
            players.push(me);
        }
        vm.roll(block.number + 100);
        does(STRANGER, abi.encodeCall(disputes.timeout, (bid, case_, CHALLENGER, convicting)));
        for (uint256 i; i < 5; ++i) {
            bytes32 own = sealFor(COPY, players[i], SALT);
            does(players[i], abi.encodeCall(disputes.claimSilence, (case_, own)));
        }
        does(CHALLENGER, abi.encodeCall(disputes.claimSilence, (case_, convicting)));
        _settle();
        (, uint256 reward) = collect(CHALLENGER, convicting);
        eq(reward, GAS_WORTH, "first");
        for (uint256 i; i < 5; ++i) {
            (, reward) = collect(players[i], sealFor(COPY, players[i], SALT));
            eq(reward, (REWARD - GAS_WORTH) / 5, "then the others");
        }
    }

    function test_SilenceOpenedTooLate() public {
        open(COPY);
        bytes32 convicting = seal;
        uint256 end = uint256(now_().movedAt) + now_().providerLeft;
        vm.roll(end + 1);
        openAs(COPY, STRANGER, SALT);
        vm.roll(end + 1); // the same block
        does(STRANGER, abi.encodeCall(disputes.timeout, (bid, case_, CHALLENGER, convicting)));
        bytes memory late = abi.encodeWithSelector(
            IDisputeEvents.Disputes_NotOpenedInTime.selector, uint32(end + 1), uint32(end + 1)
        );
        no(STRANGER, abi.encodeCall(disputes.claimSilence, (case_, seal)), late);
    }

    function _notConvicted() private view returns (bytes memory) {
        return abi.encodeWithSelector(IDisputeEvents.Disputes_NotConvicted.selector, case_.leaseId);
    }

    // ----------------------------------------------------------------------------------------------- collect

    /// In either order: bond first and reward after it is settled, or both at once; nothing twice.
    function test_CollectInSteps() public {
        uint256 landedAt = _convictBeside(COPY, 0);
        _claimed(me, COPY, landedAt);
        (uint256 coin, uint256 reward) = collect(me, seal);
        yes(coin != 0 && reward == 0, "the bond, at once");
        bytes memory nothing = with(IDisputeEvents.Disputes_NothingToCollect.selector, game);
        no(me, abi.encodeCall(disputes.collect, (bid, case_, seal)), nothing);
        _settle();
        (coin, reward) = collect(me, seal);
        yes(coin == 0 && reward == REWARD, "the reward");
        no(me, abi.encodeCall(disputes.collect, (bid, case_, seal)), nothing);
    }

    function test_CollectByAnother() public {
        uint256 landedAt = _convictBeside(COPY, 0);
        _claimed(me, COPY, landedAt);
        _settle();
        bytes32 his = gameId(case_, STRANGER, seal);
        bytes memory nothing = with(IDisputeEvents.Disputes_NothingToCollect.selector, his);
        no(STRANGER, abi.encodeCall(disputes.collect, (bid, case_, seal)), nothing);
    }

    /// Collecting early takes no claim away.
    function test_CollectThenClaim() public {
        uint256 landedAt = _convictBeside(COPY, 0);
        collect(me, seal);
        _claimed(me, COPY, landedAt);
        _settle();
        (, uint256 reward) = collect(me, seal);
        eq(reward, REWARD, "the reward");
    }

    function test_WithdrawCoin() public {
        node = COPY;
        toPick();
        uint256 held = uint256(now_().bond) * 1 gwei;
        does(me, abi.encodeCall(disputes.resign, (bid, case_, seal)));
        eq(disputes.coinOf(OWNER), held, "owed");
        does(STRANGER, abi.encodeCall(disputes.withdrawCoin, (STRANGER)));
        eq(address(disputes).balance, held, "not the stranger's");
        no(
            OWNER,
            abi.encodeCall(disputes.withdrawCoin, (address(this))),
            abi.encodeWithSelector(IDisputeEvents.Disputes_NotSent.selector, address(this), held)
        );
        does(OWNER, abi.encodeCall(disputes.withdrawCoin, (address(0xF00D))));
        eq(address(0xF00D).balance, held, "where it was asked");
        does(OWNER, abi.encodeCall(disputes.withdrawCoin, (address(0xF00D))));
        eq(address(disputes).balance, 0, "once");
    }
}
