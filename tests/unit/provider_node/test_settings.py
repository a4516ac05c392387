"""What no run could take is refused where settings are read, with its field and what was expected."""

from pathlib import Path

import pytest

from protocol.runtime import cli
from protocol.runtime.config import load_config
from protocol.runtime.exit_codes import ExitCode
from protocol.types import InputError
from provider_node.config import ProviderConfig
from watchtower.config import WatchtowerConfig


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("owner: 0x12", "field owner: expected an address (0x and 40 hex digits"),
        ("net: {listen: [foo]}", "field net.listen: expected a multiaddr, such as"),
        ("net: {announce: [/ip4/x/tcp/1]}", "field net.announce: expected a multiaddr"),
        (
            "machine: {devices: [gpu9]}",
            "field machine.devices: expected cpu, or cuda:0 and so on, got 'gpu9'",
        ),
        ("defence: {device: cuda}", "field defence.device: expected cpu, or cuda:0 and so on, got 'cuda'"),
        ("grid_zone: XX", "field grid_zone: expected one of AT, AU"),
        (
            "stake: {max_per_lease: 20, max_locked: '5'}",
            "field stake: max_per_lease 20 is more than max_locked 5",
        ),
    ],
)
def test_a_provider_is_told_the_field(text: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "provider.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        load_config(ProviderConfig, "provider", file, environ={})
    assert str(error.value).startswith(f"{file}: ")
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "{owner: 0x" + "5f" * 20 + ", machine: {devices: [cpu, cuda:12]}, stake: {max_locked: 5}}",
        "{owner: local-owner-1, grid_zone: NO, net: {listen: [/ip6/::/tcp/0], bootstrap: []}}",
        "{grid_zone: XX, carbon_grams_per_kwh: 7}",
    ],
)
def test_what_can_be_is_taken(text: str, tmp_path: Path) -> None:
    file = tmp_path / "provider.yaml"
    file.write_text(text)
    load_config(ProviderConfig, "provider", file, environ={})


def test_a_watchtower_is_told_the_field() -> None:
    for flags, complaint in (
        ({"providers": ("0x12",)}, "flag providers: expected an address"),
        ({"device": "gpu"}, "flag device: expected cpu"),
    ):
        with pytest.raises(InputError, match=complaint):
            load_config(WatchtowerConfig, "watchtower", None, flags, environ={})


def test_unstake_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    for given, said in (([], "give an amount, or --claim ("), (["5", "--claim"], "--claim and not both (")):
        assert cli.invoke(["provider", "unstake", *given]) == ExitCode.INPUT
        assert said in capsys.readouterr().err
