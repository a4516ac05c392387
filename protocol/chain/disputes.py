"""Calls of Disputes, as values, and back. Who may call what, and when, is the matter of IDisputes.sol."""

from protocol.chain.calls import NOTHING, Call
from protocol.chain.codec import Abi
from protocol.dispute import moves
from protocol.dispute.calls import FUNCTIONS, arguments, parse
from protocol.types import Address, InputError, Wei

CONTRACT = "Disputes"


class DisputeCalls:
    """Encodes the records of `protocol.dispute.moves` for one Disputes contract, and decodes them."""

    def __init__(self, address: Address) -> None:
        self.address, self.abi = address, Abi.shipped(CONTRACT)

    def challenge(self, move: moves.Challenge, bond: Wei) -> Call:
        """Open a game; `bond` goes with it (`Chain.bond`)."""
        return self._call(move).paying(bond)

    def move(self, move: moves.Call) -> Call:
        """Return any other call. An answer (`moves.ProviderMove`) must be sent from a plain key, not a wallet
        contract: `Disputes_NotPlain`.
        """
        if isinstance(move, moves.Challenge):
            raise InputError("a challenge takes a bond", "use DisputeCalls.challenge")
        return self._call(move)

    def parse(self, data: bytes) -> moves.Call | None:
        """Return the call that calldata makes of this contract; None if it makes none that the game knows."""
        try:
            called = self.abi.called(data)
            return parse(*called) if called and called[0] in _KNOWN else None
        except InputError:
            return None

    def _call(self, move: moves.Call) -> Call:
        function = FUNCTIONS[type(move)]
        data = self.abi.call_data(function, *arguments(move))
        return Call(self.address, data, f"{CONTRACT}.{function}", NOTHING)


_KNOWN = frozenset(FUNCTIONS.values())
