"""networks.yaml: what ships, what a user may change, and how each mistake is named."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from protocol.chain.networks import MWEI, Clock, Deployment, Token
from protocol.chain.networks_file import (
    SHIPPED,
    deployment_yaml,
    drop_network,
    load_network,
    load_networks,
    newest,
    shipped_network,
    user_file,
    write_deployment,
)
from protocol.types import Address, BlockNo, InputError

MADE = Deployment(
    "v1",
    Address(b"\1" * 20),
    Address(b"\2" * 20),
    BlockNo(7),
    (Token("LOC", Address(b"\3" * 20), 18),),
)

WRITTEN = deployment_yaml(MADE)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))
    monkeypatch.delenv("GAVEL_NETWORKS", raising=False)
    return tmp_path


def write(file: Path, networks: object) -> Path:
    file.write_text(yaml.safe_dump({"version": 1, "networks": networks}))
    return file


def test_the_shipped_networks_are_sound_and_the_root_links_to_them() -> None:
    networks = load_networks()
    ids = {"local": 31337, "sepolia": 11155111, "base-sepolia": 84532, "arbitrum-sepolia": 421614}
    assert {name: networks[name].chain_id for name in ids} == ids
    assert networks["arbitrum-sepolia"].clock is Clock.TIMESTAMP
    assert (SHIPPED.parents[2] / "networks.yaml").resolve() == SHIPPED
    assert all(
        url.startswith("https://") for n in networks.values() if n.name != "local" for url in n.rpc_urls
    )


def test_the_users_file_is_merged_field_by_field(home: Path) -> None:
    write(home / "networks.yaml", {"sepolia": {"rpc_urls": ["http://mine"], "fees": {"max_mwei": 7_000}}})
    shipped, mine = load_network("base-sepolia"), load_network("sepolia")
    assert mine.rpc_urls == ("http://mine",)
    assert mine.chain_id == 11155111
    assert mine.fees == replace(shipped_network("sepolia").fees, maximum=7_000 * MWEI)
    assert mine.source == str(user_file())
    assert shipped.source == str(SHIPPED)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"chain_id": "1"}, "networks.sepolia.chain_id must be a chain id (a positive integer), found '1'"),
        ({"chain_id": True}, "networks.sepolia.chain_id must be"),
        ({"rpc_urls": []}, "networks.sepolia.rpc_urls must be a list of http or https URLs, at least one"),
        ({"rpc_urls": ["ftp://x"]}, "networks.sepolia.rpc_urls must be"),
        ({"clock": "sundial"}, "networks.sepolia.clock must be 'block' or 'timestamp', found 'sundial'"),
        ({"confirmations": 0}, "networks.sepolia.confirmations must be a positive number of blocks"),
        ({"fees": {"max_mwei": -5}}, "networks.sepolia.fees.max_mwei must be a price in Mwei"),
        ({"fees": {"max_gwei": 5}}, "networks.sepolia.fees has an unknown field 'max_gwei'"),
        ({"fees": 3}, "networks.sepolia.fees must be a mapping, found 3"),
        ({"bootstrap": ["x"]}, "networks.sepolia.bootstrap must be a list of multiaddrs"),
        ({"rpc_url": "x"}, "networks.sepolia has an unknown field 'rpc_url'"),
        ({"deployments": [{"name": "v1", "escrow": 0x12}]}, "deployments[0].escrow must be an address"),
        ({"deployments": [{"name": "v1", "escrow": "0x12"}]}, "deployments[0].escrow must be an address"),
        ({"deployments": [{**WRITTEN, "disputes": None}]}, "deployments[0].disputes must be an address"),
        ({"deployments": [{**WRITTEN, "juries": "0x12"}]}, "deployments[0] has an unknown field 'juries'"),
    ],
)
def test_a_malformed_field_is_named_with_file_and_expectation(
    home: Path, change: dict[str, Any], complaint: str
) -> None:
    file = write(home / "networks.yaml", {"sepolia": change})
    with pytest.raises(InputError) as error:
        load_networks()
    assert str(error.value).startswith(f"{file}: ")
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: [", "line 1, column 5"),
        ("[]", "the top must have exactly two fields"),
        ("version: 9\nnetworks: {}", "version must be 1"),
        ("version: 1\nnetworks: []", "networks must be a mapping"),
        ("version: 1\nnetworks: {sepolia: 1}", "networks.sepolia must be a mapping"),
        ("version: 1\nnetworks: {mine: {}}", "networks.mine.chain_id is missing"),
    ],
)
def test_a_malformed_file_is_named(home: Path, text: str, complaint: str) -> None:
    (home / "networks.yaml").write_text(text)
    with pytest.raises(InputError, match=r"networks\.yaml") as error:
        load_networks()
    assert complaint in str(error.value)


def test_addresses_are_written_without_quotes(home: Path) -> None:
    write(home / "networks.yaml", {"local": {"deployments": [WRITTEN]}})
    file = home / "networks.yaml"
    file.write_text(file.read_text().replace("'", ""))
    assert newest(load_network("local")) == MADE


def test_a_file_that_was_named_must_exist(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_networks()
    with pytest.raises(InputError, match="cannot read "):
        load_networks(home / "none.yaml")
    monkeypatch.setenv("GAVEL_NETWORKS", str(home / "other.yaml"))
    with pytest.raises(InputError, match="cannot read "):
        load_networks()


def test_unknown_networks_and_networks_without_contracts_say_what_to_do() -> None:
    with pytest.raises(InputError, match=r"'sepolai' is unknown .*known are: .*sepolia"):
        load_network("sepolai")
    with pytest.raises(InputError, match=r"has no contracts .*run `gavel deploy --network sepolia`"):
        newest(load_network("sepolia"))
    with pytest.raises(InputError, match="run `gavel localnet`"):
        newest(load_network("local"))


def test_a_deployment_is_written_first_and_older_ones_stay(home: Path) -> None:
    file = home / "networks.yaml"
    file.write_text("# mine\n# and only mine\nversion: 1\nnetworks: {base-sepolia: {confirmations: 9}}\n")
    write_deployment(file, "sepolia", MADE)
    judged = {"referee": Address(b"\5" * 20), "disputes": Address(b"\6" * 20)}
    newer = Deployment("v2", Address(b"\4" * 20), MADE.staking, BlockNo(9), MADE.tokens, **judged)
    write_deployment(file, "sepolia", newer)
    write_deployment(file, "sepolia", newer)
    assert load_network("sepolia").deployments == (newer, MADE)
    assert load_network("base-sepolia").confirmations == 9
    assert file.read_text().startswith("# mine\n# and only mine\n")
    drop_network(file, "sepolia")
    assert load_network("sepolia").deployments == ()


def test_spans_of_either_clock() -> None:
    blocks, seconds = load_network("sepolia"), load_network("arbitrum-sepolia")
    assert (blocks.span(25), blocks.seconds(blocks.span(25))) == (3, 36)
    assert (seconds.span(25), seconds.seconds(seconds.span(25))) == (25, 25)
