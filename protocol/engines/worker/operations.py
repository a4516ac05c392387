"""Every operation of the worker by name."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from protocol.engines.worker import arrays, jobs, speed
from protocol.engines.worker.delivery_records import (
    DeliverArgs,
    DeliverResult,
    DemandTermsArgs,
    DemandTermsResult,
)
from protocol.engines.worker.devices import devices
from protocol.engines.worker.dispute_records import (
    AccuseArgs,
    AccuseResult,
    AnswerArgs,
    BuildTraceArgs,
    ChallengeMoveArgs,
    FindMoveArgs,
    JobTermsArgs,
    JobTermsResult,
    MoveResult,
    OpenTraceArgs,
    OpenTraceResult,
    SealOpeningArgs,
)
from protocol.engines.worker.interface import (
    CalibrateArgs,
    CheckArgs,
    CompareArgs,
    DevicesArgs,
    DevicesResult,
    InspectArgs,
    LowerArgs,
    PackArgs,
    ProgramInfo,
    RunArgs,
    UnpackArgs,
    VerifyArgs,
    sources_path,
)
from protocol.engines.worker.programs import describe, load_program, write_program


@dataclass(frozen=True)
class Operation:
    """What a request's arguments are and what is called with them and a progress reporter."""

    args: type[msgspec.Struct]
    call: Callable[[Any, Callable[[Any], None]], msgspec.Struct]


def lower_model(args: LowerArgs) -> ProgramInfo:
    """ONNX file to program file."""
    from protocol.engines.onnx import lower, read_model

    model = read_model(Path(args.onnx_path))
    tape, labels = lower(model, args.shapes)
    sources_path(Path(args.out_path)).write_text(json.dumps(model.files), encoding="utf-8")
    write_program(Path(args.out_path), tape, labels)
    return describe(load_program(Path(args.out_path)))


def job_terms(args: JobTermsArgs) -> JobTermsResult:
    """What a game's calls say of the job."""
    from protocol.engines.worker import disputing

    return disputing.job_terms(args)


def build_trace(args: BuildTraceArgs) -> OpenTraceResult:
    """One's own trace of an item, as a file."""
    from protocol.engines.worker import disputing

    return disputing.build_trace(args)


def open_trace(args: OpenTraceArgs) -> OpenTraceResult:
    """One's own trace of an item."""
    from protocol.engines.worker import disputing

    return disputing.open_trace(args)


def accuse(args: AccuseArgs) -> AccuseResult:
    """What a challenge of an item needs."""
    from protocol.engines.worker import disputing

    return disputing.accuse(args)


def play(args: AnswerArgs | FindMoveArgs | ChallengeMoveArgs | SealOpeningArgs) -> MoveResult:
    """The next move of either side of a game."""
    from protocol.engines.worker import disputing

    match args:
        case AnswerArgs():
            return disputing.answer_game(args)
        case FindMoveArgs():
            return disputing.find_move(args)
        case ChallengeMoveArgs():
            return disputing.challenge_move(args)
        case SealOpeningArgs():
            return disputing.seal_opening(args)


def deliver(args: DeliverArgs) -> DeliverResult:
    """The answer to a demand."""
    from protocol.engines.worker import delivering

    return delivering.deliver(args)


def demand_terms(args: DemandTermsArgs) -> DemandTermsResult:
    """What demands are made from."""
    from protocol.engines.worker import delivering

    return delivering.demand_terms(args)


OPERATIONS: dict[str, Operation] = {
    LowerArgs.OP: Operation(LowerArgs, lambda a, _: lower_model(a)),
    InspectArgs.OP: Operation(
        InspectArgs, lambda a, _: describe(load_program(Path(a.program_path)), a.speed)
    ),
    PackArgs.OP: Operation(PackArgs, lambda a, _: arrays.pack(a)),
    UnpackArgs.OP: Operation(UnpackArgs, lambda a, _: arrays.unpack(a)),
    CheckArgs.OP: Operation(CheckArgs, lambda a, _: jobs.check(a)),
    RunArgs.OP: Operation(RunArgs, jobs.run),
    VerifyArgs.OP: Operation(VerifyArgs, lambda a, _: jobs.verify(a)),
    CompareArgs.OP: Operation(CompareArgs, jobs.compare),
    CalibrateArgs.OP: Operation(CalibrateArgs, lambda a, _: speed.calibrate(a)),
    DevicesArgs.OP: Operation(DevicesArgs, lambda _, __: DevicesResult(devices())),
    JobTermsArgs.OP: Operation(JobTermsArgs, lambda a, _: job_terms(a)),
    BuildTraceArgs.OP: Operation(BuildTraceArgs, lambda a, _: build_trace(a)),
    OpenTraceArgs.OP: Operation(OpenTraceArgs, lambda a, _: open_trace(a)),
    AnswerArgs.OP: Operation(AnswerArgs, lambda a, _: play(a)),
    FindMoveArgs.OP: Operation(FindMoveArgs, lambda a, _: play(a)),
    ChallengeMoveArgs.OP: Operation(ChallengeMoveArgs, lambda a, _: play(a)),
    SealOpeningArgs.OP: Operation(SealOpeningArgs, lambda a, _: play(a)),
    AccuseArgs.OP: Operation(AccuseArgs, lambda a, _: accuse(a)),
    DeliverArgs.OP: Operation(DeliverArgs, lambda a, _: deliver(a)),
    DemandTermsArgs.OP: Operation(DemandTermsArgs, lambda a, _: demand_terms(a)),
}
