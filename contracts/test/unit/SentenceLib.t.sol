// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LeaseWord, Sentence, SentenceLib} from "../../src/libraries/SentenceLib.sol";
import {Conviction} from "../../src/types/DisputeTypes.sol";
import {Assertions} from "../base/Assertions.sol";

/// @notice A lease's word is a trace or a sentence, and never taken for the other.
contract SentenceLibTest is Assertions {
    using SentenceLib for LeaseWord;
    using SentenceLib for Sentence;

    /// A trace is found by its item, and by no other.
    function testFuzz_Trace(bytes24 root, uint32 item, uint256 other) public pure {
        LeaseWord w = SentenceLib.traced(bytes32(root), item);
        yes(!w.isSentence() && w.how() == Conviction.None, "no sentence");
        yes(w.read().since == 0 && w.read().fixed_ == 0, "nothing to read of one");
        eq(w.rootOf(item), bytes32(root), "the root");
        if (other != item) eq(w.rootOf(other), 0, "of no other item");
        eq(LeaseWord.wrap(0).rootOf(item), 0, "none before");
    }

    /// A sentence keeps all that it is, and shows no trace.
    function testFuzz_Sentence(bool proven, bool settled, bool won, uint32 since, uint32 claims, uint168 fixed_, uint32 item)
        public
        pure
    {
        Conviction how = proven ? Conviction.Proven : Conviction.Silent;
        LeaseWord w = Sentence(how, settled, won, since, claims, fixed_).pack();
        Sentence memory s = w.read();
        yes(w.isSentence() && w.how() == how && s.how == how, "how");
        yes(s.settled == settled && s.won == won, "marks");
        yes(s.since == since && s.claims == claims && s.fixed_ == fixed_, "numbers");
        eq(w.rootOf(item), 0, "no trace");
    }
}
