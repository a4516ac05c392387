// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC6372} from "@openzeppelin/contracts/interfaces/IERC6372.sol";
import {Base} from "../base/Base.sol";
import {vm} from "../base/Vm.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {IEscrowCore} from "../../src/interfaces/IEscrowCore.sol";
import {IJudgeHost} from "../../src/interfaces/IJudge.sol";
import {ClockKind, Deployment, LeaseState, Listing, Seat} from "../../src/types/Types.sol";

/// @notice A clock that a test sets.
contract SomeClock is IERC6372 {
    uint48 public clock;

    function set(uint48 reading) external {
        clock = reading;
    }

    function CLOCK_MODE() external pure returns (string memory) {
        return "mode=some";
    }
}

contract DeploymentTest is Base {
    function _refuse(Deployment memory d, bytes32 field) private {
        bytes memory args = abi.encode(d);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_BadDeployment.selector, field));
        this.deployWith(args);
    }

    function deployWith(bytes calldata args) external returns (address made) {
        bytes memory code = abi.encodePacked(vm.getCode("Escrow.sol:Escrow"), args);
        assembly {
            made := create(0, add(code, 0x20), mload(code))
            if iszero(made) {
                returndatacopy(0, 0, returndatasize())
                revert(0, returndatasize())
            }
        }
    }

    function test_BadTokens() public {
        Deployment memory d = deployment();
        d.tokens = new Listing[](0);
        _refuse(d, "tokens");
        d.tokens = new Listing[](5);
        _refuse(d, "tokens");
        d = deployment();
        d.tokens[1] = d.tokens[0];
        _refuse(d, "token");
        d = deployment();
        d.tokens[1].token = STRANGER;
        _refuse(d, "token");
    }

    function test_BadSeats() public {
        Deployment memory d = deployment();
        d.seats = _seats(9);
        _refuse(d, "seats");
        d = deployment();
        d.seats[0].judge = address(0);
        _refuse(d, "judge");
        d = deployment();
        d.seats = _seats(2);
        d.seats[1].judge = d.seats[0].judge; // of another kind, but one judge
        _refuse(d, "judge");
        d = deployment();
        d.seats[0].kind = 0;
        _refuse(d, "kind");
        d.seats[0].kind = 9;
        _refuse(d, "kind");
    }

    function test_EveryJudgeIsSeatedAndNamed() public {
        Deployment memory d = deployment();
        d.seats = _seats(8);
        d.seats[7].kind = 1; // a second judge of kind 1, so kind 8 has none
        for (uint160 i; i < 8; ++i) {
            vm.expectEmit();
            emit IJudgeHost.Seated(d.seats[i].judge, d.seats[i].kind);
        }
        escrow = IEscrow(this.deployWith(abi.encode(d)));
        for (uint160 i; i < 8; ++i) {
            eq(escrow.kindOf(d.seats[i].judge), d.seats[i].kind, "kind");
        }
        yes(escrow.isKindJudged(1) && escrow.isKindJudged(7) && !escrow.isKindJudged(8), "kinds");
    }

    function test_WithoutSeatsNoKindIsJudged() public {
        Deployment memory d = deployment();
        d.seats = _seats(0);
        escrow = IEscrow(this.deployWith(abi.encode(d)));
        yes(!escrow.isKindJudged(TAPE), "none");
    }

    /// @dev Judge 0x1001 of kind 1, 0x1002 of kind 2, ...
    function _seats(uint8 count) private pure returns (Seat[] memory seats) {
        seats = new Seat[](count);
        for (uint8 i; i < count; ++i) {
            seats[i] = Seat(address(uint160(0x1001) + i), i + 1);
        }
    }

    function test_BadTimes() public {
        Deployment memory d = deployment();
        d.minGrace = 0;
        _refuse(d, "minGrace");
        d = deployment();
        d.unbondingDelay = 1500; // window + game
        _refuse(d, "unbondingDelay");
        d = deployment();
        d.clockKind = ClockKind.None;
        _refuse(d, "clockKind");
        d = deployment();
        d.clockKind = ClockKind.Custom;
        _refuse(d, "clockSource");
        d = deployment();
        d.clockSource = address(token);
        _refuse(d, "clockSource");
    }

    function test_ByTimestamp() public {
        Deployment memory d = deployment();
        d.clockKind = ClockKind.Timestamp;
        escrow = deployEscrow(d);
        staking = escrow.staking();
        vm.warp(1_800_000_000);
        eq(escrow.clock(), 1_800_000_000, "clock");
        eq(keccak256(bytes(escrow.CLOCK_MODE())), keccak256("mode=timestamp"), "mode");
        eq(staking.clock(), 1_800_000_000, "the same clock");
        eq(keccak256(bytes(staking.CLOCK_MODE())), keccak256("mode=timestamp"), "mode");
    }

    function test_ByACustomSource() public {
        SomeClock source = new SomeClock();
        Deployment memory d = deployment();
        d.clockKind = ClockKind.Custom;
        d.clockSource = address(source);
        escrow = deployEscrow(d);
        staking = escrow.staking();
        fundClient(CLIENT, 1_000 ether);
        enrol(OWNER, operator, 1_000 ether);
        source.set(70);
        bytes32[6] memory bid = openAndStart(serviceBid());
        eq(view_(bid).startedAt, 70, "started");
        source.set(76);
        beat(bid);
        eq(view_(bid).paidBlocks, 6, "paid");
        source.set(60); // runs backwards, against its promise: nothing is counted
        beat(bid);
        eq(view_(bid).paidBlocks, 6, "paid");
        eq(keccak256(bytes(escrow.CLOCK_MODE())), keccak256("mode=some"), "mode");
        // A clock beyond 40 bits is refused rather than cut.
        source.set(1 << 40);
        bytes32[6] memory late = pack(jobBid());
        bytes memory signature = sign(OPERATOR_KEY, late);
        vm.prank(CLIENT);
        vm.expectRevert();
        escrow.openLease(late, signature);
        yes(state(late) == LeaseState.None, "refused");
    }

    function test_SizesAreLegal() public view {
        le(address(escrow).code.length, 24_576, "Escrow");
        le(address(staking).code.length, 24_576, "Staking");
    }
}
