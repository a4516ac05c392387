"""What refusals of Disputes, Delivery, Audits and Referee mean for people, and what to do about them.

By the name of the contracts' error; the figures are its arguments, which `Revert` adds.
"""

from typing import NamedTuple


class Refusal(NamedTuple):
    """What is wrong, and what to do."""

    wrong: str
    advice: str


_FOLLOW = "read the game again and answer the state that it is in now"
_OWN_BUG = "the move does not fit the game: update this software, and report it if that does not help"
_UNFIT = "the job is none that Gavel's tools make: leave it alone"

REFUSALS: dict[str, Refusal] = {
    "Disputes_BadTerms": Refusal("the terms of the games are out of range", "correct the named term"),
    "Disputes_WrongPhase": Refusal("the game is not in a phase that knows this move", _FOLLOW),
    "Disputes_GameExists": Refusal("this game was opened before", "challenge with another salt"),
    "Disputes_OutOfTime": Refusal(
        "the time for this move is over", "nothing can be moved any more: `timeout` ends the game"
    ),
    "Disputes_InTime": Refusal("the other side still has time to move", "wait until its clock has run out"),
    "Disputes_BondTooLow": Refusal(
        "the bond is too low for the base fee of the block", "challenge again: the bond is reckoned anew"
    ),
    "Disputes_BondTooHigh": Refusal("the bond is more than a game can hold", "send a smaller bond"),
    "Disputes_BondNotWhole": Refusal("a bond is a whole number of gwei", "round it up to gwei"),
    "Disputes_WrongJob": Refusal("this is not the job that the lease's bid names", _OWN_BUG),
    "Disputes_WrongLease": Refusal("bid and case are of different leases", _OWN_BUG),
    "Disputes_NoItem": Refusal("the job has no such item", "items are counted from 0"),
    "Disputes_NotProvider": Refusal(
        "this key does not answer for the provider in this game",
        "send with the operator's key; a new operator adopts the game first",
    ),
    "Disputes_NotPlain": Refusal(
        "answers must be sent straight from a plain key, not through a wallet contract",
        "send with the operator's key itself, without delegated code",
    ),
    "Disputes_Private": Refusal(
        "the lease is private: only its client and the delegates in its bid may challenge",
        "challenge with the wallet of one of them, and name all delegates",
    ),
    "Disputes_OtherPosition": Refusal("what was handed in is not where the game stands", _FOLLOW),
    "Disputes_OtherState": Refusal("the game has moved on since this pick was made", _FOLLOW),
    "Disputes_Count": Refusal("the move shows another number of things than it must", _OWN_BUG),
    "Disputes_NoChild": Refusal("there is nothing with this number to pick", _OWN_BUG),
    "Disputes_NoNode": Refusal("the tape has no such node, or not below this point", _OWN_BUG),
    "Disputes_NoElement": Refusal("there is no such element, or not here", _OWN_BUG),
    "Disputes_BadProof": Refusal(
        "what was shown does not hash to what it is shown under",
        "compare the files of job and result with their hashes, fetch them again if they differ",
    ),
    "Disputes_BadFold": Refusal(
        "the running values do not add up to the element",
        "run the item again: a result that contradicts itself cannot be defended",
    ),
    "Disputes_StepIsTrue": Refusal(
        "the step is right: it proves nothing against the provider", "do not challenge this result"
    ),
    "Disputes_NeedsRunning": Refusal(
        "this element is a chain of several segments", "ask for its running values first"
    ),
    "Disputes_TooYoung": Refusal(
        "the game must be a block old before it can be won", "send the proof again in the next block"
    ),
    "Disputes_Convicted": Refusal(
        "the lease is convicted already", "claim with your seal within the claim period, then collect"
    ),
    "Disputes_NotConvicted": Refusal(
        "the lease is not convicted in this way", "wait for the end of the game, and look how it ended"
    ),
    "Disputes_NotJudge": Refusal(
        "only a judge of the lease's kind may call this", "demand and collect at Delivery, which calls it"
    ),
    "Disputes_NotPosted": Refusal(
        "the lease has no posted result that could still be judged", "look how the lease ended, then collect"
    ),
    "Disputes_WrongPlace": Refusal("this is not the place that the game is about", _FOLLOW),
    "Disputes_BadSeal": Refusal(
        "what was shown is not the right value at the convicted place",
        "only a challenger whose own run was right there can claim",
    ),
    "Disputes_NotOpenedInTime": Refusal(
        "the game was opened too late to share in the reward", "its bond can be collected all the same"
    ),
    "Disputes_TooEarly": Refusal("the claim period is not over", "settle after the reading that is named"),
    "Disputes_TooLate": Refusal("the claim period is over", "the bond can be collected all the same"),
    "Disputes_NothingToCollect": Refusal("nothing of this game is left", "it was lost or collected before"),
    "Disputes_NotSent": Refusal(
        "the receiver refuses the coin", "name an account that takes plain transfers of coin"
    ),
    "Referee_Header": Refusal("the node's header is malformed", _UNFIT),
    "Referee_NoStep": Refusal("the node has no such element or segment", _OWN_BUG),
    "Referee_Outside": Refusal("the node reads outside its source", _UNFIT),
    "Referee_Leaves": Refusal("the step needs other leaves", _OWN_BUG),
    "Referee_Accumulator": Refusal("this is no running value of the step", _OWN_BUG),
    "Referee_Program": Refusal("the node's scalar program is malformed", _UNFIT),
    "Referee_Fold": Refusal("there are no running values to add up", _OWN_BUG),
    "Referee_NoChain": Refusal("the node has no running values", _OWN_BUG),
    "Delivery_BadTerms": Refusal("the terms of demands are out of range", "correct the named term"),
    "Delivery_Private": Refusal(
        "the lease is private: only its client and the delegates in its bid may demand",
        "demand with the wallet of one of them, and name all delegates",
    ),
    "Delivery_WrongJob": Refusal("this is not the job that the lease's bid names", _OWN_BUG),
    "Delivery_Full": Refusal(
        "strangers have as many demands open as may be", "demand again once one of them is answered"
    ),
    "Delivery_Known": Refusal(
        "these bytes were demanded before", "read the answer from the chain, or wait until it is due"
    ),
    "Delivery_BondTooLow": Refusal(
        "the bond is too low for the base fee of the block", "demand again: the bond is reckoned anew"
    ),
    "Delivery_BondTooHigh": Refusal("the bond is more than a demand can hold", "send a smaller bond"),
    "Delivery_BondNotWhole": Refusal("a bond is a whole number of gwei", "round it up to gwei"),
    "Delivery_Count": Refusal("the demand shows another number of things than it must", _OWN_BUG),
    "Delivery_NoItem": Refusal("the job has no such item", "items are counted from 0"),
    "Delivery_NoOutput": Refusal("the job has no such output", "outputs are counted from 0"),
    "Delivery_NoLeaf": Refusal("nothing of the output is below this node: it is zero", _OWN_BUG),
    "Delivery_BadProof": Refusal(
        "the node is not proven to be part of the posted result",
        "read the answers so far again, and demand below what they show",
    ),
    "Delivery_NotProvider": Refusal(
        "this key does not answer for the provider", "send with the operator's key of today"
    ),
    "Delivery_NotClient": Refusal("only the client may burn the fee", "send with the client's wallet"),
    "Delivery_NotPlain": Refusal(
        "answers must be sent straight from a plain key, not through a wallet contract",
        "send with the operator's key itself, without delegated code",
    ),
    "Delivery_NotOpen": Refusal(
        "no open demand has these bytes for its answer", "read the demands of the lease again"
    ),
    "Delivery_OutOfTime": Refusal(
        "the time for this answer is over", "nothing can be answered any more: `timeout` ends the lease"
    ),
    "Delivery_InTime": Refusal(
        "the demand still stands, and the lease is not convicted", "wait until its clock has run out"
    ),
    "Delivery_Silent": Refusal(
        "the lease is convicted of silence: nothing is demanded or answered any more",
        "collect the demand, and again once the lease is settled",
    ),
    "Delivery_NotDemander": Refusal(
        "only whoever demanded can collect", "send with the wallet that sent the demand"
    ),
    "Delivery_NothingToCollect": Refusal(
        "nothing of this demand is left now", "it was collected before, or is paid once the lease is settled"
    ),
    "Delivery_NotBig": Refusal(
        "the output is not so large that it cannot be demanded", "demand it instead of burning the fee"
    ),
    "Delivery_NotSent": Refusal(
        "the receiver refuses the coin", "name an account that takes plain transfers of coin"
    ),
    "Audits_BadTerms": Refusal("the terms of audits are out of range", "correct the named term"),
    "Audits_UnlistedToken": Refusal("the deployment lists no such token", "tokens are counted from 0"),
    "Audits_ShortTransfer": Refusal(
        "the token took a fee of the transfer", "tokens with fees do not work here"
    ),
    "Audits_ZeroAddress": Refusal("the receiver is the zero address", "name an account"),
    "Audits_Known": Refusal(
        "this account is enrolled, or has left and not taken its stake", "take the stake first, then enrol"
    ),
    "Audits_NotEnrolled": Refusal("this account is no enrolled auditor", "enrol first"),
    "Audits_StillEnrolled": Refusal("an enrolled auditor's stake stays", "leave the list first"),
    "Audits_Busy": Refusal("audits that drew this auditor are not over", "finish or close them first"),
    "Audits_TooEarly": Refusal(
        "the time for this has not come", "wait until the clock has passed the named reading"
    ),
    "Audits_TooLate": Refusal(
        "the time for this is over", "read the audit again: another call goes on from here"
    ),
    "Audits_WrongStage": Refusal("the audit is at another stage", "read it again"),
    "Audits_WrongPart": Refusal("the auditor's part stands elsewhere", "read the audit again"),
    "Audits_WrongAnswer": Refusal("the provider has given another answer before", "read the audit again"),
    "Audits_Private": Refusal(
        "nobody audits a private lease: outsiders do not have its inputs", "check the result with a delegate"
    ),
    "Audits_WrongJob": Refusal("this is not the job that the lease's bid names", _OWN_BUG),
    "Audits_Count": Refusal("an audit has 1 to 8 auditors in all", "order fewer"),
    "Audits_NoTime": Refusal(
        "what is left of the challenge window is too short for an audit",
        "order sooner after the result, or ask for a longer window in the next job",
    ),
    "Audits_NoHash": Refusal("the block that draws is not there yet", "wait for the next block"),
    "Audits_HashIsThere": Refusal("the draw is there and in time", "send `draw`"),
    "Audits_NotAuditor": Refusal(
        "another auditor was drawn for this", "commit and reveal one's own task only"
    ),
    "Audits_NotProvider": Refusal(
        "this key does not answer for the provider", "send with the operator's key of today"
    ),
    "Audits_Sealed": Refusal(
        "commitments of others may still come", "reveal when all have, or their time is over"
    ),
    "Audits_OtherDraw": Refusal(
        "the draw that this answers was undone, and another stands in its place",
        "answer the one that stands now",
    ),
    "Audits_NotPlain": Refusal(
        "the provider's opening must be sent straight from a plain key, not through a wallet contract",
        "send with the operator's key itself, without delegated code",
    ),
    "Audits_BadSeal": Refusal(
        "this is not what was committed to", "reveal the same roots with the same salt"
    ),
    "Audits_BadProof": Refusal("the item's root is not under the posted result", _OWN_BUG),
    "Audits_NoTrace": Refusal("a program without inner nodes has no trace", "its root is zero"),
    "Audits_OtherRoots": Refusal(
        "the provider revealed something else", "take the roots of its `Revealed` event"
    ),
    "Audits_Convicted": Refusal("the lease has been convicted elsewhere", "finish the audit"),
    "Audits_Undecided": Refusal(
        "the lease may still be convicted", "wait for the window's end, and for the end of the games about it"
    ),
    "Audits_ZeroCommitment": Refusal("zero is no commitment", _OWN_BUG),
}
