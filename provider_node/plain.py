"""Whether the operator's account is a plain key. One that carries code can answer no game, demand or audit.

A key gets code by an EIP-7702 authorization: wallets that offer batches or paid gas ask for one. The judges
take answers of plain keys alone, so that everybody can read them in the chain's transactions.
"""

from protocol.chain.client import Chain
from protocol.runtime.doctor import Finding
from protocol.types import Address, GavelError, InputError, to_hex

_DELEGATION = bytes.fromhex("ef0100")
ADVICE = (
    "use another operator key (gavel wallet new, then gavel provider register --operator NAME), "
    "or take the delegation back: sign an EIP-7702 authorization to the zero address"
)


def code_of(chain: Chain, operator: Address) -> str:
    """Return what code an account carries, in words; empty if it is a plain key."""
    code = chain.node.code(operator)
    if not code:
        return ""
    return f"delegates to 0x{code[3:].hex()}" if code.startswith(_DELEGATION) else "is a contract"


def require_plain(chain: Chain, operator: Address) -> None:
    """Raise `InputError` if the operator's account carries code: its results would be lost undefended."""
    if found := code_of(chain, operator):
        raise InputError(
            f"operator {to_hex(operator)} {found}: the judges take no answers from an account with code, "
            "and unanswered games, demands and audits cost the bond",
            ADVICE,
        )


def check_operator(network: str | None) -> Finding | None:
    """Say for `gavel doctor` whether the configured operator can answer; None where there is no provider."""
    from protocol.runtime.config import load_config
    from protocol.runtime.keystore import find_key
    from protocol.runtime.paths import config_file
    from provider_node.config import ProviderConfig
    from provider_node.identity import connect

    flags = {"network": network} if network else {}
    try:
        config = load_config(ProviderConfig, "provider", None, flags).value
    except InputError as error:
        return Finding("operator", "fail", error.message, error.advice)
    try:
        operator = find_key(config.operator).address
    except GavelError as error:
        if not config_file("provider").exists():
            return None
        return Finding("operator", "warn", error.message, error.advice)
    try:
        found = code_of(connect(config), operator)
    except GavelError as error:
        return Finding("operator", "warn", f"{to_hex(operator)} cannot be looked at: {error.message}")
    if found:
        return Finding("operator", "fail", f"{to_hex(operator)} {found}: it can answer no game", ADVICE)
    return Finding("operator", "ok", f"{to_hex(operator)} is a plain key on {config.network}")
