"""NVRTC through ctypes: CUDA C to machine code, without a toolkit and without a GPU."""

import importlib.util
import os
from collections.abc import Iterator
from ctypes import CDLL, POINTER, byref, c_char_p, c_int, c_size_t, c_void_p, create_string_buffer
from functools import cache
from pathlib import Path

from protocol.types.errors import BrokenInvariant, InputError

# The bits are the product: nothing contracted, flushed or approximated.
FLAGS = ("-fmad=false", "-ftz=false", "-prec-div=true", "-prec-sqrt=true", "-std=c++17")
INSTALL = "install gavel[cuda], or CUDA 12 or newer"
SONAMES = ("libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so")


class Nvrtc:
    """The loaded compiler."""

    def __init__(self, library: CDLL) -> None:
        self._library = library
        library.nvrtcGetErrorString.restype = c_char_p
        library.nvrtcCreateProgram.argtypes = [
            POINTER(c_void_p), c_char_p, c_char_p, c_int, POINTER(c_char_p), POINTER(c_char_p),
        ]  # fmt: skip
        library.nvrtcCompileProgram.argtypes = [c_void_p, c_int, POINTER(c_char_p)]
        for name in ("nvrtcGetProgramLogSize", "nvrtcGetCUBINSize"):
            getattr(library, name).argtypes = [c_void_p, POINTER(c_size_t)]
        for name in ("nvrtcGetProgramLog", "nvrtcGetCUBIN"):
            getattr(library, name).argtypes = [c_void_p, c_char_p]
        library.nvrtcDestroyProgram.argtypes = [POINTER(c_void_p)]
        major, minor = c_int(), c_int()
        self._check(library.nvrtcVersion(byref(major), byref(minor)), "version")
        self.version = f"{major.value}.{minor.value}"

    @property
    def architectures(self) -> tuple[int, ...]:
        """Compute capabilities that it compiles for, as 10 * major + minor."""
        count = c_int()
        self._check(self._library.nvrtcGetNumSupportedArchs(byref(count)), "architectures")
        found = (c_int * count.value)()
        self._check(self._library.nvrtcGetSupportedArchs(found), "architectures")
        return tuple(found)

    def compile(self, source: str, architecture: int) -> bytes:
        """The cubin of a source. InputError if the compiler does not know the architecture."""
        if architecture not in self.architectures:
            raise InputError(f"NVRTC {self.version} does not compile for sm_{architecture}", INSTALL)
        program = c_void_p()
        made = self._library.nvrtcCreateProgram(byref(program), source.encode(), b"tape.cu", 0, None, None)
        self._check(made, "create")
        try:
            options = [f"-arch=sm_{architecture}", *FLAGS]
            given = (c_char_p * len(options))(*(option.encode() for option in options))
            if self._library.nvrtcCompileProgram(program, len(options), given):
                raise BrokenInvariant(f"NVRTC {self.version} refuses a kernel: {self._log(program)[:2000]}")
            return self._text(program, "nvrtcGetCUBIN")
        finally:
            self._library.nvrtcDestroyProgram(byref(program))

    def _log(self, program: c_void_p) -> str:
        return self._text(program, "nvrtcGetProgramLog").decode(errors="replace").strip("\0\n ")

    def _text(self, program: c_void_p, name: str) -> bytes:
        size = c_size_t()
        self._check(getattr(self._library, name + "Size")(program, byref(size)), name)
        buffer = create_string_buffer(size.value)
        self._check(getattr(self._library, name)(program, buffer), name)
        return buffer.raw

    def _check(self, status: int, what: str) -> None:
        if status:
            told = self._library.nvrtcGetErrorString(status)
            raise BrokenInvariant(f"NVRTC ({what}): {told.decode() if told else status}")


def places() -> Iterator[str]:
    """Where the library may lie: the package from PyPI, a toolkit, then wherever the loader looks."""
    spec = importlib.util.find_spec("nvidia")
    roots = list(spec.submodule_search_locations or ()) if spec else []
    for root in roots:
        for soname in SONAMES:
            yield from (str(path) for path in sorted(Path(root).glob(f"*/lib/{soname}")))
    for folder in filter(None, (os.environ.get("CUDA_HOME"), "/usr/local/cuda")):
        for soname in SONAMES:
            yield str(Path(folder) / "lib64" / soname)
    yield from SONAMES


@cache
def nvrtc() -> Nvrtc:
    """The compiler, loaded once. InputError if there is none."""
    for place in places():
        try:
            return Nvrtc(CDLL(place))
        except OSError:
            continue
    raise InputError("there is no NVRTC here, which compiles for GPUs", INSTALL)
