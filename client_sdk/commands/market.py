"""Show who offers computation on a network: stake, hardware, region, carbon, record."""

import click

from protocol.runtime.settings import Settings, pass_settings


@click.command()
@click.option("--token", default=0, show_default=True, help="Index of the token whose stakes are shown.")
@click.option(
    "--listen", type=click.FloatRange(0, 3600), default=0, help="Listen this many seconds for offers, too."
)
@pass_settings
def market(settings: Settings, token: int, listen: float) -> None:
    """Show who offers computation on a network: stake, hardware, region, carbon, record."""
    from client_sdk.commands.browsing import show_market
    from client_sdk.commands.logs import log_to_file
    from protocol.runtime.client_config import network_of

    log_to_file(settings, network_of(settings))
    show_market(settings, token, listen)
