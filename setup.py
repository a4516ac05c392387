"""Builds the CPU engine's kernels; everything else about the package stands in pyproject.toml.

`python setup.py kernels` builds them in place and nothing else: for work on them, or in a second checkout.
"""

import sys

from setuptools import Distribution, Extension, setup

FOLDER = "protocol/engines/cpu/kernels/"
PARTS = ("module.c", "product.c", "bytes.c", "map.c", "reduce.c", "move.c", "keccak.c")
HEADERS = ("common.h", "isa.h", "map.h", "move.h", "product.h", "reduce.h", "scalar.h", "ops.inc")
BODIES = ("product.inc", "bytes.inc", "map.inc", "reduce.inc", "keccak.inc")
# The bits are the product: no contraction, no relaxed arithmetic; the last five change no result.
FLAGS = (
    "-O3",
    "-std=gnu11",
    "-ffp-contract=off",
    "-fno-fast-math",
    "-fno-strict-aliasing",
    "-fwrapv",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fvisibility=hidden",
)
KERNELS = Extension(
    "protocol.engines.cpu._kernels",
    [FOLDER + part for part in PARTS],
    depends=[FOLDER + part for part in (*HEADERS, *BODIES)],
    extra_compile_args=list(FLAGS),
    libraries=["m"],
)

if sys.argv[1:] == ["kernels"]:
    build = Distribution({"ext_modules": [KERNELS]}).get_command_obj("build_ext")
    build.inplace = True
    build.ensure_finalized()
    build.run()
else:
    setup(ext_modules=[KERNELS])
