"""How a client is opened: by `with` or by `async with`."""

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from protocol.types import Address, Wei

if TYPE_CHECKING:
    from client_sdk.bridge import Bridge
    from client_sdk.clients import AsyncClient, SyncClient
    from client_sdk.session import Session
    from client_sdk.wallet import Wallet
    from client_sdk.worker import WorkerLimits


class Client:
    """Makes connections: `async with Client.connect("local", wallet=...) as client`, or without async."""

    @classmethod
    def connect(
        cls,
        network: str = "local",
        *,
        wallet: "Wallet | bytes | str | None" = None,
        password_file: str | Path | None = None,
        contract: Address | None = None,
        token: int = 0,
        home: str | Path | None = None,
        networks_file: str | Path | None = None,
        listen: tuple[str, ...] = ("/ip4/127.0.0.1/tcp/0",),
        bootstrap: tuple[str, ...] = (),
        demand_budget: str | None = None,
        worker: "WorkerLimits | None" = None,
    ) -> "Connection":
        """Return a connection to be entered; nothing is opened yet.

        `wallet` is a name in the keystore, a key of 32 bytes, or a `Wallet`; `contract` is the contract
        wallet that it is a session key of. `token` is the index of the token to pay with. `home` replaces
        `$GAVEL_HOME/client`. `demand_budget` is the most coin of the chain that demanding a job's outputs may
        cost where nobody serves them ("0": never; None: 0.1, and 0 for a private job). `worker` limits
        the process that lowers models and checks results (None: as `client.yaml` does if it says nothing).
        Entering raises `InputError` or `TransientError`.
        """
        return Connection(
            network=network,
            wallet=wallet,
            password_file=Path(password_file) if password_file else None,
            contract=contract,
            token=token,
            home=Path(home) if home else None,
            networks_file=Path(networks_file) if networks_file else None,
            listen=listen,
            bootstrap=bootstrap,
            demand_budget=demand_budget,
            worker=worker,
        )


class Connection:
    """A client that is opened by `with` or `async with`, once."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._bridge: Bridge[Session] | None = None

    def _start(self) -> "Future[Session]":
        from client_sdk.bridge import Bridge

        self._bridge = Bridge(self._open)
        return self._bridge.start()

    def _open(self) -> Any:
        from client_sdk.home import ClientHome
        from client_sdk.session import Setup, open_session
        from client_sdk.wallet import open_wallet
        from protocol.chain.networks_file import load_network
        from protocol.dispute.purse import COIN
        from protocol.net import NetSettings

        given = self._options
        network = load_network(given["network"], given["networks_file"])
        wallet = open_wallet(given["wallet"], given["password_file"], given["contract"], network.name)
        bootstrap = (*given["bootstrap"], *network.bootstrap)
        net = NetSettings(listen=given["listen"], bootstrap=bootstrap)
        home = ClientHome.of(network.name, given["home"])
        setup = Setup(network, wallet, home, given["token"], net)
        if given["demand_budget"] is not None:
            budget = Wei(COIN.parse(given["demand_budget"], "demand_budget"))
            setup = replace(setup, demand_budget=budget)
        if given["worker"] is not None:
            setup = replace(setup, worker=given["worker"])
        return open_session(setup)

    def __enter__(self) -> "SyncClient":
        """Open, blocking until the node runs."""
        try:
            self._start().result()
        except BaseException:
            self._abandon()
            raise
        from client_sdk.calls import Calls
        from client_sdk.clients import SyncClient

        assert self._bridge is not None
        return SyncClient(Calls(self._bridge))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; leases go on without this process."""
        if self._bridge is not None:
            try:
                self._bridge.stop().result()
            finally:
                self._join()

    async def __aenter__(self) -> "AsyncClient":
        """Open without blocking the caller's event loop."""
        from client_sdk.bridge import wait_for

        try:
            await wait_for(self._start())
        except BaseException:
            self._abandon()
            raise
        from client_sdk.calls import Calls
        from client_sdk.clients import AsyncClient

        assert self._bridge is not None
        return AsyncClient(Calls(self._bridge))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; leases go on without this process."""
        from client_sdk.bridge import wait_for

        if self._bridge is not None:
            try:
                await wait_for(self._bridge.stop())
            finally:
                self._join()

    def _abandon(self) -> None:
        """Let go of what did not open, without waiting: the caller may have been cancelled."""
        if self._bridge is not None:
            self._bridge.stop()
            self._bridge = None

    def _join(self) -> None:
        if self._bridge is not None:
            self._bridge.join()
            self._bridge = None
