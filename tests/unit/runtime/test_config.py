import enum
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from protocol.runtime import paths
from protocol.runtime.client_config import ClientConfig
from protocol.runtime.config import load_config, option
from protocol.types import InputError
from provider_node.config import ProviderConfig
from watchtower.config import WatchtowerConfig


class Policy(enum.Enum):
    FIXED = 1
    MARKET = 2


def wei(text: str) -> int:
    if not text.endswith("eth"):
        raise ValueError("a sum such as 2eth")
    return int(text[:-3]) * 10**18


@dataclass(frozen=True)
class Store:
    quota: int = option(100, "bytes to keep", unit="bytes")
    idle: float = option(60.0, "seconds", unit="seconds")


@dataclass(frozen=True)
class Example:
    wallet: str = option("default", "the wallet")
    stake: int = option(0, "the stake")
    bond: int = option(0, "the bond", parse=wei)
    policy: Policy = option(Policy.FIXED, "how to price")
    level: Literal["info", "debug"] = option("info", "log level")
    metrics: bool = option(True, "serve metrics")
    home: Path | None = option(None, "where")
    peers: tuple[str, ...] = option((), "bootstrap")
    prices: dict[str, int] = field(default_factory=dict)
    store: Store = field(default_factory=Store)
    slots: int = option(1, "jobs at a time", least=1, most=8)
    share: float = option(5.0, "a share", least=0)


