"""How child processes are kept from taking memory that no job asked for: it counts against their limit."""

STACK_BYTES = 1 << 20
"""Of each thread that a child starts: the system's default of 8 MiB is counted whole."""
ENVIRONMENT = {
    # As many threads as there are cores, with some 40 MiB each, start as soon as numpy is imported.
    "OPENBLAS_NUM_THREADS": "1",
    # Each thread that allocates would else have a heap of its own.
    "MALLOC_ARENA_MAX": "1",
}
"""What a child's environment says to libraries."""
