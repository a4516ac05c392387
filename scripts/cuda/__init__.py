"""A GPU held to the CPU engine's bits, and measured: `python -m scripts.cuda`."""