FILE = """
wallet: operator
stake: 100000000000000000000000000001
bond: 2eth
policy: market
peers: [a, b]
prices: {usd: 3}
store:
  quota: 64 GiB
  idle: 5 min
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))
    return tmp_path


def write(home: Path, text: str) -> Path:
    path = home / "example.yaml"
    path.write_text(text)
    return path


def test_defaults_stand_without_a_file() -> None:
    config = load_config(Example, "example", environ={})
    assert config.value == Example()
    assert {setting.source for setting in config.settings} == {"default"}


def test_a_file_is_read_with_units_and_types(home: Path) -> None:
    write(home, FILE)
    value = load_config(Example, "example", environ={}).value
    assert value == Example(
        wallet="operator",
        stake=10**29 + 1,
        bond=2 * 10**18,
        policy=Policy.MARKET,
        peers=("a", "b"),
        prices={"usd": 3},
        store=Store(64 << 30, 300.0),
    )


@pytest.mark.parametrize("word", ["NO", "no", "Yes", "on", "OFF"])
def test_words_that_yaml_took_for_true_or_false_are_text_where_text_is_wanted(home: Path, word: str) -> None:
    write(home, f"wallet: {word}\npeers: [{word}]\nmetrics: {word}")
    value = load_config(Example, "example", environ={}).value
    assert (value.wallet, value.peers) == (word, (word,)), "NO is Norway"
    assert value.metrics is (word.lower() in ("yes", "on"))


def test_flag_beats_environment_beats_file_beats_default(home: Path) -> None:
    path = write(home, "wallet: file\nstake: 1\nlevel: debug\n")
    environ = {
        "GAVEL_EXAMPLE_WALLET": "environment",
        "GAVEL_EXAMPLE_STAKE": "2",
        "GAVEL_EXAMPLE_STORE_QUOTA": "1KiB",
        "GAVEL_EXAMPLE_PEERS": "x, y",
        "GAVEL_EXAMPLE_PRICES": "usd=1,eur=2",
        "GAVEL_EXAMPLE_METRICS": "off",
        "GAVEL_OTHER": "not ours",
    }
    config = load_config(
        Example, "example", path, {"wallet": "flag", "home": Path("/x"), "stake": None}, environ
    )
    assert config.value == Example(
        "flag", 2, 0, Policy.FIXED, "debug", False, Path("/x"), ("x", "y"), {"usd": 1, "eur": 2}, Store(1024)
    )
    sources = {setting.name: setting.source for setting in config.settings}
    assert sources["wallet"] == "flag wallet"
    assert sources["stake"] == "environment GAVEL_EXAMPLE_STAKE"
    assert sources["level"] == f"file {path}"
    assert sources["store.idle"] == "default"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("walet: x", "unknown field walet; did you mean wallet?"),
        ("store: {qota: 1}", "unknown field store.qota; did you mean quota?"),
        ("stake: lots", "field stake: expected a whole number, got 'lots'"),
        ("stake: 1.5", "field stake: expected a whole number, got 1.5"),
        ("stake: true", "field stake: expected a whole number, got True"),
        ("wallet: 5", "field wallet: expected text, got 5"),
        ("wallet: [a]", "field wallet: expected text, got ['a']"),
        ("wallet:", "field wallet: expected text, got None"),
        ("metrics: maybe", "field metrics: expected true or false, got 'maybe'"),
        ("wallet: true", "field wallet: expected text, got True"),
        ("policy: cheap", "field policy: expected one of fixed, market, got 'cheap'"),
        ("level: loud", "field level: expected one of info, debug, got 'loud'"),
        ("peers: a", "field peers: expected a list, each item text, got 'a'"),
        ("prices: [1]", "field prices: expected a map of names, each value a whole number, got [1]"),
        ("bond: 2", "field bond: expected a sum such as 2eth, got '2'"),
        ("store: 7", "field store: expected a section of named fields, got int"),
        (
            "store: {quota: 3 parsecs}",
            'field store.quota: expected a whole number of bytes, such as "64 GiB"',
        ),
        ("- a list", "expected a map of fields, got list"),
        ("wallet: a\nwallet: b", "line 2, column 1: field wallet stands twice"),
        ("wallet: {a", "line 1"),
        ("peers: &x [a]\nstore: *x", "anchors and aliases"),
        ("peers: &x [a]", "anchors and aliases"),
        ("peers: " + "[" * 3_000, "nested too deep"),
        ("wallet: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
    ],
)
def test_a_mistake_in_the_file_is_named_in_one_line(home: Path, text: str, problem: str) -> None:
    path = write(home, text)
    with pytest.raises(InputError) as caught:
        load_config(Example, "example", environ={})
    assert problem in caught.value.message
    assert str(path) in caught.value.message
    assert "\n" not in str(caught.value)


def test_a_mistake_in_the_environment_or_a_flag_names_it() -> None:
    with pytest.raises(InputError, match=r"GAVEL_EXAMPLE_STAKE: expected a whole number"):
        load_config(Example, "example", environ={"GAVEL_EXAMPLE_STAKE": "x"})
    with pytest.raises(InputError, match=r"GAVEL_EXAMPLE_STAK.*did you mean GAVEL_EXAMPLE_STAKE"):
        load_config(Example, "example", environ={"GAVEL_EXAMPLE_STAK": "1"})
    with pytest.raises(InputError, match="flag stake: expected a whole number"):
        load_config(Example, "example", flags={"stake": "x"}, environ={})
    with pytest.raises(InputError, match="unknown setting steak; did you mean stake"):
        load_config(Example, "example", flags={"steak": 1}, environ={})


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("slots: 0", "field slots: expected a whole number, from 1 to 8, got 0"),
        ("slots: '9'", "field slots: expected a whole number, from 1 to 8, got 9"),
        ("share: -1", "field share: expected a number, at least 0, got -1.0"),
        ("share: .nan", "field share: expected a number, at least 0, got nan"),
    ],
)
def test_a_number_out_of_its_bounds_is_named_with_them(home: Path, line: str, problem: str) -> None:
    write(home, line)
    with pytest.raises(InputError) as caught:
        load_config(Example, "example", environ={})
    assert problem in caught.value.message


def test_bounds_hold_for_the_environment_and_flags_too() -> None:
    with pytest.raises(InputError, match="from 1 to 8, got 0"):
        load_config(Example, "example", environ={"GAVEL_EXAMPLE_SLOTS": "0"})
    with pytest.raises(InputError, match="from 1 to 8, got 9"):
        load_config(Example, "example", flags={"slots": "9"}, environ={})
    with pytest.raises(InputError, match="from 1 to 8, got 9"):
        load_config(Example, "example", flags={"slots": 9}, environ={})


def test_a_file_that_was_named_must_be_there(home: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*nowhere\.yaml"):
        load_config(Example, "example", home / "nowhere.yaml", environ={})


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
anything = st.recursive(scalars, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x))
names = st.sampled_from([*(f.name for f in fields(Example)), "quota", "idle", "other"])


def outcome(path: Path) -> Example | str:
    try:
        return load_config(Example, "example", path, environ={}).value
    except InputError as error:
        return str(error)


@given(st.dictionaries(names, anything | st.dictionaries(names, anything), max_size=4))
def test_whatever_the_file_holds_ends_in_a_value_or_one_line(tmp_path_factory: Any, document: Any) -> None:
    path = tmp_path_factory.mktemp("config") / "example.yaml"
    path.write_text(yaml.safe_dump(document))
    match outcome(path):
        case str(line):
            assert "\n" not in line
        case value:
            assert isinstance(value.store, Store)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_yaml_end_in_one_line(tmp_path_factory: Any, data: bytes) -> None:
    path = tmp_path_factory.mktemp("config") / "example.yaml"
    path.write_bytes(data)
    found = outcome(path)
    assert isinstance(found, Example) or "\n" not in found


ADDRESS = "0x0000CDdDb6A900fA2b585dD299e03d12fA4293bC"


@pytest.mark.parametrize(
    ("schema", "field", "value"),
    [
        (ProviderConfig, "owner", ADDRESS),
        (ClientConfig, "contract", ADDRESS),
        (WatchtowerConfig, "providers", (ADDRESS, ADDRESS)),
    ],
)
def test_an_address_is_the_text_that_was_written(
    schema: type[Any], field: str, value: str | tuple[str, ...], tmp_path: Path
) -> None:
    """YAML 1.1 takes 0x... for a number, and loses an address' zeros and capitals."""
    file = tmp_path / "role.yaml"
    file.write_text(f"{field}: {value}".replace("(", "[").replace(")", "]").replace("'", ""))
    assert getattr(load_config(schema, "role", file, environ={}).value, field) == value


