"""From the config file to the pure policies: sums in the token's smallest unit, spans in clock units."""

from protocol.auction.bidding import UINT32, PricePolicy
from protocol.auction.clocks import ALL
from protocol.auction.defence import Means
from protocol.auction.money import Unit
from protocol.chain.dispute_reads import GameTerms
from protocol.chain.networks import Clock, Deployment, Network
from protocol.dispute.windows import Judging
from protocol.games.line import Line
from protocol.games.runs_at_once import AT_ONCE, MOST
from protocol.lease.provider_types import Conduct
from protocol.runtime.hardware import Hardware
from protocol.types import Amount, Blocks, InputError
from provider_node.config import DefenceConfig, LeaseConfig, PriceConfig, ProviderConfig, StakeConfig
from provider_node.memory import divided


def block_ms(network: Network) -> int:
    """Return milliseconds in one unit of the Escrow's clock."""
    return 1_000 if network.clock is Clock.TIMESTAMP else network.seconds_per_block * 1_000


def running(config: ProviderConfig, host: Hardware) -> Line:
    """Return where runs that defend results wait: one for games, and those for audits."""
    return Line(AT_ONCE + 1, MOST + 1, divided(config, host).traces)


def at_once(config: DefenceConfig) -> int:
    """Return how many runs may be due at once."""
    return ALL if config.challenged_at_once == "all" else int(config.challenged_at_once)


def means(
    config: ProviderConfig,
    host: Hardware,
    network: Network,
    terms: GameTerms,
    judging: Judging,
) -> Means:
    """Return what results can be defended with before judges with these terms and clocks."""
    memory = divided(config, host)
    return Means(
        move_clock=terms.move_clock,
        increment=terms.increment,
        block_ms=block_ms(network),
        memory_bytes=memory.traces,
        answer_bytes=memory.answers,
        disk_bytes=config.defence.disk,
        device=config.defence.device,
        slow_inputs=config.defence.slow_inputs,
        at_once=at_once(config.defence),
        jobs=config.lease.slots,
        audit_clock=judging.audits.commit if judging.audits else None,
        demand_clock=judging.demand_clock,
    )


def token_index(config: PriceConfig, deployment: Deployment) -> int:
    """Return the index of the token that is taken; `InputError` names those that exist."""
    symbols = [token.symbol for token in deployment.tokens]
    if not config.token:
        return 0
    if config.token not in symbols:
        raise InputError(
            f"price.token {config.token!r} is not listed by this deployment", f"it has {', '.join(symbols)}"
        )
    return symbols.index(config.token)


def unit_of(deployment: Deployment, token: int) -> Unit:
    """Return how sums of the token are written."""
    found = deployment.tokens[token]
    return Unit(found.symbol, found.decimals)


def price_policy(config: PriceConfig, deployment: Deployment) -> PricePolicy:
    """Return the policy that the file describes; `InputError` names what is wrong with it."""
    token = token_index(config, deployment)
    unit = unit_of(deployment, token)
    per_hour: dict[str, Amount] = {}
    for device, text in (("cpu", config.cpu_per_hour), ("cuda", config.cuda_per_hour)):
        if text:
            per_hour[device] = unit.parse(text, f"price.{device}_per_hour")
    policy = PricePolicy(
        per_hour=per_hour,
        token=token,
        minimum=unit.parse(config.minimum, "price.minimum"),
        completion_fee=unit.parse(config.completion_fee, "price.completion_fee"),
        margin_percent=config.margin_percent,
        energy_per_kwh=unit.parse(config.energy_per_kwh, "price.energy_per_kwh"),
        bond=unit.parse(config.bond, "price.bond"),
        grace=Blocks(config.grace),
        start_blocks=Blocks(config.start_blocks),
        result_blocks=Blocks(config.result_blocks),
        safety_percent=config.safety_percent,
        top_up_percent=config.top_up_percent,
        bid_blocks=Blocks(config.bid_blocks),
        auction_ms=1_000 * config.auction_seconds,
        window_min=Blocks(config.window_min),
        window_max=Blocks(config.window_max or UINT32),
        max_items=config.max_items,
        private=config.private,
    )
    policy.check()
    return policy


def conduct(config: LeaseConfig, network: Network, grace: Blocks, memory_bytes: int) -> Conduct:
    """Return how a lease with this grace is run; `InputError` names what is wrong."""
    if config.slots < 1:
        raise InputError("lease.slots must be at least 1")
    if config.run_attempts < 1:
        raise InputError("lease.run_attempts must be at least 1")
    beat = config.beat_blocks or max(grace // 3, 1)
    if beat >= grace > 1:
        raise InputError(
            f"lease.beat_blocks is {beat}, the grace only {grace}", "beat at least twice in each grace"
        )
    return Conduct(
        beat_every=Blocks(beat),
        withdraw_every=Blocks(config.withdraw_blocks),
        run_attempts=config.run_attempts,
        confirmations=Blocks(network.confirmations),
        start_margin=Blocks(config.start_margin),
        keep_blocks=Blocks(config.keep_blocks),
        block_ms=block_ms(network),
        memory_bytes=memory_bytes,
    )


def stake_sums(config: StakeConfig, unit: Unit) -> tuple[Amount, Amount, Amount] | None:
    """Return (stake wanted, cap per lease, cap of all), or None if the daemon shall not stake."""
    if not config.amount:
        return None
    amount = unit.parse(config.amount, "stake.amount")
    per_lease = unit.parse(config.max_per_lease, "stake.max_per_lease") if config.max_per_lease else amount
    in_all = unit.parse(config.max_locked, "stake.max_locked") if config.max_locked else amount
    return amount, per_lease, in_all
