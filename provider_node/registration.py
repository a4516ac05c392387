"""What a provider needs on chain before it bids: its operator key registered, a stake behind its bonds."""

import logging
from dataclasses import dataclass
from importlib.metadata import version

from protocol.auction.money import Unit
from protocol.chain.calls import Call, TxReceipt
from protocol.chain.client import Chain
from protocol.chain.contract_wallet import through
from protocol.messages import Registration, Signed, sign
from protocol.runtime.hardware import Hardware
from protocol.types import ZERO_ADDRESS, Address, Amount, InputError, TransientError, to_hex
from provider_node import policy
from provider_node.config import ProviderConfig
from provider_node.identity import Identity, connect
from provider_node.metering import Metering, carbon_grams_per_kwh
from provider_node.plain import require_plain

log = logging.getLogger(__name__)

_READ_S = 15.0
"""For so long the chain is asked what was registered last."""
SOFTWARE = f"gavel {version('gavel')}"


@dataclass(frozen=True)
class Owner:
    """The owner's hand: `chain` sends from `key`, which is the owner's, or a session key of its contract."""

    chain: Chain
    key: bytes
    address: Address
    """The owner: the address of `key`, or the contract wallet that the key may act for."""

    @property
    def is_contract(self) -> bool:
        """Whether the owner is a contract wallet."""
        return self.address != self.chain.address

    def send(self, call: Call) -> TxReceipt:
        """Make the owner call, and wait until that is in a block."""
        return self.chain.send(through(self.address, call) if self.is_contract else call)


@dataclass(frozen=True)
class Purse:
    """The token that stake is in, and how its sums are written."""

    token: int
    unit: Unit


def enter(
    config: ProviderConfig, identity: Identity, hardware: Hardware, addrs: tuple[str, ...], chain: Chain
) -> None:
    """Register and stake as far as the config lets the daemon do it. Blocking; `chain` is the operator's."""
    deployment, owner, operator = chain.deployment, identity.owner, identity.operator
    require_plain(chain, operator)
    token = policy.token_index(config.price, deployment)
    purse = Purse(token, policy.unit_of(deployment, token))
    hand = None
    if identity.owner_key is not None:
        owners = chain if owner == operator else connect(config, identity.owner_key, deployment)
        hand = Owner(owners, identity.owner_key, owner)
    message = registration_of(config, owner, operator, hardware, addrs)
    ensure_registered(chain, owner, sign(message, chain.domain, identity.operator_key), hand)
    said = ensure_staked(chain, owner, purse, policy.stake_sums(config.stake, purse.unit), hand)
    log.info("owner %s is registered, %s", to_hex(owner), said)


def ensure_registered(chain: Chain, owner: Address, wanted: Signed[Registration], hand: Owner | None) -> str:
    """Make sure that the operator that signed `wanted` acts for `owner`, and say what was done. Blocking.

    With the owner's hand it registers by itself, also if the addresses have changed. `InputError` with the
    command to run if it has none. What the chain says of addresses is waited for some seconds only.
    """
    operator, present = wanted.signer, chain.operator_of(owner)
    if hand is None:
        if present == operator:
            return "registered"
        who = "has no operator" if present == ZERO_ADDRESS else f"has another operator, {to_hex(present)}"
        raise InputError(
            f"owner {to_hex(owner)} {who}; this daemon's key is {to_hex(operator)}",
            "hand the owner what gavel provider introduce prints, for gavel provider register --introduction "
            "FILE; or set owner_wallet",
        )
    if present == operator:
        try:
            known = chain.registration_of(owner, _READ_S)
        except TransientError as error:
            # Leases that are open must be defended, whatever keeps logs from being read.
            log.warning("whether the chain has these addresses is not known: %s", error)
            return "registered"
        if known is not None and known.registration == wanted.message:
            return "registered"
    hand.send(hand.chain.escrow.register(wanted))
    log.info("registered operator %s for owner %s", to_hex(operator), to_hex(owner))
    return "registered now"


def ensure_staked(
    chain: Chain,
    owner: Address,
    purse: Purse,
    sums: tuple[Amount, Amount, Amount] | None,
    hand: Owner | None,
) -> str:
    """Make sure that there is stake to bid with, and say what was done. Blocking.

    `sums` are the wanted stake and caps; they need the owner's hand. `InputError` with the command to run.
    """
    token, unit = purse.token, purse.unit
    stake = chain.stake(owner, token)
    if sums is not None and hand is not None:
        wanted, per_lease, in_all = sums
        if stake.staked < wanted:
            add_stake(hand, purse, Amount(wanted - stake.staked), per_lease, in_all)
            return f"staked {unit.show(wanted - stake.staked)}"
        if (stake.max_per_lease, stake.max_locked) != (per_lease, in_all):
            hand.send(hand.chain.staking.set_caps(token, per_lease, in_all))
            return "caps set"
        return f"staked {unit.show(stake.staked)}"
    if stake.staked == 0:
        raise InputError(
            f"owner {to_hex(owner)} has no stake in {unit.symbol}, and bids need a bond",
            f"run: gavel provider stake 100 --token {unit.symbol} --wallet OWNER",
        )
    if stake.max_per_lease == 0 or stake.max_locked == 0:
        raise InputError(
            f"the owner's caps for {unit.symbol} let no lease lock any stake",
            f"run: gavel provider stake 0 --token {unit.symbol} --max-per-lease SUM --max-locked SUM "
            "--wallet OWNER",
        )
    return f"staked {unit.show(stake.staked)}"


def add_stake(hand: Owner, purse: Purse, amount: Amount, per_lease: Amount, in_all: Amount) -> None:
    """Stake `amount` more with these caps. `InputError` if it is not there.

    One transaction, by permit; two for a contract wallet, whose signatures ERC-2612 does not know.
    """
    chain, token, unit = hand.chain, purse.token, purse.unit
    held = chain.token_balance(token, hand.address)
    if held < amount:
        raise InputError(
            f"owner {to_hex(hand.address)} has {unit.show(held)}, staking takes {unit.show(amount)}"
        )
    staking = chain.deployment.staking
    if hand.is_contract:
        hand.send(chain.token(token).approve(staking, amount))
        hand.send(chain.staking.stake(token, amount, per_lease, in_all))
    else:
        permit = chain.permit(hand.key, token, amount, staking)
        hand.send(chain.staking.stake_with_permit(token, amount, per_lease, in_all, permit))
    log.info("staked %s for owner %s", unit.show(amount), to_hex(hand.address))


def registration_of(
    config: ProviderConfig, owner: Address, operator: Address, hardware: Hardware, addrs: tuple[str, ...]
) -> Registration:
    """Return what this provider says about itself."""
    return Registration(
        owner=owner,
        operator=operator,
        addrs=addrs,
        cpu=hardware.cpu,
        cores=min(hardware.cores, (1 << 16) - 1),
        memory_mib=min(hardware.memory >> 20, (1 << 32) - 1),
        gpus=tuple(gpu.name for gpu in hardware.gpus),
        region=config.region,
        grid_zone=config.grid_zone,
        carbon_grams_per_kwh=carbon_grams_per_kwh(config),
        energy_grade=int(Metering(config, hardware).grade),
        software=SOFTWARE,
    )
