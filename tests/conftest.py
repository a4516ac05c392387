"""Settings of every test run."""

import os

from hypothesis import HealthCheck, settings

from tests.chain_fixtures import localnet, localnet_session  # noqa: F401 - fixtures for every test

# `make test` draws the same examples every time, so that it fails for a change and not by chance; `make soak`
# draws new ones. These machines are shared: how long an example takes says nothing about the code.
settings.register_profile(
    "gavel",
    deadline=None,
    max_examples=60,
    derandomize="GAVEL_RANDOM" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("gavel")
