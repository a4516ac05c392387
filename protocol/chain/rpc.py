"""JSON-RPC over several URLs: the first that answers serves; all down is a `TransientError`."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from web3.exceptions import Web3Exception
from web3.providers.rpc import HTTPProvider
from web3.types import RPCEndpoint

from protocol.chain.front import Front, Reach
from protocol.chain.http import BoundedSession, TooLongError
from protocol.runtime.waiting import WAITS
from protocol.types import BrokenInvariant, InputError, TransientError

T = TypeVar("T")
Request = tuple[str, Sequence[Any]]
"""Method and parameters."""
_HEAD: Request = ("eth_blockNumber", ())
_CHAIN: Request = ("eth_chainId", ())
_WITH_EACH = 2
"""Requests that go with those of a `read`: how far the node is, and which chain it serves."""
MOST_READ = 100 - _WITH_EACH
"""Requests of one `read`: public nodes accept a hundred in a batch."""
_BLOCK: Request = ("eth_getBlockByNumber", ("latest", False))
BUSY_CODES = (-32005, -32016, -32097, 429)
"""Answers that mean "ask somebody else", not "no"."""
_REFUSING_STATUS = (400, 413, 422)
"""HTTP statuses that mean "not this request" rather than "not now"."""
_UNREADABLE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    BrokenInvariant,
)
"""What reading an answer raises if it is not what was asked for."""
_FAULTS = (requests.RequestException, Web3Exception, OSError, *_UNREADABLE)
_MAY_BE_NULL = frozenset(
    {
        "eth_getBlockByNumber",
        "eth_getBlockByHash",
        "eth_getTransactionByHash",
        "eth_getTransactionReceipt",
    }
)
"""What a node may not know. To all else it has an answer, or is no node."""
_LONGEST_REST = 30.0
TIMEOUT_S = 10.0
"""For so long a call waits for one node; then the next is asked."""
_WHOLE = 2
"""Timeouts within which an answer has to be there whole."""
PATIENCE_S = 3.0
"""For so long it goes on asking when all are down."""
_CONNECTIONS = 32
STILL_S = 20.0
"""After so long without a new block the other URLs are asked for theirs: the one that serves may be stuck."""
_LOOK_AROUND_S = 20.0
_STANDS_AFTER = 3
"""Times `still_s` without a new block after which the chain itself is said to stand still."""


class RpcRefused(TransientError):  # noqa: N818 - says what happened
    """The node answered with a JSON-RPC error. `data` is what a revert returned, if there is any."""

    def __init__(self, method: str, error: dict[str, Any]) -> None:
        code = error.get("code")
        self.code, self.reason = code if isinstance(code, int) else 0, str(error.get("message", ""))
        self.data = _revert_data(error.get("data"))
        super().__init__(f"node refuses {method}: {self.reason} (code {self.code})")

    @property
    def is_verdict(self) -> bool:
        """Whether it is a contract that says no, and not the node."""
        return self.code == 3 or bool(self.data)


class _OtherChain(Exception):  # noqa: N818 - says what was found
    """This URL serves another chain. Never leaves this file."""


class _Endpoint:
    def __init__(self, url: str, timeout: float) -> None:
        self.shown = (
            f"{urlsplit(url).scheme}://{urlsplit(url).netloc.rpartition('@')[2]}"  # paths hold API keys
        )
        self.name = f"node {self.shown}"
        # One session for all threads: web3 alone keeps one, with open sockets, for each thread it ever saw.
        session = BoundedSession(_CONNECTIONS, _WHOLE * timeout)
        self.provider = HTTPProvider(
            url, request_kwargs={"timeout": timeout}, session=session, exception_retry_configuration=None
        )
        self.rest, self.until = 0.0, 0.0
        self.checked = False
        self.reach = Reach()


class Rpc:
    """Calls JSON-RPC methods with failover. Thread-safe; blocking.

    A URL fails that cannot be reached, serves another chain, answers what cannot be read, or is behind what
    was seen of the chain (unless `may_restart`: then a lower block is a new chain). After `still_s` seconds
    without a new block, or if that is old, the others are asked how far they are. One that failed rests for
    0.5 s, then twice as long each time, up to 30 s; it is asked earlier only if nobody else answers.
    `patience` is how many seconds a call goes on asking when all are down.
    """

    def __init__(
        self,
        urls: Sequence[str],
        chain_id: int,
        timeout: float = TIMEOUT_S,
        patience: float = PATIENCE_S,
        *,
        may_restart: bool = False,
        still_s: float = STILL_S,
    ) -> None:
        self._endpoints = [_Endpoint(url, timeout) for url in urls]
        self._lock = threading.Lock()
        self.chain_id, self.patience = chain_id, patience
        self.front: Front | None = None if may_restart else Front()
        self._still_s, self._looked_around = still_s, 0.0
        self._believed: _Endpoint | None = None
        """Whose newest block was taken last."""
        self._late_by = 0.0
        """Age of its newest block when that was last looked at, in seconds."""
        self._was_right = False
        """Whether any URL has ever served this chain."""

    def call(self, method: str, *params: Any) -> Any:
        """Return the `result` of one call, by whichever node answers.

        `RpcRefused` if nodes answer with errors alone, `TransientError` if none answers, `InputError` if all
        serve another chain, and did so from the beginning: later that is a node's fault and ends no daemon.
        """
        requests_ = ((method, params),)
        return self._ask(lambda endpoint: _results(requests_, _answers(endpoint, requests_))[0])

    def read(self, parse: Callable[[list[Any]], T], *requests_: Request, sure: bool = False) -> T:
        """Return what `parse` makes of the results of several calls that one and the same node answered.

        A node is passed over, as one that is down, if `parse` raises or if it is behind: what it does not
        have yet, it would say is not there. So is one by which something is reverted that is `sure` to
        answer. Raises what `call` does.
        """
        results = _sure_results if sure else _results
        if (front := self.front) is None:
            return self._ask(lambda endpoint: parse(results(requests_, _answers(endpoint, requests_))))
        self._look_around(front)

        def ask(endpoint: _Endpoint) -> T:
            own, floor = endpoint.reach.floor, front.floor
            # The chain each time: contracts of one deployer have the same addresses on every chain, and what
            # answers behind a URL can change without an error. A lease would be missing there.
            head, chain, *answers = _answers(endpoint, (_HEAD, _CHAIN, *requests_))
            self._require_chain(endpoint, _own(_CHAIN[0], chain))
            number = quantity(_own(_HEAD[0], head))
            endpoint.reach.hold(number, own)
            follows = number < floor and endpoint.reach.moves(number)
            if follows:
                # In one request with what is believed: a fresh node of a pool must not vouch for an old one.
                head, chain, *answers = _answers(endpoint, (_BLOCK, _CHAIN, *requests_))
                self._require_chain(endpoint, _own(_CHAIN[0], chain))
                block = _own(_BLOCK[0], head)
                number = quantity(block["number"])
                follows = endpoint.reach.moves(number) and not self._is_late(block)
                if not follows:
                    endpoint.reach.believe()  # from where it is now it would have to move on again
            front.hold(endpoint.reach, number, floor, follows=follows)
            self._believed = endpoint
            return parse(results(requests_, answers))

        return self._ask(ask)

    def block_number(self) -> int:
        """Return the number of the newest block."""
        if self.front is None:
            return self.read(_only_quantity, _HEAD)
        self.read(_nothing)
        return self.front.number

    @property
    def standstill(self) -> str:
        """Say so if no node has shown a new block for long, or only an old one."""
        limit = _STANDS_AFTER * self._still_s
        if self.front is None:
            return ""
        if (still := self.front.still_for) > limit:
            return f"no node has shown a new block for {still:.0f} s"
        if (late := self._late_by) > limit:
            return f"the newest block of all nodes is {late:.0f} s old by this machine's clock"
        return ""

    def _look_around(self, front: Front) -> None:
        """Ask the others how far they are, if the one that serves is stuck or late: it says so by no error.

        If one is ahead, they serve for a while. Who was stuck serves again once it moves.
        """
        now, serving = time.monotonic(), self._believed
        with self._lock:
            if serving is None or now < self._looked_around + _LOOK_AROUND_S:
                return
            self._looked_around = now
        if (age := self._age(serving)) is None:
            return  # it is down, which is another matter
        self._late_by = age
        if age <= _STANDS_AFTER * self._still_s and front.still_for < self._still_s:
            return
        others = [each for each in self._endpoints if each is not serving and each.until < now]
        if any(self._is_ahead(each, front.number) for each in others):
            self._did_fail(serving, _LONGEST_REST)

    def _age(self, endpoint: _Endpoint) -> float | None:
        """Seconds since a URL's newest block, by this machine's clock; None if it does not say."""
        with suppress(RpcRefused, *_FAULTS):
            return _age_of(_single(endpoint, *_BLOCK))
        return None

    def _is_late(self, block: Any) -> bool:
        return _age_of(block) > _STANDS_AFTER * self._still_s

    def _is_ahead(self, endpoint: _Endpoint, number: int) -> bool:
        with suppress(_OtherChain, RpcRefused, *_FAULTS):
            self._check_chain(endpoint)
            return quantity(_single(endpoint, *_HEAD)) > number
        return False

    def _ask(self, ask: Callable[[_Endpoint], T]) -> T:
        deadline, pause = time.monotonic() + self.patience, 0.1
        while True:
            failures, busy, refused, strange, faulty = "", None, None, 0, False
            advice = "check rpc_urls in networks.yaml and that the node runs"
            for endpoint in self._by_health():
                if refused is not None and endpoint.until > time.monotonic():
                    continue  # a refusal is an answer: who rests is not asked for another
                try:
                    with WAITS.on(endpoint.name):
                        self._check_chain(endpoint)
                        answer = ask(endpoint)
                except RpcRefused as error:
                    if error.is_verdict:
                        self._did_answer(endpoint)
                        raise
                    failures += f"; {endpoint.shown}: {error.reason}"
                    if error.code not in BUSY_CODES:
                        refused = refused or error  # another node may take what this one does not
                        continue
                    busy = error
                except _OtherChain as error:
                    failures += f"; {error}"
                    strange += 1
                    self._did_fail(endpoint, _LONGEST_REST)
                    continue
                except _FAULTS as error:
                    failures += f"; {endpoint.shown}: {_brief(error)}"
                    advice = error.advice if isinstance(error, BrokenInvariant) else advice
                else:
                    self._did_answer(endpoint)
                    return answer
                faulty = True
                self._did_fail(endpoint)
            if refused is not None and not faulty:
                raise refused
            if strange == len(self._endpoints) and not self._was_right:
                raise InputError(
                    f"{failures.removeprefix('; ')}; the network is chain {self.chain_id}",
                    "correct chain_id or rpc_urls in networks.yaml",
                )
            if time.monotonic() + pause > deadline:
                if reason := refused or busy:  # it may be one that the caller can mend: too wide a range
                    raise reason
                raise TransientError(f"no RPC answers for chain {self.chain_id}{failures}", advice)
            time.sleep(pause)
            pause = min(2 * pause, 1.0)

    def _by_health(self) -> list[_Endpoint]:
        now = time.monotonic()
        with self._lock:  # sorted() is stable: among the healthy the file's order stands
            return sorted(self._endpoints, key=lambda e: e.until if e.until > now else 0.0)

    def _did_answer(self, endpoint: _Endpoint) -> None:
        WAITS.answered(endpoint.name)
        with self._lock:
            endpoint.rest = endpoint.until = 0.0

    def _did_fail(self, endpoint: _Endpoint, rest: float = 0.0) -> None:
        with self._lock:
            endpoint.rest = rest or min(2 * endpoint.rest or 0.5, _LONGEST_REST)
            endpoint.until = time.monotonic() + endpoint.rest
            endpoint.checked = False  # what comes back may be another node

    def _check_chain(self, endpoint: _Endpoint) -> None:
        if endpoint.checked:
            return
        self._require_chain(endpoint, _single(endpoint, *_CHAIN))
        endpoint.checked = self._was_right = True

    def _require_chain(self, endpoint: _Endpoint, answer: Any) -> None:
        if (found := quantity(answer)) != self.chain_id:
            raise _OtherChain(f"{endpoint.shown} serves chain {found}")


def _age_of(block: Any) -> float:
    return time.time() - quantity(block["timestamp"])


def _only_quantity(answers: list[Any]) -> int:
    return quantity(answers[0])


def _nothing(_: list[Any]) -> None:
    return None


def quantity(text: Any) -> int:
    """Return a number of an answer. `ValueError`, `TypeError` or `AttributeError` if it is none."""
    if not text.startswith("0x"):
        raise ValueError("is no hexadecimal number")
    return int(text, 16)


def _single(endpoint: _Endpoint, method: str, params: Sequence[Any]) -> Any:
    return _own(method, endpoint.provider.make_request(RPCEndpoint(method), list(params)))


def _answers(endpoint: _Endpoint, requests_: Sequence[Request]) -> list[Any]:
    """Ask, and return what came for each, errors among it."""
    try:
        if len(requests_) == 1:
            [(method, params)] = requests_
            return [endpoint.provider.make_request(RPCEndpoint(method), list(params))]
        answers: Any = endpoint.provider.make_batch_request([(RPCEndpoint(m), list(p)) for m, p in requests_])
    except TooLongError as error:  # as of a node that says so itself: a smaller range has a shorter answer
        raise RpcRefused("request", {"code": 413, "message": str(error)}) from error
    except requests.HTTPError as error:
        if (status := _status(error)) in _REFUSING_STATUS:
            raise RpcRefused("request", {"code": status, "message": _brief(error)}) from error
        raise
    if not isinstance(answers, list):  # one error for all of it
        _result("batch", answers)
    if len(answers) != len(requests_):
        raise ValueError("node answered only a part of the batch")
    return list(answers)


def _results(requests_: Sequence[Request], answers: Sequence[Any]) -> list[Any]:
    return [_result(method, answer) for (method, _), answer in zip(requests_, answers, strict=True)]


def _sure_results(requests_: Sequence[Request], answers: Sequence[Any]) -> list[Any]:
    """The same of what no contract refuses: a node that says so is wrong."""
    try:
        return _results(requests_, answers)
    except RpcRefused as error:
        if error.is_verdict:
            raise ValueError(f"says of what cannot fail: {error.reason}") from error
        raise


def _own(method: str, answer: Any) -> Any:
    """Return what a node says of itself: one that refuses that is no node to ask."""
    try:
        return _result(method, answer)
    except RpcRefused as error:
        if error.code in BUSY_CODES:
            raise
        raise ValueError(error.reason) from error


def _result(method: str, answer: Any) -> Any:
    if not isinstance(answer, dict):
        raise ValueError("answer is not a JSON object")
    if error := answer.get("error"):
        raise RpcRefused(method, error if isinstance(error, dict) else {"message": str(error)})
    result = answer.get("result")
    if result is None and method.startswith("eth_") and method not in _MAY_BE_NULL:
        raise ValueError(f"node answers {method} with nothing")
    return result


def _revert_data(data: Any) -> bytes:
    if isinstance(data, dict):  # some nodes wrap it
        data = data.get("data") or data.get("result")
    if isinstance(data, str):
        start = data.find("0x")  # others put words before it
        try:
            return bytes.fromhex(data[start + 2 :]) if start >= 0 else b""
        except ValueError:
            return b""
    return b""


def _status(error: Exception) -> int:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return int(error.response.status_code)
    return 0


def _brief(error: Exception) -> str:
    if isinstance(error, requests.ConnectionError):
        return "connection failed"
    if isinstance(error, requests.Timeout):
        return "timed out"
    if status := _status(error):
        return f"HTTP status {status}"
    return " ".join(str(error).split())[:120] or type(error).__name__
