"""Every limit of a tape, in one place: the validator, the encoder and the on-chain referee read these.

They close RULES 20 (a tape on which Referee and validator disagree): each number is small enough that one
step's operands and header fit one transaction, and that no index computed from a header leaves 64 bits.
"""

MAX_INSTRUCTIONS = 128  # of one scalar program
MAX_PROGRAM_CONSTANTS = 64  # f32 and i32 constants of one scalar program together
MAX_MAP_OPERANDS = 4
MAX_JOIN_SOURCES = 32
MAX_RANK = 8  # of shapes, views and grids
MAX_ELEMENTS = 1 << 30  # of one tensor
MAX_DIMENSION = MAX_ELEMENTS
MAX_CHAIN = 1 << 19  # K of a CONTRACT or REDUCE
MAX_STEP = (1 << 31) - 1  # magnitude of any stride, coefficient or offset
MAX_INPUTS = 64
MAX_OUTPUTS = 64
MAX_CONSTANTS = 1 << 16
MAX_NODES = 1 << 16
MAX_HEADER = 2048  # bytes of one encoded node
MAX_ITEMS = 1 << 20  # items of one job
MAX_TOTAL_BYTES = 1 << 40  # all values of one tape together: no sum of sizes leaves 64 bits
BLOCK = 256  # terms of one partial sum (B256)
LEAF_BYTES = 128
