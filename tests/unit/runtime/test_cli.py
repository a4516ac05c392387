import errno
import json
import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from protocol.runtime import cli, summary
from protocol.runtime.commands import config
from protocol.runtime.config import option
from protocol.runtime.exit_codes import ExitCode
from protocol.runtime.settings import Settings, pass_settings
from protocol.types import BrokenInvariant, InputError, TransientError

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))
    return tmp_path


@dataclass(frozen=True)
class Netless:
    size: int = option(1, "size")


@click.group()
def probe() -> None:
    """Tries things."""


@probe.command()
@pass_settings
def settings(settings: Settings) -> None:
    settings.say("progress")
    settings.emit(
        {"network": settings.network, "id": b"\x01", "wei": 1 << 70, "small": 3, "flags": (True, None)},
        "human",
    )


@probe.command()
@click.argument("kind")
@click.option("--network", help="A network of its own.")
def fail(kind: str, network: str | None) -> None:
    errors = {
        "input": InputError("wrong\nnumber\x1b[2J", "use 3"),
        "transient": ExceptionGroup("nursery", [TransientError("later")]),
        "broken": BrokenInvariant("below zero"),
        "disk": OSError(errno.ENOSPC, "No space left on device", "/src", None, "/full/models/a.onnx"),
        "bug": ZeroDivisionError("oops"),
        "interrupt": KeyboardInterrupt(),
        "network": InputError(str(network)),
    }
    raise errors[kind]


@probe.command()
def no() -> int:
    return ExitCode.NO


@pytest.fixture(autouse=True)
def entries(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        "probe": EntryPoint("probe", f"{__name__}:probe", cli.GROUP),
        "wallet": EntryPoint("wallet", "protocol.runtime.commands.wallet:wallet", cli.GROUP),
    }
    monkeypatch.setattr(cli.LazyGroup, "_entries", lambda self: found)
    monkeypatch.setattr(EntryPoint, "load", lambda self: probe if self.name == "probe" else ORIGINAL(self))


ORIGINAL = EntryPoint.load


def test_common_options_stand_before_or_after_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    for args in (
        ["--json", "--network", "x", "probe", "settings"],
        ["probe", "settings", "--json", "--network", "x"],
        ["probe", "--network", "x", "settings", "--json"],
    ):
        assert cli.invoke(args) == ExitCode.OK
        out = capsys.readouterr()
        answer = json.loads(out.out)
        assert answer == {
            "network": "x",
            "id": "0x01",
            "wei": str(1 << 70),
            "small": 3,
            "flags": [True, None],
        }
        assert out.err == ""
    assert cli.invoke(["probe", "settings"]) == ExitCode.OK
    out = capsys.readouterr()
    assert (out.out, out.err) == ("human\n", "progress\n")


def test_a_command_keeps_an_option_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["probe", "fail", "network", "--network", "mine"]) == ExitCode.INPUT
    assert capsys.readouterr().err == "gavel: mine\n"


@pytest.mark.parametrize(
    ("kind", "code", "line"),
    [
        ("input", 2, "gavel: wrong\\nnumber\\x1b[2J (use 3)"),
        ("transient", 3, "gavel: later"),
        ("broken", 4, "gavel: below zero"),
        (
            "disk",
            3,
            "gavel: /full/models/a.onnx: No space left on device (make room on the disk, or check it;",
        ),
        ("bug", 70, "gavel: ZeroDivisionError: oops (this is a bug; run again with --debug"),
        ("interrupt", 130, "gavel: interrupted"),
    ],
)
def test_every_error_is_one_line_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], kind: str, code: int, line: str
) -> None:
    assert cli.invoke(["probe", "fail", kind]) == code
    err = capsys.readouterr().err.strip()  # click ends the line that ^C stands on
    assert err.startswith(line)
    assert "\n" not in err
    assert cli.invoke(["--json", "probe", "fail", kind]) == code
    assert json.loads(capsys.readouterr().err)["error"]["message"] in line


@pytest.mark.parametrize(
    "args",
    [
        ["probe", "fail", "-1", "--json"],
        ["probe", "settings", "--nope", "--json"],
        ["probe", "fail", "--json"],
        ["frobnicate", "--json"],
    ],
)
def test_a_fault_of_usage_is_json_too_wherever_that_was_asked_for(
    capsys: pytest.CaptureFixture[str], args: list[str]
) -> None:
    assert cli.invoke(args) == ExitCode.INPUT
    assert json.loads(capsys.readouterr().err)["error"]["kind"] == "input"


