"""What several modules of these tests share."""

from collections.abc import Iterator

import pytest

from protocol.chain.localnet import run_localnet
from tests.judged import World
from tests.provider_rig import provider_home


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A provider for tests of the group "provider": it takes seconds to start."""
    folder = tmp_path_factory.mktemp("judged")
    networks = folder / "networks.yaml"
    with (
        run_localnet(block_time=None, networks_file=networks) as net,
        provider_home(net, folder, networks, price={"start_blocks": 40, "result_blocks": 40}) as daemon,
    ):
        daemon.start()
        yield World(net, daemon)
