// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeEvents} from "../../src/interfaces/IDisputeEvents.sol";
import {Claiming, GameCalls, Proving} from "../base/GameCalls.sol";
import {GamePlay} from "../base/GamePlay.sol";

/// @notice Guards that other tests of the game do not miss.
contract DisputeGuardsTest is GamePlay {
    using GameCalls for *;

    /// Who sealed anything, and saw the right element in the proof, has no leaf that is under what it sealed.
    function test_ClaimOfAnOutputByALeafOfAnotherRun() public {
        toLanded(OUTPUT_OF_OUTPUT);
        uint256 landedAt = block.number - 1;
        does(me, proving().data());
        skip(1);
        Claiming memory a = claiming(OUTPUT_OF_OUTPUT, landedAt);
        a.leaf[OFFSET + 4] ^= 0x01;
        no(me, a.data(), abi.encodeWithSelector(IDisputeEvents.Disputes_BadSeal.selector));
        a = claiming(OUTPUT_OF_OUTPUT, landedAt);
        does(me, a.data());
    }

    /// The leaf that a step reads is that of the job's input, not one that would make a true element false.
    function test_AnOperandThatIsNotOfTheInput() public {
        toLanded(COPY_INPUT);
        _refusedWithAnotherLeaf();
    }

    /// The same, where it is of another output of the item.
    function test_AnOperandThatIsNotOfTheOutput() public {
        toLanded(OUTPUT_OF_OUTPUT);
        _refusedWithAnotherLeaf();
    }

    function _refusedWithAnotherLeaf() private {
        Proving memory a = proving();
        for (uint256 i; i < a.leaves.length; i += 31) {
            a.leaves[i] ^= 0x01;
        }
        no(me, a.data(), abi.encodeWithSelector(IDisputeEvents.Disputes_BadProof.selector));
        does(me, proving().data());
    }
}
