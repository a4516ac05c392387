"""From the config file to policies, and what is wrong with it in one line."""

from dataclasses import replace
from pathlib import Path

import pytest

from protocol.auction.bidding import UINT32
from protocol.auction.money import Unit
from protocol.chain.networks import Deployment, Token
from protocol.chain.networks_file import load_networks
from protocol.runtime.config import load_config
from protocol.types import InputError
from provider_node import policy
from provider_node.addresses import told
from provider_node.config import LeaseConfig, PriceConfig, ProviderConfig, StakeConfig

DEPLOYMENT = Deployment(
    "test",
    b"\x01" * 20,
    b"\x02" * 20,
    1,
    (Token("USD", b"\x03" * 20, 6), Token("EUR", b"\x04" * 20, 18)),
)


def test_prices_are_exact_in_the_tokens_smallest_unit() -> None:
    found = policy.price_policy(PriceConfig(cpu_per_hour="0.123456", minimum="1"), DEPLOYMENT)
    assert (found.per_hour, found.minimum, found.token) == ({"cpu": 123_456}, 10**6, 0)
    assert found.window_max == UINT32, "0: whatever the deployment allows, weeks on some chains"
    assert policy.price_policy(PriceConfig(window_max=7), DEPLOYMENT).window_max == 7
    euros = policy.price_policy(PriceConfig(token="EUR", cuda_per_hour="2"), DEPLOYMENT)
    assert (euros.token, euros.per_hour["cuda"]) == (1, 2 * 10**18)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (PriceConfig(token="YEN"), r"'YEN' is not listed.*USD, EUR"),
        (PriceConfig(cpu_per_hour="0.1234567"), r"price\.cpu_per_hour has more than the 6 decimals"),
        (PriceConfig(cpu_per_hour="cheap"), r"price\.cpu_per_hour must be a number"),
        (PriceConfig(cpu_per_hour=""), r"price\.per_hour names no device"),
        (PriceConfig(grace=0), r"price\.grace is 0"),
        (PriceConfig(window_min=5, window_max=4), r"price\.window_max is 4, allowed is 5"),
    ],
)
def test_a_wrong_price_is_one_clear_line(config: PriceConfig, message: str) -> None:
    with pytest.raises(InputError, match=message):
        policy.price_policy(config, DEPLOYMENT)


def test_beats_fit_the_grace() -> None:
    network = load_networks()["local"]
    assert policy.conduct(LeaseConfig(), network, 20, 1).beat_every == 6
    assert policy.conduct(LeaseConfig(), network, 1, 1).beat_every == 1
    with pytest.raises(InputError, match=r"lease\.beat_blocks is 20, the grace only 20"):
        policy.conduct(LeaseConfig(beat_blocks=20), network, 20, 1)
    with pytest.raises(InputError, match=r"lease\.slots"):
        policy.conduct(LeaseConfig(slots=0), network, 20, 1)


def test_caps_follow_the_stake_unless_they_are_named() -> None:
    unit = Unit("USD", 6)
    assert policy.stake_sums(StakeConfig(), unit) is None
    assert policy.stake_sums(StakeConfig("5"), unit) == (5_000_000,) * 3
    assert policy.stake_sums(StakeConfig("5", "1", "2"), unit) == (5_000_000, 1_000_000, 2_000_000)


def test_the_clock_decides_what_a_block_is() -> None:
    networks = load_networks()
    assert policy.block_ms(networks["sepolia"]) == 12_000
    assert policy.block_ms(networks["arbitrum-sepolia"]) == 1_000


def test_the_example_is_a_config_that_loads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))
    example = Path(__file__).parents[3] / "examples" / "provider.yaml"
    found = load_config(ProviderConfig, "provider", example, environ={}).value
    policy.price_policy(replace(found.price, token=""), DEPLOYMENT)
    assert policy.stake_sums(found.stake, Unit("USD", 6)) is not None


def test_others_are_told_addresses_that_they_can_dial() -> None:
    peer = "/p2p/16Uiu2HAkwdQ9geiyZ6Mv6vfoZcWW6frHNDe2GajMmmFpc2dG7SwC"
    assert told((f"/ip4/10.1.2.3/tcp/4001{peer}",)) == (f"/ip4/10.1.2.3/tcp/4001{peer}",)
    for each in told((f"/ip4/0.0.0.0/tcp/4001{peer}",)):
        assert each.endswith(f"/tcp/4001{peer}")
        assert "0.0.0.0" not in each
