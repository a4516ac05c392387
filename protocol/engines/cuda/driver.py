"""NVIDIA's driver through ctypes: one machine per GPU, in the process's primary context of it.

Nothing is loaded before the first question, and a computer without driver or GPU answers "none".
"""

from collections.abc import Sequence
from ctypes import (
    CDLL,
    POINTER,
    Structure,
    addressof,
    byref,
    c_char_p,
    c_int,
    c_size_t,
    c_uint,
    c_uint64,
    c_void_p,
    create_string_buffer,
)
from functools import cache

from protocol.engines.cuda.cubins import cubin
from protocol.engines.cuda.machine import Array
from protocol.engines.cuda.nvrtc import nvrtc
from protocol.types.errors import BrokenInvariant, InputError

LEAST = 80  # the oldest architecture that the kernels are tested for
OUT_OF_MEMORY = 2
MAJOR, MINOR = 75, 76  # attributes: compute capability
_ARGUMENTS = {
    "cuDeviceGet": [POINTER(c_int), c_int],
    "cuDeviceGetName": [c_char_p, c_int, c_int],
    "cuDeviceGetAttribute": [POINTER(c_int), c_int, c_int],
    "cuDevicePrimaryCtxRetain": [POINTER(c_void_p), c_int],
    "cuCtxSetCurrent": [c_void_p],
    "cuCtxSynchronize": [],
    "cuModuleLoadData": [POINTER(c_void_p), c_char_p],
    "cuModuleGetFunction": [POINTER(c_void_p), c_void_p, c_char_p],
    "cuMemGetInfo_v2": [POINTER(c_size_t), POINTER(c_size_t)],
    "cuMemAlloc_v2": [POINTER(c_uint64), c_size_t],
    "cuMemFree_v2": [c_uint64],
    "cuMemcpyHtoD_v2": [c_uint64, c_void_p, c_size_t],
    "cuMemcpyDtoH_v2": [c_void_p, c_uint64, c_size_t],
    "cuLaunchKernel": [c_void_p, *[c_uint] * 7, c_void_p, POINTER(c_void_p), POINTER(c_void_p)],
    "cuGetErrorString": [c_int, POINTER(c_char_p)],
}


@cache
def driver() -> CDLL | None:
    """The driver, started; None where there is none, or it finds nothing to drive."""
    try:
        library = CDLL("libcuda.so.1")
    except OSError:
        return None
    for name, arguments in _ARGUMENTS.items():
        getattr(library, name).argtypes = arguments
    return library if library.cuInit(c_uint(0)) == 0 else None


@cache
def count() -> int:
    """How many GPUs the driver shows."""
    library, found = driver(), c_int()
    if library is None or library.cuDeviceGetCount(byref(found)):
        return 0
    return found.value


def usable() -> tuple[int, ...]:
    """The indices of GPUs that tapes can run on: new enough, and known to the compiler that is here."""
    if not count():
        return ()
    try:
        known = nvrtc().architectures
    except InputError:
        return ()
    return tuple(index for index in range(count()) if LEAST <= architecture(index) in known)


def architecture(index: int) -> int:
    """The compute capability of a GPU, as 10 * major + minor."""
    library = _needed(index)
    major, minor = c_int(), c_int()
    _check(library.cuDeviceGetAttribute(byref(major), MAJOR, index), "its compute capability")
    _check(library.cuDeviceGetAttribute(byref(minor), MINOR, index), "its compute capability")
    return 10 * major.value + minor.value