def test_completion_knows_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["completion", "bash"]) == ExitCode.OK
    script = capsys.readouterr().out
    assert cli.invoke(["completion", "bash", "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == {"shell": "bash", "script": script.removesuffix("\n")}


def test_config_show_takes_the_network_that_was_named(
    capsys: pytest.CaptureFixture[str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "client.yaml").write_text("network: filed")
    found = {
        "client": EntryPoint("client", "protocol.runtime.client_config:ClientConfig", config.GROUP),
        "other": EntryPoint("other", f"{__name__}:Netless", config.GROUP),
    }
    monkeypatch.setattr(config, "_schemas", lambda: found)
    monkeypatch.setattr(EntryPoint, "load", ORIGINAL)
    runner = CliRunner()
    settings = Settings(network="flagged", json=True)
    shown = json.loads(runner.invoke(config.config, ["show"], obj=settings, catch_exceptions=False).output)
    (row,) = (each for each in shown["client"] if each["name"] == "network")
    assert (row["value"], row["source"]) == ("flagged", "flag network")
    assert [each["name"] for each in shown["other"]] == ["size"]


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["probe", "fail", "bug", "--debug"]) == ExitCode.BUG
    assert "Traceback" in capsys.readouterr().err


def test_a_command_can_answer_no() -> None:
    assert cli.invoke(["probe", "no"]) == ExitCode.NO


def test_unknown_commands_and_options_are_answered_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.invoke(["walet"]) == ExitCode.INPUT
    assert "No such command 'walet'. Did you mean 'wallet'?" in capsys.readouterr().err
    assert cli.invoke(["wallet", "lisst"]) == ExitCode.INPUT
    assert "'list'" in capsys.readouterr().err
    assert cli.invoke(["wallet", "list", "--jsn"]) == ExitCode.INPUT
    assert "--json" in capsys.readouterr().err


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["--help"]) == ExitCode.OK
    out = capsys.readouterr().out
    assert "wallet      Make, list, import and use keys (keystore v3)" in out
    assert cli.invoke(["wallet", "list", "--help"]) == ExitCode.OK
    assert "--json" in capsys.readouterr().out
    assert cli.invoke(["--version"]) == ExitCode.OK
    said = capsys.readouterr().out
    assert said.startswith("gavel 0.")
    for args in (["--json", "--version"], ["--version", "--json"]):
        assert cli.invoke(args) == ExitCode.OK
        assert json.loads(capsys.readouterr().out) == {"version": said.split()[1]}


def test_nobody_is_asked_where_nobody_is(capsys: pytest.CaptureFixture[str]) -> None:
    """A question under --json would stand in the JSON of stderr; every command asks by `Settings.agreed`."""
    assert not Settings().agreed("Burn?", "--yes burns")
    assert capsys.readouterr() == ("", "nobody to ask: --yes burns\n")
    assert not Settings(json=True).agreed("Burn?", "--yes burns")
    assert capsys.readouterr() == ("", "")
    rooms = ("client_sdk", "provider_node", "watchtower", "protocol")
    root = Path(__file__).parents[3]
    asking = [
        file
        for room in rooms
        for file in root.glob(f"{room}/**/*.py")
        if "click.confirm(" in file.read_text()
    ]
    assert [file.name for file in asking] == ["settings.py"]


def test_completion_scripts_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert cli.invoke(["completion", shell]) == ExitCode.OK
        assert "_GAVEL_COMPLETE" in capsys.readouterr().out
    assert cli.invoke(["completion", "tcsh"]) == ExitCode.INPUT


def test_the_shell_is_answered_without_noise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_GAVEL_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "gavel wa")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert cli.invoke([]) == ExitCode.OK
    out = capsys.readouterr()
    assert (out.out, out.err) == ("plain,wallet\n", "")


