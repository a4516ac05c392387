"""anvil as a child process: a real JSON-RPC node with a chain of its own."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from protocol.chain.anvil_history import make_history
from protocol.chain.rpc import Rpc
from protocol.types import InputError, TransientError

CHAIN_ID = 31337
MNEMONIC = "test test test test test test test test test test test junk"
"""Every Ethereum developer's test accounts: worthless outside a local chain."""
_STARTUP_SECONDS = 20.0
_SLOWEST_S = 60.0
"""For so long a call of ours may take: making ten thousand blocks on a busy machine, say."""
_STOP_SECONDS = 10.0
_LAUNCH = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15)  # die with the parent (PR_SET_PDEATHSIG, SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit(0)
os.execv(sys.argv[2], sys.argv[2:])
"""


def find_anvil() -> str:
    """Return anvil's path: `$GAVEL_ANVIL`, contracts/node_modules, PATH; `InputError` if nowhere."""
    if named := os.environ.get("GAVEL_ANVIL"):
        if shutil.which(named) is None:
            raise InputError(f"GAVEL_ANVIL names no program: {named}")
        return named
    packages = Path(__file__).parents[2] / "contracts" / "node_modules" / "@foundry-rs"
    # The native binary, not npm's wrapper: signals must reach the node itself.
    for found in sorted(packages.glob("anvil-*/bin/anvil")):
        return str(found)
    if on_path := shutil.which("anvil"):
        return on_path
    raise InputError("anvil is not installed", "run `make setup`, or name its binary in GAVEL_ANVIL")


@cache
def dev_keys(count: int) -> tuple[bytes, ...]:
    """Return the private keys of anvil's first `count` accounts, which it gives 10,000 coins each."""
    from eth_account import Account

    Account.enable_unaudited_hdwallet_features()
    return tuple(
        bytes(Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{i}").key) for i in range(count)
    )


class Anvil:
    """A running anvil; a context manager. Start it from a thread that lives as long as it shall live.

    Without `block_time` a block is made per transaction. `state`: a file that the chain is loaded from, if
    it exists, and saved to at the end. `port` 0 lets the system choose.
    """

    def __init__(
        self,
        *,
        block_time: float | None = None,
        port: int = 0,
        accounts: int = 10,
        state: Path | None = None,
        chain_id: int = CHAIN_ID,
        extra: Sequence[str] = (),
    ) -> None:
        command = [find_anvil(), "--host", "127.0.0.1", "--port", str(port), "--chain-id", str(chain_id)]
        command += ["--accounts", str(accounts), "--mnemonic", MNEMONIC, *extra]
        if block_time is not None:
            command += ["--block-time", f"{block_time:g}"]
        if state is not None:
            state.parent.mkdir(parents=True, exist_ok=True)
            command += ["--state", str(state)]
        self._history = make_history()
        command += ["--cache-path", str(self._history.folder)]
        self._output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop()
        # Set after exec, not by preexec_fn, which may hang in a program with threads.
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", _LAUNCH, str(os.getpid()), *command],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us: we stop it in order
        )
        try:
            self.url = self._await_url()
            self.rpc = Rpc([self.url], chain_id, _SLOWEST_S, may_restart=True)
            self.rpc.call("anvil_setLoggingEnabled", False)  # else every call is written to the output file
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the node, which saves its state if it has a file for it. Repeatable."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._output.close()
        self._history.drop()

    def call(self, method: str, *params: Any) -> Any:
        """Call any JSON-RPC method of the node."""
        return self.rpc.call(method, *params)

    def mine(self, blocks: int = 1) -> None:
        """Make blocks at once; the thousandth takes a few ms, and each later one longer."""
        self.call("anvil_mine", hex(blocks))

    def set_block_time(self, seconds: int) -> None:
        """Make a block every so many seconds from now on; 0: a block per transaction."""
        self.call("evm_setIntervalMining", seconds)  # 0 turns all mining off, so automine comes last
        self.call("evm_setAutomine", seconds == 0)

    def snapshot(self) -> str:
        """Return a name for the chain as it is now."""
        return str(self.call("evm_snapshot"))

    def revert(self, snapshot: str) -> None:
        """Put the chain back; the name is used up."""
        self.call("evm_revert", snapshot)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _await_url(self) -> str:
        deadline = time.monotonic() + _STARTUP_SECONDS
        while time.monotonic() < deadline:
            text = os.pread(self._output.fileno(), 1 << 16, 0).decode(errors="replace")
            for line in text.splitlines():
                if line.startswith("Listening on "):
                    return "http://" + line.removeprefix("Listening on ").strip()
            if self.process.poll() is not None:
                said = " ".join(text.split())[-300:] or f"exit code {self.process.returncode}"
                raise InputError(f"anvil did not start: {said}")
            time.sleep(0.02)
        raise TransientError(f"anvil did not listen within {_STARTUP_SECONDS:g} s")
