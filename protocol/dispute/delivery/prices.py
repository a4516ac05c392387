"""What demands cost. Each number equals one in `DeliveryState`; a test compares them with the contract."""

BIG_OUTPUT = 800
"""Leaves of 128 bytes, over all items, up to which a client is expected to demand its output (RULES 24)."""

_WORK_GAS, _WORD_GAS = 61_700, 640
_FLOOR_GAS, _FLOOR_WORD_GAS = 31_500, 1_280
_BOND_PARTS = 4
_GWEI = 10**9


def answer_gas(size: int) -> int:
    """Gas that an answer of `size` bytes is repaid for."""
    words = size // 32
    return max(_WORK_GAS + words * _WORD_GAS, _FLOOR_GAS + words * _FLOOR_WORD_GAS)


def bond_of(size: int, base_fee: int, data_fee: int = 0) -> int:
    """The least bond for an answer of `size` bytes, rounded up to gwei. All in wei."""
    least = _BOND_PARTS * answer_gas(size) * base_fee + size * data_fee
    return -(-least // _GWEI) * _GWEI


ASK_GAS = 110_000
"""Gas of a demand's transaction, about: measured at 95k, and more siblings."""
COLLECT_GAS = 50_000
