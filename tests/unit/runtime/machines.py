"""A small machine for tests: a payment that is asked for, sent, and ends when it is confirmed."""

from dataclasses import dataclass, replace

from protocol.runtime.machine import Machine, Step


@dataclass(frozen=True)
class Account:
    paid: tuple[int, ...] = ()
    closed: bool = False
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True)
class AskedPay:
    amount: int


@dataclass(frozen=True)
class DidPay:
    amount: int


@dataclass(frozen=True)
class FailedPay:
    reason: str


@dataclass(frozen=True)
class AskedClose:
    pass


@dataclass(frozen=True)
class SendPay:
    amount: int


@dataclass(frozen=True)
class SendOnce:
    @property
    def key(self) -> bytes:
        return b"close"


Input = AskedPay | DidPay | FailedPay | AskedClose
Effect = SendPay | SendOnce


def step(state: Account, value: Input) -> Step[Account, Effect]:
    match value:
        case AskedPay(amount):
            return Step(state, (SendPay(amount),))
        case DidPay(amount):
            return Step(replace(state, paid=(*state.paid, amount)))
        case FailedPay(reason):
            return Step(replace(state, refusals=(*state.refusals, reason)))
        case AskedClose():
            return Step(replace(state, closed=True), (SendOnce(),))


MACHINE = Machine(
    kind="account",
    states=Account,
    inputs=Input,
    effects=Effect,
    step=step,
    ended=lambda state: state.closed,
    wanted=lambda state, effect: not (state.closed and isinstance(effect, SendPay)),
    refused=lambda effect, reason: FailedPay(reason),
)
