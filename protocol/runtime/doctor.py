"""Checks of this machine: each says ok, warn or fail, and what to do about it."""

import importlib
import shutil
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from protocol.runtime import hardware, paths

Level = Literal["ok", "warn", "fail"]

_LEAST_MEMORY = 1 << 30
_LEAST_DISK = 5 << 30


@dataclass(frozen=True)
class Finding:
    """What one check found: `advice` says what to do unless all is well."""

    check: str
    level: Level
    detail: str
    advice: str = ""


Check = Callable[[], Finding | None]
"""Finds something out, or that it is not for this machine."""


def check_python() -> Finding:
    """Name the Python that runs; an older one than 3.11 could not have installed this."""
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", "ok", version)


def check_compilers() -> Finding:
    """Look for a C++ compiler, which only a new installation needs."""
    found = [name for name in ("g++", "clang++", "c++") if shutil.which(name)]
    if found:
        return Finding("compiler", "ok", ", ".join(found))
    advice = "needed to install libp2p's dependencies: apt install g++ python3-dev libgmp-dev"
    return Finding("compiler", "warn", "no C++ compiler", advice)


def check_node() -> Finding:
    """Look for Node, which only builds of the contracts need."""
    if node := shutil.which("node"):
        return Finding("node", "ok", node)
    return Finding("node", "warn", "not installed", "needed to build the contracts only: make setup")


def check_libp2p() -> Finding:
    """Try to import libp2p, whose compiled parts may not fit this machine."""
    try:
        version = importlib.import_module("importlib.metadata").version("libp2p")
        importlib.import_module("libp2p")
    except Exception as error:  # whatever a broken extension raises is what we want to show
        return Finding("libp2p", "fail", f"{type(error).__name__}: {error}", "run make setup again")
    return Finding("libp2p", "ok", str(version))


def check_docker() -> Finding:
    """Ask the Docker engine, which tape jobs do not need, for its version."""
    import docker

    try:
        client = docker.from_env(timeout=3)
        version = client.version()["Version"]
        client.close()
    except Exception as error:  # docker-py raises many kinds, requests' among them
        detail = f"no engine ({type(error).__name__})"
        return Finding("docker", "ok", detail, "needed for container jobs only, which are not offered yet")
    return Finding("docker", "ok", f"engine {version}")


def check_gpus() -> Finding:
    """Count the GPUs that NVML sees."""
    gpus, note = hardware.detect_gpus()
    if not gpus:
        return Finding("gpu", "ok", f"none ({note})", "jobs run on the processor")
    return Finding("gpu", "ok", ", ".join(f"{gpu.name}, {gpu.memory >> 30} GiB" for gpu in gpus))


def check_memory() -> Finding:
    """Hold the memory that this process may use against what a daemon and a small job need."""
    limit = hardware.memory_limit()
    detail = f"{limit / (1 << 30):.1f} GiB"
    if limit < _LEAST_MEMORY:
        return Finding("memory", "fail", detail, "a provider needs at least 1 GiB; raise the cgroup's limit")
    return Finding("memory", "ok", detail)


def check_disk() -> Finding:
    """Hold the free disk space at `$GAVEL_HOME` against what artifacts need."""
    free = shutil.disk_usage(paths.home()).free
    detail = f"{free / (1 << 30):.1f} GiB free at {paths.home()}"
    if free < _LEAST_DISK:
        return Finding("disk", "warn", detail, "free some space, or set GAVEL_HOME to a larger disk")
    return Finding("disk", "ok", detail)


def check_cpu() -> Finding:
    """Name the processor and its vector unit."""
    found = hardware.detect(paths.home())
    detail = f"{found.cpu}, {found.cores} cores, {found.avx}"
    if found.avx not in ("avx2", "avx512"):
        advice = "jobs run, but slowly: results need fused multiply-add in software"
        return Finding("cpu", "warn", detail, advice)
    return Finding("cpu", "ok", detail)


def check_clock() -> Finding:
    """Find out whether the kernel says that its clock is disciplined by NTP."""
    try:
        import ctypes

        # struct timex begins with an unsigned int and is shorter than this; modes = 0 only reads.
        buffer = ctypes.create_string_buffer(512)
        state = ctypes.CDLL(None).adjtimex(buffer)
    except (OSError, AttributeError):
        state = -1
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    if state < 0:
        return Finding("clock", "ok", now, "the kernel does not say whether it is synchronised")
    if state == 5:
        return Finding(
            "clock", "warn", f"{now}, not synchronised", "run an NTP client (systemd-timesyncd, chrony)"
        )
    return Finding("clock", "ok", f"{now}, synchronised")


def check_keys() -> Finding:
    """Look for wallets, and whether others may read them."""
    from protocol.runtime.keystore import list_keys
    from protocol.types import GavelError

    try:
        names = [key.name for key in list_keys()]
    except GavelError as error:
        return Finding("wallets", "fail", error.message, error.advice)
    if not names:
        return Finding("wallets", "warn", "none", "gavel wallet new")
    return Finding("wallets", "ok", ", ".join(names))


def check_ports() -> Finding:
    """Try to listen on loopback, where metrics are served."""
    try:
        with socket.create_server(("127.0.0.1", 0)):
            return Finding("loopback", "ok", "can listen on 127.0.0.1")
    except OSError as error:
        return Finding("loopback", "fail", str(error), "metrics and the local network need 127.0.0.1")


LOCAL: dict[str, Check] = {
    "python": check_python,
    "compiler": check_compilers,
    "node": check_node,
    "libp2p": check_libp2p,
    "docker": check_docker,
    "gpu": check_gpus,
    "cpu": check_cpu,
    "memory": check_memory,
    "disk": check_disk,
    "clock": check_clock,
    "loopback": check_ports,
    "wallets": check_keys,
}
"""Every check that needs no network."""


def examine(checks: Mapping[str, Check] = LOCAL) -> list[Finding]:
    """Run checks; one that itself fails is a finding, so that the others are still shown."""
    findings = []
    for name, check in checks.items():
        try:
            found = check()
        except Exception as error:
            found = Finding(name, "fail", f"{type(error).__name__}: {error}", "report this as a bug")
        if found is not None:
            findings.append(found)
    return findings
