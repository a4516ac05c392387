// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../../src/interfaces/IDisputes.sol";
import {Game, Phase} from "../../src/types/DisputeTypes.sol";
import {Assertions} from "../base/Assertions.sol";
import {DisputeHandler} from "./DisputeHandler.sol";

/// @notice The coin of the games, one sentence, one function.
contract DisputeInvariantsTest is Assertions {
    DisputeHandler internal handler;
    IDisputes internal disputes;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public {
        handler = new DisputeHandler();
        handler.setUp();
        disputes = IDisputes(handler.theDisputes());
    }

    /// @dev Who calls pays for gas out of coin that it is given: so never one of the contracts whose coin is counted.
    function targetSenders() public pure returns (address[] memory senders) {
        senders = new address[](1);
        senders[0] = address(0x5E4D);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0].addr = address(handler);
        targets[0].selectors = new bytes4[](1);
        targets[0].selectors[0] = DisputeHandler.act.selector;
    }

    /// Every wei is somebody's: the balance is what is left of all bonds, and what lost games left.
    function invariant_CoinIsAccountedFor() public view {
        bytes32[] memory games = handler.games();
        uint256 owed = disputes.coinOf(handler.theOwner());
        for (uint256 i; i < games.length; ++i) {
            owed += uint256(disputes.gameOf(games[i]).bond) * 1 gwei;
        }
        eq(address(disputes).balance, owed, "balance = bonds + coin owed");
    }

    /// Until a lease is convicted, it is held once for each game that is open.
    function invariant_OpenGamesHoldTheResult() public view {
        bytes32[] memory games = handler.games();
        uint256 open;
        for (uint256 i; i < games.length; ++i) {
            Phase phase = disputes.gameOf(games[i]).phase;
            if (phase != Phase.Lost) ++open;
        }
        if (handler.isSettled()) return;
        eq(handler.held(), open, "freezes");
    }

    /// Nobody takes out what nobody paid in, and no game holds more than its bond was.
    function invariant_NothingFromNowhere() public view {
        le(address(disputes).balance, handler.paidIn(), "no more than the bonds");
    }

    /// A move's clock is never longer than a side can have gained.
    function invariant_ClocksAreBounded() public view {
        bytes32[] memory games = handler.games();
        for (uint256 i; i < games.length; ++i) {
            Game memory g = disputes.gameOf(games[i]);
            le(g.challengerLeft, 30 + 10 * 20, "challenger");
            le(g.providerLeft, 30 + 240 + 10 * 20, "provider");
            le(g.openedAt, g.movedAt, "moved after it was opened");
        }
    }
}
