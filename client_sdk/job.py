"""A job as its owner describes it: a model, inputs, limits. Built in code or read from a YAML file."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from client_sdk.formats import find_format
from protocol.auction.money import check_sum, sum_setting
from protocol.dispute.audits.names import MOST_TASKS
from protocol.runtime.config import load_config, option
from protocol.types import InputError, parse_address

PACKAGE = "package:"
"""`model: package:magika` takes the model that belongs to the format of that name."""

_MONTH_S = 30 * 86_400
_AUCTION_S = 600
"""Bidders keep no price open for long: by default they bid in auctions of two minutes at most."""
_MOST_BYTES = (1 << 64) - 1
"""What the field of an offer holds."""

Device = Literal["any", "cpu", "cuda"]


@dataclass(frozen=True)
class Inputs:
    """Where the inputs lie and how they are prepared."""

    path: Path | None = field(default=None, metadata={"help": "file or folder, relative to the job file"})
    format: str = option("raw", "preparation of inputs and decoding of outputs: raw, magika, minilm")
    options: dict[str, int] = field(
        default_factory=dict, metadata={"help": "settings of the format, e.g. {limit: 100}"}
    )


@dataclass(frozen=True)
class Limits:
    """What the client puts up with. Times are seconds and become units of the Escrow's clock."""

    time: float = option(600.0, "longest paid time of the lease", unit="seconds")
    window: float = option(0.0, "challenge window; 0 fits it to the estimated run", unit="seconds")
    auction: float = option(2.0, "how long quotes are collected", unit="seconds")
    memory: int = option(
        0, "bytes a provider must lend; 0 takes what the model needs", unit="bytes", least=0, most=_MOST_BYTES
    )


@dataclass(frozen=True)
class Check:
    """How results are checked here, beyond the root that is always recomputed."""

    rerun_percent: float = option(0.0, "share of the items that is run again on this machine")


@dataclass(frozen=True)
class Job:
    """The whole description. `model` is an .onnx or .tape file, or `package:` and the name of a format."""

    kind: Literal["tape"] = field(default="tape", metadata={"help": "what runs: tape"})
    title: str = option("", "a line for people; providers see it")
    model: str = option("", "an .onnx or .tape file, relative to the job file, or package:magika")
    shapes: dict[str, tuple[int, ...]] = field(
        default_factory=dict, metadata={"help": "input name to its whole shape, for models with free axes"}
    )
    inputs: Inputs = field(default_factory=Inputs)
    limits: Limits = field(default_factory=Limits)
    device: Device = field(default="any", metadata={"help": "what it must run on: any, cpu or cuda"})
    verification: Literal["auto", "tape", "none"] = field(
        default="auto",
        metadata={
            "help": "which judge can convict a wrong result: tape, none; auto: tape where there is one"
        },
    )
    private: bool = option(False, "nobody but you and your delegates can read, check or challenge it")
    delegates: tuple[str, ...] = option((), "addresses that may check and challenge a private job")
    carbon_price: str = option(
        "0", "whole tokens that a kilogram of CO2 less is worth in the choice of bids", parse=sum_setting
    )
    audits: int = option(0, "auditors who are paid to run one item again; drawn after the result is posted")
    check: Check = field(default_factory=Check)

    def checked(self, where: str = "job") -> "Job":
        """Return this job, or raise `InputError` that names `where` and the field that cannot be."""
        self._check_model(where)
        self._check_inputs(where)
        for name, low, high in (("time", 1, _MONTH_S), ("window", 0, _MONTH_S), ("auction", 0.2, _AUCTION_S)):
            if not low <= getattr(self.limits, name) <= high:
                most = "30 days" if high == _MONTH_S else f"{high} seconds"
                raise InputError(f"{where}: field limits.{name}: expected {low:g} seconds to {most}")
        if not 0 <= self.check.rerun_percent <= 100:
            raise InputError(f"{where}: field check.rerun_percent: expected 0 to 100")
        check_sum(self.carbon_price, f"{where}: field carbon_price")
        if self.delegates and not self.private:
            said = f"{where}: field delegates: only a private job has delegates"
            raise InputError(said, "set private: true")
        for each in self.delegates:
            parse_address(each, f"{where}: field delegates")
        if not 0 <= self.audits <= MOST_TASKS:
            raise InputError(f"{where}: field audits: expected 0 to {MOST_TASKS}")
        if self.audits and self.verification == "none":
            raise InputError(f"{where}: field audits: nobody judges this job", "set verification to tape")
        if self.audits and self.private:
            raise InputError(
                f"{where}: field audits: nobody else can read a private job's inputs",
                "name delegates instead",
            )
        if len(self.title) > 200 or not self.title.isprintable():
            raise InputError(f"{where}: field title: expected at most 200 printable characters")
        return self

    def _check_model(self, where: str) -> None:
        if not self.model:
            raise InputError(f"{where}: field model is missing: name an .onnx or .tape file")
        if self.model.startswith(PACKAGE):
            find_format(self.model.removeprefix(PACKAGE), f"{where}: field model")
            return
        path = Path(self.model)
        if path.suffix not in (".onnx", ".tape"):
            raise InputError(f"{where}: field model: expected an .onnx or .tape file, got {self.model}")
        if not path.is_file():
            raise InputError(f"{where}: field model: there is no file {path}")

    def _check_inputs(self, where: str) -> None:
        if self.inputs.path is None:
            raise InputError(f"{where}: field inputs.path is missing: name a file or folder")
        if not self.inputs.path.exists():
            raise InputError(f"{where}: field inputs.path: there is no {self.inputs.path}")
        known = find_format(self.inputs.format, f"{where}: field inputs.format").options
        for name in self.inputs.options:
            if name not in known:
                expected = ", ".join(known) or "none"
                raise InputError(
                    f"{where}: unknown field inputs.options.{name}: "
                    f"format {self.inputs.format} knows {expected}"
                )
        # Every option there is counts something; a negative one would cut from the other end.
        for name, value in self.inputs.options.items():
            if value < 0:
                raise InputError(f"{where}: field inputs.options.{name}: expected 0 or more, got {value}")


def load_job(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Job:
    """Return the job that a YAML file describes. `InputError` names file, field and expectation in one line.

    `overrides` maps dotted names to values that win over the file. Paths in the file are relative to it.
    """
    file = Path(path)
    job = load_config(Job, "job", file, overrides, environ={}).value
    model, inputs = job.model, job.inputs
    if model and not model.startswith(PACKAGE):
        model = str(_beside(file, Path(model)))
    if inputs.path is not None:
        inputs = replace(inputs, path=_beside(file, inputs.path))
    return replace(job, model=model, inputs=inputs).checked(str(file))


def _beside(file: Path, path: Path) -> Path:
    expanded = path.expanduser()
    return expanded if expanded.is_absolute() else file.parent / expanded
