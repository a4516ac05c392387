"""Job files: each mistake is one line that names file, field and expectation."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from client_sdk.commands.job import job
from client_sdk.job import load_job
from protocol.types import InputError, to_checksum

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["classify", "embed"])
def test_examples_load(name: str) -> None:
    job = load_job(ROOT / "examples" / f"{name}.yaml")
    assert job.inputs.path is not None
    assert job.inputs.path.exists()
    assert job.model.startswith("package:")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("modle: x", "unknown field modle; did you mean model?"),
        ("model: 3", "field model: expected text, got 3"),
        ("title: x", "field model is missing"),
        ("model: gone.onnx", "field model: there is no file"),
        ("model: model.bin", "field model: expected an .onnx or .tape file"),
        ("model: package:nothing", "format 'nothing' is unknown (known are: raw, magika, minilm)"),
        ("model: package:magika", "field inputs.path is missing"),
        ("model: package:magika\ninputs: {path: gone}", "field inputs.path: there is no"),
        (
            "model: package:magika\ninputs: {path: ., format: magika, options: {lim: 3}}",
            "unknown field inputs.options.lim: format magika knows limit",
        ),
        (
            "model: package:magika\ninputs: {path: ., format: magika, options: {limit: -1}}",
            "field inputs.options.limit: expected 0 or more, got -1",
        ),
        (
            'model: package:magika\ninputs: {path: ., format: magika}\ncarbon_price: "1,5"',
            "field carbon_price: expected a number of whole tokens or coins, such as 0.40, got '1,5'",
        ),
        (
            f"model: package:magika\ninputs: {{path: .}}\ndelegates: ['0x{'11' * 20}']",
            "field delegates: only a private job has delegates",
        ),
        (
            "model: package:magika\ninputs: {path: .}\nprivate: true\ndelegates: [me]",
            "field delegates",
        ),
        (
            "model: package:magika\ninputs: {path: .}\ncarbon_price: -1",
            "field carbon_price: expected a number of whole tokens or coins, such as 0.40, got '-1'",
        ),
        ("kind: docker", "field kind: expected one of tape, got 'docker'"),
        ("limits: {time: soon}", 'field limits.time: expected a number of seconds, such as "5 min"'),
        (
            "limits: {time: 0}\nmodel: package:magika\ninputs: {path: .}",
            "field limits.time: expected 1 seconds",
        ),
        (
            "limits: {auction: 99 h}\nmodel: package:magika\ninputs: {path: .}",
            "field limits.auction: expected 0.2 seconds to 600 seconds",
        ),
        (
            "limits: {memory: -1}\nmodel: package:magika\ninputs: {path: .}",
            'field limits.memory: expected a whole number of bytes, such as "64 GiB", from 0 to '
            "18446744073709551615, got -1",
        ),
        (
            "limits: {memory: 99999999999 TB}\nmodel: package:magika\ninputs: {path: .}",
            "field limits.memory: expected a whole number of bytes",
        ),
        ("model: package:nope", "field model: format 'nope' is unknown"),
        ("model: package:magika\ninputs: {path: ., format: foo}", "field inputs.format: format 'foo'"),
        ("check: {rerun_percent: 200}\nmodel: package:magika\ninputs: {path: .}", "expected 0 to 100"),
        ("inputs: []", "field inputs: expected a section of named fields"),
        ("shapes: {x: 3}", "field shapes"),
        ("title: [", "line 1"),
        ("kind: tape\nkind: tape", "field kind stands twice"),
    ],
)
def test_each_mistake_is_one_line_with_file_and_field(text: str, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        load_job(file)
    said = str(caught.value)
    assert expected in said
    assert "\n" not in said
    assert str(file) in said


def test_delegates_are_written_without_quotes(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    written = to_checksum(bytes([0xAB]) * 20)
    file.write_text(
        f"model: package:magika\ninputs: {{path: .}}\nprivate: true\ndelegates: [{written}, {written}]"
    )
    assert load_job(file).delegates == (written, written)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        load_job(tmp_path / "none.yaml")


def test_the_manual_shows_the_examples_that_run() -> None:
    manual = (ROOT / "docs" / "client.md").read_text()
    for name in ("sdk_async", "sdk_sync"):
        source = (ROOT / "examples" / f"{name}.py").read_text()
        shown = "def classify" + source.split("def classify", 1)[1].split("\n\n\n", 1)[0]
        assert shown in manual, name


@pytest.mark.parametrize("price", ["cheap", "-1", "1,5", ""])
def test_a_price_that_is_none_is_refused_before_wallet_and_node(price: str, tmp_path: Path) -> None:
    """The home is empty: opening a wallet would fail with another message."""
    runner = CliRunner(env={"GAVEL_HOME": str(tmp_path)})
    file = ROOT / "examples" / "classify.yaml"
    done = runner.invoke(job, ["run", str(file), f"--max-price={price}", "--yes"])
    assert isinstance(done.exception, InputError)
    assert str(done.exception).startswith("--max-price must be a number of whole tokens")


def test_a_price_finer_than_the_token_is_refused_before_wallet_and_node(tmp_path: Path) -> None:
    token = {"symbol": "CNT", "address": "0x" + "33" * 20, "decimals": 2}
    made = {
        "name": "one",
        "escrow": "0x" + "11" * 20,
        "staking": "0x" + "22" * 20,
        "block": 1,
        "tokens": [token],
    }
    networks = tmp_path / "networks.yaml"
    networks.write_text(yaml.safe_dump({"version": 1, "networks": {"local": {"deployments": [made]}}}))
    runner = CliRunner(env={"GAVEL_HOME": str(tmp_path), "GAVEL_NETWORKS": str(networks)})
    file = ROOT / "examples" / "classify.yaml"
    done = runner.invoke(job, ["run", str(file), "--max-price=0.125", "--yes"])
    assert str(done.exception) == "--max-price has more than the 2 decimals of CNT: '0.125'"


@pytest.mark.parametrize("written", ["0.5", '"0.5"'])
def test_a_sum_needs_no_quotes(written: str, tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(f"model: package:magika\ninputs: {{path: .}}\ncarbon_price: {written}")
    assert load_job(file).carbon_price == "0.5"
