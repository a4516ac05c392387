"""HTTP sessions in which no answer lasts, or grows, without end.

A timeout of `requests` is for one read of a socket: who sends a byte now and then is waited for for ever, and
a body is taken whole, however long it is and whatever it unpacks to. Here an exchange has a time for all of
it, after which its socket is shut down, and a body has a limit.
"""

import threading
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

MAX_BODY = 16 << 20
"""Bytes of an answer, unpacked: ten thousand logs have less."""
_PART = 1 << 16


class TooLongError(requests.RequestException):
    """An answer has more than `MAX_BODY` bytes."""


class _Exchange(threading.local):
    """The one that this thread is in."""

    watch: "_Watch | None" = None


_NOW = _Exchange()


class _Watch:
    """Shuts an exchange's socket down when its time is over."""

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self._socket: Any = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> "_Watch":
        _NOW.watch = self
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        _NOW.watch = None
        self._timer.cancel()
        with self._lock:
            self._socket = None  # it goes back to the pool, and serves others

    def over(self, socket: Any) -> None:
        """From now on the exchange goes over this socket."""
        with self._lock:
            self._socket = socket
            if self.is_over:
                _shut(socket)

    def _end(self) -> None:
        with self._lock:
            self.is_over = True
            _shut(self._socket)


def _shut(socket: Any) -> None:
    try:
        if socket is not None:
            socket.shutdown(2)
    except OSError:
        pass  # it is closed already


class _Watched:
    """Tells the thread's watch which socket an exchange goes over."""

    sock: Any

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        _tell(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            _tell(self.sock)
        super().request(*args, **kwargs)  # type: ignore[misc]


def _tell(socket: Any) -> None:
    if _NOW.watch is not None:
        _NOW.watch.over(socket)


class _Http(_Watched, HTTPConnection):
    pass


class _Https(_Watched, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class BoundedSession(requests.Session):
    """One for all threads, with up to `connections` kept. An exchange takes up to `seconds`.

    Follows no redirection: what was asked for stands at the address that was given.
    """

    def __init__(self, connections: int, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        adapter = _Adapter(pool_maxsize=connections)
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def get_redirect_target(self, _: requests.Response) -> None:
        """None: to follow a redirection, `requests` would take its body whole first."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send, and read the whole answer. `Timeout` past the time, `TooLongError` past the size."""
        with _Watch(self._seconds) as watch:
            try:
                response = super().send(request, **{**kwargs, "stream": True})
                _read(response)
            except (requests.RequestException, HTTPError, OSError) as error:
                if watch.is_over:
                    raise requests.Timeout(f"no whole answer in {self._seconds:g} s") from error
                if isinstance(error, HTTPError):
                    raise requests.ConnectionError(str(error)) from error
                raise
            if response.is_redirect:
                raise requests.TooManyRedirects("the answer leads elsewhere")
            if watch.is_over:  # what was read ends where it was cut
                raise requests.Timeout(f"no whole answer in {self._seconds:g} s")
        return response


def _read(response: requests.Response) -> None:
    """Take the body as `requests` would, up to `MAX_BODY`."""
    body = bytearray()
    try:
        while part := response.raw.read1(_PART, decode_content=True):
            body += part
            if len(body) > MAX_BODY:
                raise TooLongError(f"the answer is longer than {MAX_BODY >> 20} MiB")
    except BaseException:
        response.raw.close()
        raise
    response.raw.release_conn()
    response._content = bytes(body)
    response._content_consumed = True  # type: ignore[attr-defined]
