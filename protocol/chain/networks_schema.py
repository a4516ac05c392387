"""Reading one network out of parsed YAML; what is wrong is named with file, field and expectation."""

from collections.abc import Callable
from typing import Any, TypeVar

from protocol.chain.networks import FURTHER, MWEI, Clock, Deployment, Fees, Network, Token
from protocol.types import Address, BlockNo, Blocks, InputError, Wei, parse_address

T = TypeVar("T")
MAX_TOKENS = 256


class Node:
    """A mapping of the file with the path that leads to it; fields that nobody takes are unknown."""

    def __init__(self, value: object, path: str, source: str) -> None:
        self.path, self.source = path, source
        if not isinstance(value, dict):
            raise self.error("a mapping", value)
        self._fields: dict[str, Any] = dict(value)

    def error(self, expected: str, found: object, field: str = "") -> InputError:
        """Return the complaint about `field` of this mapping."""
        where = f"{self.path}.{field}" if field else self.path
        return InputError(f"{self.source}: {where} must be {expected}, found {_short(found)}")

    def take(self, field: str, read: Callable[[object], T], expected: str) -> T:
        """Return a required field, read by `read`, which raises ValueError, TypeError or InputError."""
        if field not in self._fields:
            raise InputError(f"{self.source}: {self.path}.{field} is missing, it must be {expected}")
        value = self._fields.pop(field)
        try:
            return read(value)
        except (ValueError, TypeError, InputError):
            raise self.error(expected, value, field) from None

    def has(self, field: str) -> bool:
        """Tell whether an optional field is there and was not taken yet."""
        return field in self._fields

    def take_list(self, field: str, expected: str) -> list[Any]:
        """Return a required list."""
        return self.take(field, _list, expected)

    def node(self, field: str) -> "Node":
        """Return a required mapping inside this one."""
        value = self.take(field, lambda v: v, "a mapping")
        return Node(value, f"{self.path}.{field}", self.source)

    def nodes(self, field: str) -> list["Node"]:
        """Return a required list of mappings."""
        values = self.take_list(field, "a list of mappings")
        return [Node(v, f"{self.path}.{field}[{i}]", self.source) for i, v in enumerate(values)]

    def finish(self) -> None:
        """Refuse what nobody took: a misspelt field must not be ignored in silence."""
        if self._fields:
            raise InputError(
                f"{self.source}: {self.path} has an unknown field {_short(next(iter(self._fields)))}"
            )


def read_network(name: str, value: object, source: str) -> Network:
    """Return the network that `value` (parsed YAML, merged) describes."""
    node = Node(value, f"networks.{name}", source)
    network = Network(
        name=name,
        chain_id=node.take("chain_id", _positive, "a chain id (a positive integer)"),
        rpc_urls=tuple(node.take("rpc_urls", _urls, "a list of http or https URLs, at least one")),
        confirmations=node.take("confirmations", _positive, "a positive number of blocks"),
        clock=node.take("clock", _clock, "'block' or 'timestamp'"),
        seconds_per_block=node.take("seconds_per_block", _positive, "a positive number of seconds"),
        fees=_read_fees(node.node("fees")),
        data_fee_wei_per_byte=Wei(node.take("data_fee_wei_per_byte", _natural, "a number of wei, 0 or more")),
        forced_inclusion_blocks=Blocks(
            node.take("forced_inclusion_blocks", _natural, "a span of the clock, 0 or more")
        ),
        bootstrap=tuple(node.take("bootstrap", _multiaddrs, "a list of multiaddrs, each starting with '/'")),
        deployments=tuple(_read_deployment(d) for d in node.nodes("deployments")),
        source=source,
    )
    node.finish()
    return network


def _read_fees(node: Node) -> Fees:
    fees = Fees(
        base_fee_multiplier=node.take("base_fee_multiplier", _positive, "a positive integer"),
        priority=Wei(MWEI * node.take("priority_mwei", _natural, "a tip in Mwei per gas, 0 or more")),
        maximum=Wei(MWEI * node.take("max_mwei", _positive, "a price in Mwei per gas (1 gwei = 1000)")),
    )
    node.finish()
    return fees


def _read_deployment(node: Node) -> Deployment:
    deployment = Deployment(
        name=node.take("name", _text, "a short text"),
        escrow=node.take("escrow", _address, "an address (0x and 40 hex digits)"),
        staking=node.take("staking", _address, "an address (0x and 40 hex digits)"),
        block=BlockNo(node.take("block", _natural, "a block number")),
        tokens=tuple(_read_token(token) for token in node.nodes("tokens")),
        **{
            name: node.take(name, _address, "an address (0x and 40 hex digits)")
            for name in FURTHER
            if node.has(name)
        },
    )
    node.finish()
    if not 1 <= len(deployment.tokens) <= MAX_TOKENS:
        raise node.error(f"a list of 1 to {MAX_TOKENS} tokens", f"{len(deployment.tokens)} of them", "tokens")
    return deployment


def _read_token(node: Node) -> Token:
    token = Token(
        symbol=node.take("symbol", _text, "a short text"),
        address=node.take("address", _address, "an address (0x and 40 hex digits)"),
        decimals=node.take("decimals", _decimals, "an integer from 0 to 36"),
    )
    node.finish()
    return token


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _natural(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise ValueError
    return value


def _positive(value: object) -> int:
    if (number := _natural(value)) == 0:
        raise ValueError
    return number


def _decimals(value: object) -> int:
    if (number := _natural(value)) > 36:
        raise ValueError
    return number


def _text(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 64:
        raise ValueError
    return value


def _address(value: object) -> Address:
    # YAML 1.1 reads an unquoted 0x... as an integer: the leading zeros would be guessed.
    if not isinstance(value, str):
        raise TypeError
    return parse_address(value)


def _clock(value: object) -> Clock:
    return Clock(str(value))


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _urls(value: object) -> list[str]:
    urls = _list(value)
    if not urls or not all(isinstance(u, str) and u.startswith(("http://", "https://")) for u in urls):
        raise ValueError
    return urls


def _multiaddrs(value: object) -> list[str]:
    addrs = _list(value)
    if not all(isinstance(a, str) and a.startswith("/") for a in addrs):
        raise ValueError
    return addrs
