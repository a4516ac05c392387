"""The machines that the engine's tests run on: the host that plays CUDA, and a GPU where there is one."""

from pathlib import Path

import pytest

from protocol.engines.cuda import gpu, usable
from protocol.engines.cuda.machine import Machine
from tests.cuda_host import HostMachine


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cuda_host")


@pytest.fixture(scope="session")
def host(folder: Path) -> HostMachine:
    return HostMachine(folder)


# Without a GPU there is no such parameter, rather than hundreds of skipped tests.
@pytest.fixture(params=["host", *(f"cuda:{index}" for index in usable()[:1])])
def machine(request: pytest.FixtureRequest, host: HostMachine) -> Machine:
    name = request.param
    return host if name == "host" else gpu(int(name.partition(":")[2]))
