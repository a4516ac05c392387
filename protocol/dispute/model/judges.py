"""Sentences by another judge of a lease's kind, and their shares. The twin of `silence` and `takePart`."""

from dataclasses import replace

from protocol.dispute.model.rules import sentence_of, sentenced
from protocol.dispute.model.state import Context, Guest, Sentence, State, refuse, require
from protocol.dispute.moves import Silence, TakePart
from protocol.dispute.records import Conviction


def silence(state: State, call: Silence, ctx: Context) -> State:
    """See `IDisputes`."""
    kind = call.bid.verification
    require(kind != 0 and state.seats.get(ctx.sender, 0) == kind, "NotJudge")
    require((call.shares == 0) == (call.parts == 0), "Count")
    lease_id = call.bid.lease_id()
    require(sentence_of(state, lease_id).how is Conviction.NONE, "Convicted")
    lease = state.leases.get(lease_id)
    require(lease is not None and not lease.convicted, "NotPosted")
    guests = {**state.guests, lease_id: Guest(ctx.sender, call.shares, call.parts)}
    sentence = Sentence(Conviction.SILENT, since=ctx.now, claims=call.shares)
    return sentenced(replace(state, guests=guests), lease_id, sentence)


def take_part(state: State, call: TakePart, ctx: Context) -> State:
    """See `IDisputes`."""
    lease_id = call.bid.lease_id()
    guest, sentence = state.guests.get(lease_id), sentence_of(state, lease_id)
    if guest is None or guest.judge != ctx.sender:
        refuse("NotJudge")
    require(sentence.settled and guest.taken < guest.parts, "NotConvicted")
    amount = sentence.fixed * guest.shares // (sentence.claims * guest.parts)
    guests = {**state.guests, lease_id: replace(guest, taken=guest.taken + 1)}
    shares = {**state.shares, call.to: state.shares.get(call.to, 0) + amount}
    return replace(state, guests=guests, shares=shares, credits=state.credits - amount)