def test_config_show_tells_values_and_sources(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from protocol.runtime.commands import config

    schema = EntryPoint("example", "tests.unit.runtime.test_config:Example", config.GROUP)
    monkeypatch.setattr(config, "_schemas", lambda: {"example": schema})
    monkeypatch.setattr(EntryPoint, "load", ORIGINAL)
    monkeypatch.setenv("GAVEL_EXAMPLE_STAKE", "7")
    (home / "example.yaml").write_text("peers: [a, b]")
    for args in (["show"], ["show", "example"]):
        config.config.main(args, standalone_mode=False)
        shown = {line.split()[0]: line.split(None, 1)[1] for line in capsys.readouterr().out.splitlines()}
        assert shown["stake"].split("  ")[0] == "7"
        assert "environment GAVEL_EXAMPLE_STAKE" in shown["stake"]
        assert shown["peers"].startswith("[a, b]")
        assert f"file {home}/example.yaml" in shown["peers"]
        assert shown["metrics"].split() == ["true", "default", "serve", "metrics"]
    with pytest.raises(click.UsageError, match="no role 'other'; there are: example"):
        config.config.main(["show", "other"], standalone_mode=False)


def test_wallets_from_the_command_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    password = home / "password"
    password.write_text("pass")
    password.chmod(0o600)
    new = ["wallet", "new", "me", "--light", "--json", "--password-file", str(password)]
    assert cli.invoke(new) == ExitCode.OK
    made = json.loads(capsys.readouterr().out)
    assert cli.invoke(["wallet", "address", "me"]) == ExitCode.OK
    assert capsys.readouterr().out.strip() == made["address"]
    assert cli.invoke(["wallet", "list", "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == [{"name": "me", "address": made["address"]}]

    raw = home / "raw"
    raw.write_text("01" * 32)
    raw.chmod(0o600)
    imported = ["wallet", "import", "two", "--light", "--from", str(raw), "--password-file", str(password)]
    assert cli.invoke(imported) == ExitCode.OK
    capsys.readouterr()
    assert cli.invoke(["wallet", "sign", "two", "hello", "--password-file", str(password)]) == ExitCode.OK
    signature = capsys.readouterr().out.strip()

    from eth_account import Account
    from eth_account.messages import encode_defunct

    signer = Account.recover_message(encode_defunct(text="hello"), signature=signature)
    assert signer == Account.from_key(b"\x01" * 32).address


def test_summaries_are_read_without_importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "boobytrapped"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "commands.py").write_text('def go():\n    """Goes far.\n\n    More."""\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    assert summary.summary_of(EntryPoint("go", "boobytrapped.commands:go", cli.GROUP)) == "Goes far"
    assert summary.summary_of(EntryPoint("no", "boobytrapped.commands:no", cli.GROUP)) == ""
    assert summary.summary_of(EntryPoint("no", "nowhere.commands:no", cli.GROUP)) == ""


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from protocol.runtime.cli import invoke; invoke(['--help']);"
        "heavy = {'web3', 'eth_account', 'libp2p', 'trio', 'numpy', 'rich', 'docker', 'onnx', 'yaml'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=env, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_closed_pipe_is_no_error() -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])}
    done = subprocess.run(
        f"{sys.executable} -m protocol.runtime.cli --help | true",
        shell=True,
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_what_is_asked_of_a_person_names_its_flag_where_there_is_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The tests' stdin is no terminal."""
    assert cli.invoke(["wallet", "import", "two"]) == ExitCode.INPUT
    assert capsys.readouterr().err == "gavel: no private key given (name its file with --from)\n"


def test_a_group_alone_says_that_it_needs_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["wallet"]) == ExitCode.INPUT
    assert capsys.readouterr().err == "gavel: gavel wallet needs a command (gavel wallet --help lists them)\n"


@pytest.mark.parametrize("library", ["eth_account", "web3"])
def test_no_library_lifts_the_limit_on_recursion(library: str) -> None:
    """What a stranger nests deep would overrun the stack and end the process, with no error to catch."""
    limit = "sys.getrecursionlimit()"
    code = f"import sys; was = {limit}; import protocol, {library}; print(was, {limit})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    was, now = run.stdout.split()
    assert was == now


@pytest.mark.parametrize("sum_", ["-1", "-.5", "-12.5"])
def test_a_negative_sum_is_no_unknown_option(sum_: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["wallet", "deposit", sum_]) == ExitCode.INPUT
    said = capsys.readouterr().err
    assert said == f"gavel: no number here may be negative: one begins with {sum_[:2]}\n"
    assert "more than 0" not in said, "0 is taken by some"
    assert "option" not in said


INTERRUPTED_BY_IMPORT = """
import sys
from importlib.metadata import EntryPoint

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "click":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Finder)
sys.argv = ["gavel", *sys.argv[2:]]
EntryPoint("gavel", PROGRAM, "console_scripts").load()()
"""


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_ctrl_c_while_commands_are_imported_is_no_traceback(flags: list[str]) -> None:
    """The first third of a second of any command."""
    program = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["gavel"]
    code = INTERRUPTED_BY_IMPORT.replace("PROGRAM", repr(program))
    done = subprocess.run(
        [sys.executable, "-c", code, "-", "market", *flags], capture_output=True, check=False
    )
    assert done.returncode == ExitCode.INTERRUPTED
    assert done.stdout == b""
    if flags:
        assert json.loads(done.stderr)["error"]["kind"] == "interrupted"
    else:
        assert done.stderr == b"gavel: interrupted\n"
