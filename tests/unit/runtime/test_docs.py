"""What the docs say about commands, exit codes and settings is what the code does."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from protocol.chain.commands import deploy
from protocol.chain.localnet_command import WALLETS
from protocol.chain.networks import FURTHER, Deployment
from protocol.runtime import cli
from protocol.runtime.exit_codes import ExitCode
from protocol.runtime.keystore import LOCAL_PASSWORD_FILE
from protocol.runtime.logs import FILE_BYTES, FILES
from protocol.runtime.yaml_file import read_yaml
from protocol.types import Address, BlockNo

ROOT = Path(__file__).parents[3]
LOCAL_PASSWORD = f"~/.gavel/{LOCAL_PASSWORD_FILE}"
TEXT = (ROOT / "docs" / "operating.md").read_text()
PAGES = ("README.md", *(f"docs/{each.name}" for each in sorted((ROOT / "docs").glob("*.md"))))


def test_every_exit_code_is_documented() -> None:
    rows = re.findall(r"^\| (\d+) \| ([A-Z]+) \|", TEXT, re.MULTILINE)
    assert {name: int(code) for code, name in rows} == {code.name: code.value for code in ExitCode}


def test_log_rotation_is_as_documented() -> None:
    assert "rotated at 20 MB, five old files" in TEXT
    assert (FILE_BYTES, FILES) == (20 << 20, 5)


def test_every_linked_file_exists() -> None:
    later = {"provider.md", "client.md", "watchtower.md"}
    for link in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert link in later or (Path(__file__).parents[3] / "docs" / link).exists(), link


def blocks_of(page: str) -> list[str]:
    """Return what stands in a page's fences, with continued lines joined."""
    fenced = re.findall(r"^```[a-z]*\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    return [block.replace("\\\n", " ") for block in fenced]


def commands_of(page: str) -> Iterator[list[str]]:
    """Yield the words of each `gavel ...` that a page tells to type."""
    inline = re.findall(r"`(gavel [^`\n]+)`", (ROOT / page).read_text())
    lines = [line for block in blocks_of(page) for line in block.splitlines()]
    for line in (*lines, *inline):
        for part in re.split(r"\s#\s|[|>;]|&&|\$\(|\)\"?$", line):
            if part.strip().startswith("gavel "):
                yield [word.strip("[]") for word in part.split()[1:]]


def flaw_of(words: list[str]) -> str:
    """Return what `gavel` does not know of these words, if anything."""
    command: click.Command = cli.root
    context = click.Context(cli.root)
    for word in words:
        if word.startswith("-"):
            known = {
                name for each in command.get_params(context) for name in (*each.opts, *each.secondary_opts)
            }
            if word.split("=")[0] not in known:
                return f"{command.name} has no option {word}"
        elif isinstance(command, click.Group) and re.fullmatch(r"[a-z-]+", word):
            found = command.get_command(context, word)
            if found is None:
                return f"{command.name} has no command {word}"
            command = found
    return ""


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_the_docs_name_is_there(page: str) -> None:
    assert {" ".join(words): flaw for words in commands_of(page) if (flaw := flaw_of(words))} == {}


def test_a_command_that_is_not_there_is_found() -> None:
    assert flaw_of(["wallet", "send", "1"]) == "wallet has no command send"
    assert flaw_of(["wallet", "balance", "me", "--networks", "local"]) == "balance has no option --networks"
    assert flaw_of(["provider", "stake", "100", "--max-locked", "60"]) == ""
    assert len(list(commands_of("docs/provider.md"))) > 20


@pytest.mark.parametrize("page", PAGES)
def test_a_password_file_is_made_before_it_is_named(page: str) -> None:
    """`gavel wallet new` makes none: who follows the page would end at its first command."""
    made = {LOCAL_PASSWORD, "FILE"}
    for line in (line for block in blocks_of(page) for line in block.splitlines()):
        made |= set(re.findall(r"> ([^\s)]+)", line))
        for named in re.findall(r"(?:--password-file |PASSWORD_FILE=)(\S+)", line):
            assert named in made, line


def test_the_example_of_a_provider_runs_with_what_localnet_makes() -> None:
    example = read_yaml(ROOT / "examples" / "provider.yaml")
    assert example["network"] == "local"
    assert {example["operator"], example["owner_wallet"]} <= set(WALLETS)
    assert example["password_file"] == LOCAL_PASSWORD
    assert "owner_password_file" not in example
    assert "cp examples/provider.yaml ~/.gavel/provider.yaml" in (ROOT / "docs" / "provider.md").read_text()


def test_the_contracts_of_a_deployment_are_named_wherever_they_are_told() -> None:
    text = (ROOT / "docs" / "networks.md").read_text()
    (row,) = re.findall(r"^\| `deployments` .*", text, re.MULTILINE)
    assert set(FURTHER) < set(re.findall(r"`([a-z]+)`", row))
    (said,) = re.findall(r"creates Escrow and Staking, then ([\w,\s]+), reads everything", text)
    (left,) = re.findall(r"`--no-disputes`\s+leaves\s+([\w,\s]+)\s+out", text)
    options = {each.name: each for each in deploy.params}
    help_ = str(getattr(options["disputes"], "help", ""))
    for named in (said, left, help_):
        assert {name.capitalize() for name in FURTHER} <= set(re.findall(r"\w+", named)), named
    made = Deployment(
        "v1",
        *(Address(bytes([n]) * 20) for n in (1, 2)),
        BlockNo(1),
        (),
        *(Address(bytes([n]) * 20) for n in (3, 4, 5, 6)),
    )
    assert [line.split()[0] for line in made.table()] == ["Escrow", "Staking", *map(str.capitalize, FURTHER)]


def metrics_of(role: str) -> set[str]:
    """Return the names that are served of all figures that a role's code makes; counters end in `_total`."""
    made = r'\b([Cc]ounter|[Gg]auge)(?:MetricFamily)?\(\s*"(gavel_\w+)"'
    texts = [file.read_text() for file in (ROOT / role).rglob("*.py")]
    texts.append((ROOT / "protocol" / "runtime" / "metrics.py").read_text().split("class Metrics")[0])
    found = [pair for text in texts for pair in re.findall(made, text.split('"""', 2)[-1])]
    counters = {name.removesuffix("_total") + "_total" for kind, name in found if kind.lower() == "counter"}
    return counters | {name for kind, name in found if kind.lower() == "gauge"}


@pytest.mark.parametrize("role", ["provider_node", "watchtower"])
def test_every_metric_is_documented_and_no_other(role: str) -> None:
    page = (ROOT / "docs" / f"{role.removesuffix('_node')}.md").read_text()
    assert set(re.findall(r"`(gavel_\w+)(?:\{\w+\})?`", page)) == metrics_of(role)


@pytest.mark.parametrize("group", ["job", "provider", "wallet", "watchtower", "config"])
def test_what_each_command_does_is_said_whole_on_a_terminal_of_80_columns(group: str) -> None:
    shown = CliRunner().invoke(cli.root, [group, "--help"], terminal_width=80).output
    _, _, rows = shown.partition("Commands:\n")
    assert rows
    assert not [row for row in rows.splitlines() if row.endswith("...") or not row.startswith("  ")]
