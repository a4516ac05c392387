// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {IStaking} from "../../src/interfaces/IStaking.sol";
import {ILocalToken} from "./ILocalToken.sol";
import {
    Bid,
    ClockKind,
    Deployment,
    LeaseClass,
    LeaseId,
    LeaseMoney,
    LeaseState,
    LeaseView,
    Listing,
    Permit,
    Seat,
    StakeView
} from "../../src/types/Types.sol";
import {Assertions} from "./Assertions.sol";
import {TestJudge} from "./TestJudge.sol";
import {vm} from "./Vm.sol";

/// @notice A deployment with two tokens and a judge, one client and one staked provider, and bids to try.
abstract contract Base is Assertions {
    uint256 internal constant OPERATOR_KEY = 0xA11CE;
    uint256 internal constant THIEF_KEY = 0xBAD;
    address internal constant CLIENT = address(0xC11E);
    address internal constant OWNER = address(0x0ABC);
    address internal constant STRANGER = address(0x57);

    uint96 internal constant RESERVE = 40 ether;
    uint96 internal constant BOND = 100 ether;
    uint96 internal constant RATE = 1 ether;
    uint96 internal constant FEE = 7 ether;
    uint96 internal constant SHOW_UP = 2 ether;
    uint16 internal constant SHOW_UP_BPS = 500;
    uint32 internal constant MAX_WINDOW = 1000;
    uint32 internal constant UNBONDING = 1600;
    uint8 internal constant TAPE = 1;

    IEscrow internal escrow;
    IStaking internal staking;
    ILocalToken internal token;
    ILocalToken internal other;
    TestJudge internal judge;
    address internal operator;

    function setUp() public virtual {
        vm.roll(1000);
        operator = vm.addr(OPERATOR_KEY);
        token = deployToken("Credit", "CRD", 18);
        other = deployToken("Other", "OTH", 6);
        judge = new TestJudge();
        escrow = deployEscrow(deployment());
        staking = escrow.staking();
        judge.setHost(escrow);
        fundClient(CLIENT, 10_000 ether);
        enrol(OWNER, operator, 1_000 ether);
    }

    function deployEscrow(Deployment memory d) internal returns (IEscrow) {
        return IEscrow(vm.deployCode("Escrow.sol:Escrow", abi.encode(d)));
    }

    function deployToken(string memory name, string memory symbol, uint8 decimals)
        internal
        returns (ILocalToken)
    {
        return ILocalToken(vm.deployCode("LocalToken.sol:LocalToken", abi.encode(name, symbol, decimals)));
    }

    function deployment() internal view virtual returns (Deployment memory d) {
        d.tokens = new Listing[](2);
        d.tokens[0] = Listing(address(token), RESERVE, SHOW_UP, SHOW_UP_BPS);
        d.tokens[1] = Listing(address(other), 40e6, 2e6, SHOW_UP_BPS);
        d.seats = new Seat[](1);
        d.seats[0] = Seat(address(judge), TAPE);
        d.clockKind = ClockKind.BlockNumber;
        d.minGrace = 2;
        d.maxChallengeWindow = MAX_WINDOW;
        d.gameSpan = 500;
        d.unbondingDelay = UNBONDING;
    }

    /// @dev Half in the wallet (approved), half as credits.
    function fundClient(address client, uint256 amount) internal {
        token.mint(client, amount);
        vm.startPrank(client);
        token.approve(address(escrow), type(uint256).max);
        escrow.deposit(0, client, amount / 2);
        vm.stopPrank();
    }

    function enrol(address owner, address operator_, uint128 amount) internal {
        token.mint(owner, amount);
        vm.startPrank(owner);
        token.approve(address(staking), amount);
        staking.stake(0, amount, BOND, amount);
        escrow.register(operator_, "registration");
        vm.stopPrank();
    }

    function permit(uint256 key, address spender, uint256 value) internal returns (Permit memory p) {
        address owner = vm.addr(key);
        bytes32 hash = keccak256(
            abi.encode(
                keccak256(
                    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
                ),
                owner,
                spender,
                value,
                token.nonces(owner),
                type(uint256).max
            )
        );
        p.value = value;
        p.deadline = type(uint256).max;
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), hash));
        (p.v, p.r, p.s) = vm.sign(key, digest);
    }

    // --------------------------------------------------------------------------------------------------- bids

    function jobBid() internal view returns (Bid memory b) {
        b.client = CLIENT;
        b.ratePerBlock = RATE;
        b.owner = OWNER;
        b.completionFee = FEE;
        b.jobHash = keccak256("job");
        b.bond = BOND;
        b.capacityNonce = 5;
        b.expiry = uint48(block.number + 10_000);
        b.startDeadline = 20;
        b.grace = 10;
        b.maxBlocks = 200;
        b.topUpCap = 300;
        b.resultDeadline = 250;
        b.challengeWindow = 50;
        b.traceAllowance = 10;
        b.token = 0;
        b.leaseClass = uint8(LeaseClass.Job);
        b.verification = TAPE;
    }

    function serviceBid() internal view returns (Bid memory b) {
        b = jobBid();
        b.completionFee = 0;
        b.resultDeadline = 0;
        b.leaseClass = uint8(LeaseClass.Service);
        b.verification = 0;
        b.capacityNonce = 6;
    }

    function pack(Bid memory b) internal pure returns (bytes32[6] memory w) {
        w[0] = bytes32(abi.encodePacked(b.client, b.ratePerBlock));
        w[1] = bytes32(abi.encodePacked(b.owner, b.completionFee));
        w[2] = b.jobHash;
        w[3] = b.delegates;
        w[4] = bytes32(abi.encodePacked(b.bond, b.capacityNonce, b.expiry, b.startDeadline, b.grace));
        bytes memory head =
            abi.encodePacked(b.maxBlocks, b.topUpCap, b.resultDeadline, b.challengeWindow, b.traceAllowance);
        w[5] = bytes32(abi.encodePacked(head, b.token, b.leaseClass, b.verification, b.flags, uint64(0)));
    }

    function sign(uint256 key, bytes32[6] memory bid) internal returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, escrow.bidDigest(bid));
        return abi.encodePacked(r, s, v);
    }

    function idOf(bytes32[6] memory bid) internal view returns (LeaseId) {
        return escrow.leaseIdOf(address(bytes20(bid[1])), escrow.bidHash(bid));
    }

    // ------------------------------------------------------------------------------------------------- leases

    function open(Bid memory b) internal returns (bytes32[6] memory bid) {
        bid = pack(b);
        bytes memory signature = sign(OPERATOR_KEY, bid);
        vm.prank(b.client);
        escrow.openLease(bid, signature);
    }

    function start(bytes32[6] memory bid) internal {
        vm.prank(operator);
        escrow.start(bid);
    }

    function openAndStart(Bid memory b) internal returns (bytes32[6] memory bid) {
        bid = open(b);
        start(bid);
    }

    function beat(bytes32[6] memory bid) internal {
        bytes32[] memory hashes = new bytes32[](1);
        hashes[0] = escrow.bidHash(bid);
        vm.prank(operator);
        escrow.beat(OWNER, hashes);
    }

    /// @dev Beat every five blocks for `blocks` blocks.
    function run(bytes32[6] memory bid, uint256 blocks) internal {
        for (uint256 i; i < blocks; i += 5) {
            skip(blocks - i < 5 ? blocks - i : 5);
            beat(bid);
        }
    }

    function withdraw(bytes32[6] memory bid) internal returns (uint256) {
        bytes32[6][] memory bids = new bytes32[6][](1);
        bids[0] = bid;
        return escrow.withdraw(bids);
    }

    function post(bytes32[6] memory bid, bytes32 root) internal {
        bytes32 hash = escrow.bidHash(bid);
        vm.prank(operator);
        escrow.postResult(OWNER, hash, root);
    }

    function closeByClient(bytes32[6] memory bid) internal {
        vm.prank(CLIENT);
        escrow.closeByClient(bid);
    }

    function closeByProvider(bytes32[6] memory bid) internal {
        vm.prank(operator);
        escrow.closeByProvider(bid);
    }

    function skip(uint256 blocks) internal {
        vm.roll(vm.getBlockNumber() + blocks);
    }

    // -------------------------------------------------------------------------------------------------- reads

    function view_(bytes32[6] memory bid) internal view returns (LeaseView memory) {
        return escrow.leaseOf(idOf(bid));
    }

    function state(bytes32[6] memory bid) internal view returns (LeaseState) {
        return view_(bid).state;
    }

    function inState(bytes32[6] memory bid, LeaseState want) internal view {
        eq(uint8(state(bid)), uint8(want), "state");
    }

    function credits(address account) internal view returns (uint256) {
        return escrow.creditsOf(0, account);
    }

    function stakeOf(address owner) internal view returns (StakeView memory) {
        return staking.stakeOf(owner, 0);
    }
}
