"""Import rules that import-linter cannot see: what is imported when, and what a pure room may touch."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PURE = ("types", "crypto", "messages", "auction", "lease", "tape", "dispute")
WORLD = {
    *("asyncio", "trio", "anyio", "threading", "subprocess", "socket", "requests", "libp2p", "docker"),
    *("os", "tempfile", "shutil", "sqlite3", "web3", "numba", "logging"),
    *("time", "datetime", "random", "secrets", "uuid"),
}
TOUCHES = {"open", "input", "print", "exec", "eval", "__import__"}
HEAVY = {"web3", "eth_account", "libp2p", "trio", "numpy", "numba", "rich", "docker", "onnx", "requests"}
NUMERICAL = {"numpy", "numba", "onnx", "onnxruntime", "llvmlite"}


def python_files(*folders: str) -> list[Path]:
    return sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module


def problems(files: list[Path], forbidden: set[str]) -> list[str]:
    found = []
    for file in files:
        for line, name in imported(ast.parse(file.read_bytes())):
            if name.split(".")[0] in forbidden:
                found.append(f"{file.relative_to(ROOT)}:{line} imports {name}")
    return found


def test_pure_rooms_touch_nothing_of_the_world() -> None:
    files = python_files(*(f"protocol/{room}" for room in PURE))
    assert problems(files, WORLD) == []
    for file in files:
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in TOUCHES, (
                    f"{file.relative_to(ROOT)}:{node.lineno} calls {node.func.id}"
                )


def test_numbers_are_crunched_in_tape_and_engines_only() -> None:
    """A daemon with a numerical library is 65 MB larger, and within reach of a hostile model."""
    rooms = [f"protocol/{room}" for room in PURE if room != "tape"]
    adapters = [f"protocol/{room}" for room in ("chain", "net", "store", "runtime")]
    assert problems(python_files(*rooms, *adapters, "provider_node", "watchtower"), NUMERICAL) == []


def test_no_daemon_loads_a_numerical_library_by_way_of_others() -> None:
    daemons = "import provider_node.daemon, watchtower.daemon"
    command = [
        sys.executable,
        "-c",
        f"import sys; {daemons}; sys.exit(' '.join({NUMERICAL!r} & set(sys.modules)))",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stderr.split() == [], "loaded"


def imports_nothing_heavy(modules: list[str]) -> None:
    program = (
        "import importlib, sys\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        f"    heavy = sorted({HEAVY!r} & set(sys.modules))\n"
        "    assert not heavy, f'{name} imports {heavy}'\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr.strip().splitlines()[-1]


def test_command_modules_import_nothing_heavy_before_they_are_called() -> None:
    """`gavel x --help` and completion load the command's module; the rest waits for the call."""
    entries = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    modules = sorted({value.partition(":")[0] for value in entries["gavel.commands"].values()})
    imports_nothing_heavy([m for m in modules if (ROOT / (m.replace(".", "/") + ".py")).exists()])


def test_asking_a_running_daemon_takes_nothing_heavy() -> None:
    """`gavel provider status` is answered by the daemon, which has web3 loaded already."""
    imports_nothing_heavy(["provider_node.report"])


def test_the_status_of_a_watchtower_is_read_from_files_alone() -> None:
    """`gavel watchtower status` waits for no library of the chain or the network."""
    imports_nothing_heavy([f"watchtower.{name}" for name in ("auditing.notes", "folders", "telling")])


def test_a_worker_loads_no_keys_and_no_wallet() -> None:
    """They take longer to load than all else that it needs, and a child is started for each re-run."""
    names = ("jobs", "disputing", "delivering", "serve")
    command = (
        "import sys\n"
        + "".join(f"import protocol.engines.worker.{name}\n" for name in names)
        + "sys.exit(' '.join({'eth_keys', 'pydantic', 'web3', 'cryptography'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.stderr.split() == [], "loaded"


def test_nobody_but_commands_of_the_runtime_looks_at_the_chain() -> None:
    files = [f for f in python_files("protocol/runtime", "protocol/store") if "commands" not in f.parts]
    for file in files:
        for line, name in imported(ast.parse(file.read_bytes())):
            foreign = name.startswith(("protocol.chain", "protocol.net", "protocol.engines"))
            assert not foreign, f"{file.relative_to(ROOT)}:{line} imports {name}"


def test_every_package_says_what_it_holds() -> None:
    for init in ROOT.glob("protocol/**/__init__.py"):
        assert ast.get_docstring(ast.parse(init.read_bytes())), f"{init.relative_to(ROOT)} has no docstring"
