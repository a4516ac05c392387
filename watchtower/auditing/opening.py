"""The auditor's desk of a daemon, from its configuration."""

import time

from protocol.dispute.purse import COIN
from protocol.runtime.metrics import Metrics
from protocol.types import Wei
from watchtower.auditing.auditor import Auditing, Court
from watchtower.auditing.notes import Notes
from watchtower.config import WatchtowerConfig
from watchtower.folders import AUDITS
from watchtower.obtaining import Rig
from watchtower.spending import Spending


def budget_of(config: WatchtowerConfig) -> Wei:
    """Return what shared moves may cost within a day. `InputError` if it is no sum of coin."""
    return Wei(COIN.parse(config.audit_gas_per_day, "audit_gas_per_day"))


def open_auditing(rig: Rig, key: bytes, metrics: Metrics, court: Court | None) -> Auditing:
    """Return the desk. It plays for as long as its wallet is enrolled, and does nothing else."""
    notes = Notes(rig.folder.parent / AUDITS)
    spending = Spending(
        rig.folder.parent / AUDITS / "spent.json", budget_of(rig.config), "audit_gas_per_day", time.time
    )
    return Auditing(rig, key, notes, spending, metrics, court)
