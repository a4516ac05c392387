"""Settings of every test run."""

from hypothesis import HealthCheck, settings

from tests.chain_fixtures import localnet, localnet_session  # noqa: F401 - fixtures for every test

# Machines that run these tests are shared: how long an example takes says nothing about the code.
settings.register_profile(
    "gavel", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("gavel")
