"""What `job.json` holds of a job: enough to show it, resume it and check its result, for any process."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from client_sdk.home import JobFolder
from protocol.auction.money import Unit
from protocol.lease.client_types import Conduct
from protocol.messages import Bid, JobSpec
from protocol.types import ArtifactId, Blocks, InputError, LeaseId

OPENING = "opening"
"""State of a job whose lease was sent for, and has not been seen to stand."""


@dataclass(frozen=True)
class Record:
    """One job. Bytes are hex; sums are in the token's smallest unit."""

    title: str
    network: str
    escrow: str
    wallet: str
    client: str
    cap: int
    token: int
    symbol: str
    decimals: int
    format: str
    spec: str
    """The encoded `JobSpec`."""
    spec_artifact: str
    most_output_bytes: int
    rerun_ppm: int
    finalize_after: int
    fetch_until: int
    retry_after: int
    created: float
    """Unix time."""
    delegates: tuple[str, ...] = ()
    """Who else may read the artifacts of a private job."""
    audits: int = 0
    """Auditors to be paid for once a result is posted."""
    audits_paid: int = 0
    audits_text: str = ""
    state: str = "collecting"
    text: str = ""
    lease: str = ""
    bid: str = ""
    operator: str = ""
    paid_blocks: int = 0
    cost: int = 0
    result: str = ""
    over: bool = False

    @property
    def unit(self) -> Unit:
        """How the token is written."""
        return Unit(self.symbol, self.decimals)

    @property
    def conduct(self) -> Conduct:
        """How the lease is followed."""
        return Conduct(
            self.rerun_ppm, Blocks(self.finalize_after), Blocks(self.fetch_until), Blocks(self.retry_after)
        )

    @property
    def job_spec(self) -> JobSpec:
        """What runs on what."""
        return JobSpec.decode(_bytes(self.spec))

    @property
    def lease_id(self) -> LeaseId | None:
        """The lease, once there is one, or one is sent for."""
        return LeaseId(_bytes(self.lease)) if self.lease else None

    @property
    def terms(self) -> Bid:
        """The bid that was opened; `InputError` if none was."""
        if not self.bid:
            raise InputError(f"no lease came of this job: {self.text or self.state}")
        return Bid.from_packed(_bytes(self.bid))

    @property
    def artifacts(self) -> tuple[ArtifactId, ...]:
        """Spec, program and inputs."""
        spec = self.job_spec
        return ArtifactId(_bytes(self.spec_artifact)), spec.program, spec.inputs

    def save(self, folder: JobFolder) -> None:
        """Write it down."""
        folder.write("job", asdict(self))


def load_record(folder: JobFolder) -> Record:
    """Return the record of a job's folder; `InputError` if it is damaged."""
    content: dict[str, Any] = folder.read("job")
    try:
        known = {each.name: content[each.name] for each in fields(Record) if each.name in content}
        return Record(**{**known, "delegates": tuple(known.get("delegates", ()))})
    except TypeError as error:
        raise InputError(f"{folder.path}/job.json is damaged: {error}", "move the folder away") from None


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
