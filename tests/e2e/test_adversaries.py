"""Cheats of every kind against a watchtower: real processes over one chain, many jobs at once.

What each of the tests is about is listed in docs/adversaries.md.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest

from protocol.dispute.records import Conviction
from tests.adversary_rig import BEAT_S, MOVE_CLOCK, World, check_money, world
from tests.cheat.job import NAN, ZERO, specimen

pytestmark = [pytest.mark.xdist_group("e2e-cheat"), pytest.mark.trio]

NODE = specimen().node
SILENCE = "silence"
FALSE = "flip -1 0 0"
"""A wrong output, so that the watchtower has a reason to look."""
EVERY_KIND_OF_NODE = {
    f"flip {NODE('relu')} 40 5": ("relu", "Prove"),
    f"flip {NODE('product')} 5 3": ("product", "ProveSegment"),
    f"flip {NODE('bytes')} 6 1": ("bytes", "ProveSegment"),
    f"flip {NODE('least')} 4 2": ("least", "ProveSegment"),
    f"flip {NODE('turned')} 9 3": ("turned", "Prove"),
    f"flip {NODE('picked')} 330 0": ("picked", "Prove"),
    f"flip {NODE('joined')} 1000 7": ("joined", "Prove"),
}
PLACES = {
    FALSE: ("last", "Prove"),
    f"flip {NODE('relu')} {NAN} 0": ("relu", "Prove"),
    f"flip {NODE('relu')} {ZERO + 3} 7": ("relu", "Prove"),
    f"flip {NODE('long')} 4 2": ("long", "ProveSegment"),
    f"given {specimen().value('rows')} 8 4": ("product", "ProveSegment"),
    f"given {specimen().value('weights')} 21 6": ("product", "ProveSegment"),
}
TRACES = {
    f"outside {NODE('relu')} 2 127, {FALSE}": ("relu", "ProveOutside"),
    f"outside {NODE('relu')} 255 0, {FALSE}": ("relu", "ProveOutside"),
    f"beyond, {FALSE}": ("last", "Prove"),
    f"missing, {FALSE}": ("filler33", SILENCE),
    f"swap {NODE('filler3')} {NODE('filler7')}, {FALSE}": ("filler3", "Prove"),
    f"count -1, {FALSE}": (None, SILENCE),
    f"count 1, {FALSE}": (None, SILENCE),
    f"foreign Reveal, {FALSE}, flip {NODE('relu')} 40 5": (None, SILENCE),
    f"foreign RevealLeaves, {FALSE}, flip {NODE('product')} 5 3": ("product", SILENCE),
}
MOVES = {
    f"silent PostTrace, {FALSE}": (None, SILENCE),
    f"silent Reveal, flip {NODE('relu')} 40 5": (None, SILENCE),
    f"silent RevealLeaves, flip {NODE('turned')} 9 3": ("turned", SILENCE),
    f"silent ShowRunning, flip {NODE('product')} 5 3": ("product", SILENCE),
    f"silent ShowSpan, flip {NODE('long')} 4 2": ("long", SILENCE),
}
Expected = Mapping[str, tuple[str | None, str]]


@pytest.mark.timeout(600)
async def test_a_false_product_a_false_copy_and_a_byte_outside_are_convicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    product, turned, outside = list(EVERY_KIND_OF_NODE)[1], list(EVERY_KIND_OF_NODE)[4], next(iter(TRACES))
    every = {**EVERY_KIND_OF_NODE, **TRACES}
    await all_are_convicted({lie: every[lie] for lie in (product, turned, outside)}, tmp_path, monkeypatch)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("lies", [EVERY_KIND_OF_NODE, PLACES], ids=["kinds", "places"])
async def test_a_bit_flipped_anywhere_is_convicted(
    lies: Expected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await all_are_convicted(lies, tmp_path, monkeypatch)


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_a_malformed_trace_and_children_of_another_tree_convict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await all_are_convicted(TRACES, tmp_path, monkeypatch)


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_silence_at_every_move_convicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await all_are_convicted(MOVES, tmp_path, monkeypatch)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_the_long_run_of_one_lie_makes_no_move_about_another_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run takes longer than a move may: where games shared a child, the first one was lost."""
    lies = (FALSE, f"flip {NODE('relu')} 40 5")
    async with world(tmp_path, monkeypatch, lies, watched=False) as made:
        longer = 1.5 * MOVE_CLOCK * BEAT_S
        made.tower.module, made.tower.env["SLOW_S"] = "tests.cheat.slow", str(longer)
        made.tower.start()
        before = made.accounts()
        bids = await made.post_all()
        await made.convicted(list(bids.values()))
        assert [how(made, bid) for bid in bids.values()] == [("last", "Prove"), ("relu", "Prove")]
        check_money(made, before, list(bids.values()))


async def all_are_convicted(lies: Expected, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Post all, and let one watchtower play."""
    async with world(folder, monkeypatch, tuple(lies)) as made:
        before = made.accounts()
        bids = await made.post_all()
        await made.convicted(list(bids.values()))
        wrong = {lie: found for lie, bid in bids.items() if (found := how(made, bid)) != lies[lie]}
        assert not wrong, wrong
        check_money(made, before, list(bids.values()))


def how(made: World, bid) -> tuple[str | None, str]:
    """The node that the game landed on, and the call that convicted."""
    node, path = made.landed(bid), made.path(bid)
    verdict = made.chain.verdict(bid.lease_id())
    proofs = [name for name in path if name.startswith("Prove")]
    assert (verdict.how is Conviction.PROVEN) == bool(proofs), path
    return None if node is None else specimen().labels.nodes[node], proofs[0] if proofs else SILENCE