class Gpu:
    """One GPU. See `Machine`."""

    def __init__(self, index: int) -> None:
        """InputError if there is no such GPU, it is too old, or NVRTC is missing."""
        self._library = _needed(index)
        self._architecture = architecture(index)
        if self._architecture < LEAST:
            raise InputError(f"cuda:{index} is an sm_{self._architecture}; sm_{LEAST} or newer is needed")
        nvrtc()
        self._index = index
        self._loaded: dict[str, c_void_p] = {}
        self._context = c_void_p()
        _check(self._library.cuDevicePrimaryCtxRetain(byref(self._context), index), "its context")

    @property
    def name(self) -> str:
        """See Machine."""
        return f"cuda:{self._index}"

    @property
    def model(self) -> str:
        """What the maker calls it."""
        told = create_string_buffer(256)
        _check(self._library.cuDeviceGetName(told, len(told), self._index), "its name")
        return told.value.decode(errors="replace")

    def kernels(self, source: str, names: Sequence[str]) -> dict[str, c_void_p]:
        """See Machine. Modules stay loaded as long as the process lives: there are few."""
        missing = [name for name in names if name not in self._loaded]
        if missing:
            self._enter()
            module = c_void_p()
            code = cubin(source, self._architecture)
            _check(self._library.cuModuleLoadData(byref(module), code), "loading kernels")
            for name in missing:
                function = c_void_p()
                found = self._library.cuModuleGetFunction(byref(function), module, name.encode())
                _check(found, f"kernel {name}")
                self._loaded[name] = function
        return {name: self._loaded[name] for name in names}

    def free_bytes(self) -> int:
        """See Machine."""
        self._enter()
        free, total = c_size_t(), c_size_t()
        _check(self._library.cuMemGetInfo_v2(byref(free), byref(total)), "its memory")
        return free.value

    def allocate(self, nbytes: int) -> int:
        """See Machine."""
        self._enter()
        address = c_uint64()
        status = self._library.cuMemAlloc_v2(byref(address), max(nbytes, 1))
        if status == OUT_OF_MEMORY:
            raise InputError(f"{self.name} cannot give {nbytes} bytes, {self.free_bytes()} are free")
        _check(status, f"allocating {nbytes} bytes")
        return address.value

    def free(self, address: int) -> None:
        """See Machine."""
        self._enter()
        self._library.cuMemFree_v2(address)  # fails only after a fault that was reported before

    def upload(self, address: int, array: Array) -> None:
        """See Machine."""
        if array.nbytes:
            self._enter()
            copied = self._library.cuMemcpyHtoD_v2(address, array.ctypes.data, array.nbytes)
            _check(copied, "copying to it")

    def download(self, array: Array, address: int) -> None:
        """See Machine."""
        if array.nbytes:
            self._enter()
            copied = self._library.cuMemcpyDtoH_v2(array.ctypes.data, address, array.nbytes)
            _check(copied, "copying from it")

    def launch(self, kernel: c_void_p, blocks: int, threads: int, record: Structure) -> None:
        """See Machine."""
        self._enter()
        arguments = (c_void_p * 1)(addressof(record))
        launched = self._library.cuLaunchKernel(kernel, blocks, 1, 1, threads, 1, 1, 0, None, arguments, None)
        _check(launched, "a launch")

    def finish(self) -> None:
        """See Machine."""
        self._enter()
        _check(self._library.cuCtxSynchronize(), "a kernel")

    def _enter(self) -> None:
        """Contexts are current per thread, and other libraries may set theirs."""
        _check(self._library.cuCtxSetCurrent(self._context), "its context")


@cache
def gpu(index: int) -> Gpu:
    """The machine of a GPU, made once. InputError if it cannot be used."""
    return Gpu(index)


def _needed(index: int) -> CDLL:
    library = driver()
    if library is None or not 0 <= index < count():
        there = f"there are {count()}" if count() else "no driver or no GPU was found"
        raise InputError(f"no device 'cuda:{index}' here; {there}")
    return library


def _check(status: int, what: str) -> None:
    """A fault of the device spoils the process's context: nothing computed after it can be believed."""
    library = driver()
    if status and library is not None:
        told = c_char_p()
        library.cuGetErrorString(status, byref(told))
        reason = told.value.decode() if told.value else f"error {status}"
        raise BrokenInvariant(f"the GPU failed at {what}: {reason}", "start the process again")
