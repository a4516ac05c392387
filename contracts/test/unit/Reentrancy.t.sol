// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base} from "../base/Base.sol";
import {Caller} from "../base/Caller.sol";
import {HookToken} from "../base/HookToken.sol";
import {vm} from "../base/Vm.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {Bid, Deployment, LeaseState} from "../../src/types/Types.sol";

/// @notice Client and owner in one, that tries every way out again whenever its token calls it.
contract Greedy is Caller {
    IEscrow private immutable _escrow;
    bytes32[6] private _bid;
    bool private _on;

    constructor(IEscrow escrow) {
        _escrow = escrow;
    }

    function arm(bytes32[6] calldata bid, bool on) external {
        _bid = bid;
        _on = on;
    }

    function _again() internal override {
        if (!_on) return;
        _on = false;
        ++reached;
        bytes32[6][] memory bids = new bytes32[6][](1);
        bids[0] = _bid;
        try _escrow.withdraw(bids) {} catch {}
        try _escrow.closeByClient(_bid) {} catch {}
        try _escrow.closeByProvider(_bid) {} catch {}
        try _escrow.expire(_bid) {} catch {}
        try _escrow.topUp(_bid, 1) {} catch {}
        try _escrow.withdrawCredits(0, address(this), _escrow.creditsOf(0, address(this))) {} catch {}
    }
}

contract ReentrancyTest is Base {
    HookToken private _hook;
    Greedy private _greedy;
    uint256 private constant OTHERS = 5_000 ether;

    function setUp() public override {
        super.setUp();
        _hook = new HookToken();
        Deployment memory d = deployment();
        d.tokens[0].token = address(_hook);
        escrow = deployEscrow(d);
        staking = escrow.staking();
        judge.setHost(escrow);
        _greedy = new Greedy(escrow);
        _hook.mint(address(this), OTHERS);
        _hook.approve(address(escrow), OTHERS);
        escrow.deposit(0, STRANGER, OTHERS); // what there is to steal
        _hook.mint(address(_greedy), 2_000 ether);
        _exec(address(_hook), abi.encodeCall(_hook.hook, ()));
        _exec(address(_hook), abi.encodeCall(_hook.approve, (address(escrow), type(uint256).max)));
        _exec(address(_hook), abi.encodeCall(_hook.approve, (address(staking), type(uint256).max)));
        _exec(address(staking), abi.encodeCall(staking.stake, (0, 1_000 ether, BOND, 1_000 ether)));
        _exec(address(escrow), abi.encodeCall(escrow.register, (operator, "")));
    }

    function _exec(address to, bytes memory data) private {
        _greedy.exec(to, data);
    }

    function _lease() private returns (bytes32[6] memory bid) {
        Bid memory b = serviceBid();
        (b.client, b.owner) = (address(_greedy), address(_greedy));
        bid = pack(b);
        bytes memory signature = sign(OPERATOR_KEY, bid);
        _exec(address(escrow), abi.encodeCall(escrow.openLeaseFromWallet, (bid, signature)));
        vm.prank(operator);
        escrow.start(bid);
        skip(10);
        bytes32[] memory hashes = new bytes32[](1);
        hashes[0] = escrow.bidHash(bid);
        vm.prank(operator);
        escrow.beat(address(_greedy), hashes);
    }

    /// All that the greedy one can ever have is what it came with.
    function _whole() private {
        yes(_greedy.reached() != 0, "the hook was called");
        _greedy.arm(pack(serviceBid()), false);
        uint256 rest = escrow.creditsOf(0, address(_greedy));
        _exec(address(escrow), abi.encodeCall(escrow.withdrawCredits, (0, address(_greedy), rest)));
        le(_hook.balanceOf(address(_greedy)), 1_000 ether, "no more than it had");
        le(OTHERS, _hook.balanceOf(address(escrow)), "the others' credits are there");
        vm.prank(STRANGER);
        escrow.withdrawCredits(0, STRANGER, OTHERS);
    }

    function test_WhileWithdrawing() public {
        bytes32[6] memory bid = _lease();
        _greedy.arm(bid, true);
        withdraw(bid);
        _whole();
        inState(bid, LeaseState.ClientClosed);
    }

    function test_WhileTakingCredits() public {
        bytes32[6] memory bid = _lease();
        _exec(address(escrow), abi.encodeCall(escrow.deposit, (0, address(_greedy), 100 ether)));
        _greedy.arm(bid, true);
        _exec(address(escrow), abi.encodeCall(escrow.withdrawCredits, (0, address(_greedy), 60 ether)));
        _whole();
    }

    function test_WhileToppingUp() public {
        bytes32[6] memory bid = _lease();
        _greedy.arm(bid, true);
        _exec(address(escrow), abi.encodeCall(escrow.topUpFromWallet, (bid, 50)));
        _whole();
    }

    /// A deposit whose credits are spent before the tokens arrive is measured short, and all of it is undone.
    function test_WhileDepositing() public {
        bytes32[6] memory bid = _lease();
        _greedy.arm(bid, true);
        vm.expectRevert();
        _exec(address(escrow), abi.encodeCall(escrow.deposit, (0, address(_greedy), 50 ether)));
        eq(_hook.balanceOf(address(escrow)), OTHERS + 200 ether, "nothing moved");
    }
}
