"""The job specification: what runs on what, stored as an artifact and named by that artifact's id."""

from dataclasses import dataclass
from typing import ClassVar

from protocol.messages.bid import job_hash
from protocol.messages.fields import U8, U32, U64, ArtifactRef, Bytes32, Text
from protocol.messages.message import Message
from protocol.types import Hash32, InputError, JobKind

FORMAT = 1


@dataclass(frozen=True, slots=True)
class JobSpec(Message):
    """A job: one program over `item_count` items. Sizes are in bytes."""

    TAG: ClassVar[int] = 2

    format: U8
    kind: U8
    title: Text
    program: ArtifactRef
    program_root: Bytes32
    program_bytes: U64
    inputs: ArtifactRef
    input_root: Bytes32
    input_bytes: U64
    item_count: U32

    def check(self) -> None:
        """Refuse formats and kinds that do not exist, empty jobs and long titles."""
        if self.format != FORMAT:
            raise InputError(
                f"job specification format {self.format} is unknown, this version reads {FORMAT}"
            )
        if self.kind not in set(JobKind):
            raise InputError(f"job kind {self.kind} does not exist")
        if self.item_count == 0:
            raise InputError("a job needs at least one item")
        if len(self.title) > 200:
            raise InputError("job title is longer than 200 characters")

    def job_hash(self) -> Hash32:
        """Return the hash by which bids name this job."""
        return job_hash(self.program_root, self.input_root, self.item_count)
