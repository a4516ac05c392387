"""The machine kinds of a loop, with the codecs of their states, inputs and effects."""

from dataclasses import dataclass
from typing import Any, get_args

from protocol.runtime.codec import Codec
from protocol.runtime.machine import Machine, MachineId, effect_id
from protocol.store.journal import Change, PendingEffect, Record
from protocol.types import BrokenInvariant, InputError


@dataclass(frozen=True)
class Kind:
    """One kind of machine and how its parts are written down."""

    machine: Machine[Any, Any, Any]
    states: Codec[Any]
    inputs: Codec[Any]
    effects: Codec[Any]

    @classmethod
    def of(cls, machine: Machine[Any, Any, Any]) -> "Kind":
        """Build the codecs of a machine; `TypeError` if its types cannot be journaled."""
        steps = dict(machine.migrations)
        parts = (machine.states, machine.inputs, machine.effects)
        return cls(machine, *(Codec[Any](each, machine.version, steps) for each in parts))

    def effect_types(self) -> tuple[type, ...]:
        """Return the classes of all effects of this kind."""
        return get_args(self.machine.effects) or (self.machine.effects,)

    def load(self, record: Record) -> "Live":
        """Return a journaled machine as it lives in memory."""
        return Live(self, self.states.decode(record.state), record.seq, record.ended)


@dataclass(frozen=True)
class Live:
    """A machine in memory: its state after input number `seq` (-1: before the first)."""

    kind: Kind
    state: Any
    seq: int = -1
    ended: bool = False

    def take(
        self, machine: MachineId, value: Any, once: bytes | None, notes: dict[str, bytes]
    ) -> tuple["Live", Change]:
        """Step on one input; return the machine after it and what the journal has to know.

        Raises `InputError` if the input cannot be journaled: its giver is at fault, not the machine.
        """
        definition, seq = self.kind.machine, self.seq + 1
        try:
            body = self.kind.inputs.encode(value)
        except BrokenInvariant as error:
            raise InputError(f"{machine} cannot take this input: {error}") from error
        try:
            step = definition.step(self.state, value)
        except Exception as error:
            raise BrokenInvariant(f"{machine}: step raised {error!r} on {type(value).__name__}") from error
        ended = definition.ended(step.state)
        effects = []
        for index, effect in enumerate(step.effects):
            encoded = self.kind.effects.encode(effect)
            name = effect_id(machine, seq, index, effect, encoded)
            effects.append(PendingEffect(name, machine.kind, machine.id, seq, encoded))
        record = Record(machine.kind, machine.id, seq, self.kind.states.encode(step.state), ended)
        change = Change(record, body, once, tuple(effects), notes)
        return Live(self.kind, step.state, seq, ended), change

    def take_all(
        self, machine: MachineId, values: tuple[Any, ...], once: bytes | None, notes: dict[str, bytes]
    ) -> tuple["Live", list[Change]]:
        """Step on one input, or on the several that an effect had as its outcome (these have no `once`)."""
        live, changes = self, []
        for value in values:
            live, change = live.take(machine, value, once, notes)
            changes.append(change)
        return live, changes
