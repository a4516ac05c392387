"""Builds the CPU engine's kernels; everything else about the package stands in pyproject.toml."""

from setuptools import Extension, setup

KERNELS = "protocol/engines/cpu/kernels/"
PARTS = ("module.c", "product.c", "map.c", "reduce.c", "move.c", "keccak.c")
HEADERS = ("common.h", "isa.h", "map.h", "product.h", "reduce.h", "scalar.h", "ops.inc")
BODIES = ("product.inc", "map.inc", "reduce.inc", "keccak.inc")

setup(
    ext_modules=[
        Extension(
            "protocol.engines.cpu._kernels",
            [KERNELS + part for part in PARTS],
            depends=[KERNELS + part for part in (*HEADERS, *BODIES)],
            # The bits are the product: no contraction, no relaxed arithmetic. The last three change no result.
            extra_compile_args=[
                "-O3",
                "-std=gnu11",
                "-ffp-contract=off",
                "-fno-fast-math",
                "-fno-strict-aliasing",
                "-fno-math-errno",
                "-fno-trapping-math",
                "-fvisibility=hidden",
            ],
            libraries=["m"],
        )
    ]
)