@pytest.mark.parametrize("value", ["2026-99-99", "9" * 5000], ids=["date", "number"])
def test_what_python_does_not_hold_is_one_line(value: str, tmp_path: Path) -> None:
    file = tmp_path / "role.yaml"
    file.write_text(f"stake: {value}")
    with pytest.raises(InputError, match=r"role\.yaml: "):
        load_config(Example, "role", file, environ={})


@pytest.mark.parametrize("text", ["1_", "9" * 5000, "1" + "_" * 9], ids=["underscore", "long", "underscores"])
def test_text_that_python_does_not_read_as_a_number_is_one_line(text: str) -> None:
    for name in ("STAKE", "SHARE"):
        with pytest.raises(InputError, match=f"GAVEL_EXAMPLE_{name}: expected a "):
            load_config(Example, "example", environ={f"GAVEL_EXAMPLE_{name}": text})


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for bad in (str(file), str(file / "below"), "/proc/none", "~no-such-user-here/gavel"):
        monkeypatch.setenv("GAVEL_HOME", bad)
        with pytest.raises(InputError, match="GAVEL_HOME") as found:
            load_config(Example, "example", environ={})
        assert bad in str(found.value)
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))
    with pytest.raises(InputError, match=f"{file}"):
        paths.role_dir("file")
    for bad in (str(file), "~no-such-user-here/data"):
        with pytest.raises(InputError, match="data_dir names") as found:
            paths.data_dir("provider", bad)
        assert bad in str(found.value)
    assert paths.data_dir("provider", str(tmp_path / "data")) == tmp_path / "data"
    assert paths.data_dir("provider", "") == tmp_path / "provider"


def test_hex_is_no_number(tmp_path: Path) -> None:
    file = tmp_path / "role.yaml"
    file.write_text("slots: 0x7")
    with pytest.raises(InputError, match=r"field slots: expected a whole number.*, got '0x7'"):
        load_config(Example, "role", file, environ={})
