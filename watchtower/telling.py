"""What `status` says of findings and games: a line that sums up, then lease by lease."""

from collections import Counter
from collections.abc import Iterable, Iterator

from protocol.types import several
from watchtower.standings import Standing, live
from watchtower.verdicts import Finding, Verdict

_WORDS = {Finding.MATCH: "right", Finding.MISMATCH: "WRONG"}


def told(found: Iterable[Verdict], standings: Iterable[Standing]) -> list[str]:
    """Return the lines; findings and standings in their order, each lease once."""
    verdicts, games = {each.lease: each for each in found}, list(standings)
    lines = [_summary(list(verdicts.values()), games)]
    for lease in dict.fromkeys((*verdicts, *(each.lease for each in games))):
        lines.append(f"lease {lease}")
        if lease in verdicts:
            lines += _indented(_verdict(verdicts[lease]))
        for each in games:
            if each.lease == lease:
                lines += _indented(_standing(each))
    return lines


def _summary(verdicts: list[Verdict], standings: list[Standing]) -> str:
    if not verdicts:
        return "no result has been re-run yet"
    counts = Counter(each.finding for each in verdicts)
    said = ", ".join(f"{number} {_WORDS.get(finding, finding)}" for finding, number in counts.items())
    results = f"{several(len(verdicts), 'result')} re-run: {said}"
    games = live(standings)
    return f"{results}; {several(games, 'game')} open"


def _verdict(verdict: Verdict) -> Iterator[str]:
    late = "; found after the window" if verdict.late else ""
    match verdict.finding:
        case Finding.MATCH:
            yield f"the result of {verdict.owner} is right{late}"
        case Finding.MISMATCH:
            yield f"WRONG RESULT of {verdict.owner}: {verdict.where}{late}"
            yield f"  posted {verdict.claimed_root}"
            yield f"  re-run {verdict.own_root}"
        case _:
            yield f"{verdict.finding}, result of {verdict.owner}: {verdict.tried}{late}"
            yield f"  {verdict.detail}"


def _standing(standing: Standing) -> Iterator[str]:
    if not standing.games:
        yield standing.over or standing.doing
    for game in standing.games:
        yield f"game {game.game[:10]}"
        yield from _indented(game.lines())


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)
