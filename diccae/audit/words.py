"""A draw, and what it proves, in words."""

from __future__ import annotations

from collections.abc import Iterator

from diccae.audit.draw import Draw


def of_draw(draw: Draw) -> Iterator[str]:
    """Which runs are drawn, and from what."""
    count, own = len(draw.runs), draw.of_primary
    groups = ""
    if draw.primary:
        groups = (
            f": {own} of {draw.primary} of the primary rows of Table 2, {count - own} of "
            f"{draw.others} others"
        )
    yield f"draw of {count} of {draw.size} scored runs{groups}"
    for stored in draw.runs:
        yield f"  {stored.run}"
    yield (
        f"drawn by root digest {draw.root} and word {draw.word!r}: who published this root digest "
        "before the word was known cannot have steered the draw"
    )


def of_proof(draw: Draw, trained: int) -> Iterator[str]:
    """What a draw proves whose runs are all equal.

    Args:
        draw: the draw.
        trained: number of runs that were trained again, with those that the drawn ones start from.
    """
    yield (
        f"This proves that {trained} runs are, to the byte, what code, data and plan give. Of the "
        "others it says:"
    )
    divided = ", divided like this one," if draw.primary else ""
    for forged, least, inside in draw.chances():
        were, they = ("was", "it is") if forged == 1 else ("were", "all of them are")
        met = f"at least {percent(least)}" if draw.primary else percent(least)
        primary = f", or {percent(inside)} if {they} of the primary rows" if inside else ""
        yield (
            f"  If {forged} of the {draw.size} runs {were} forged, a draw of {len(draw.runs)}"
            f"{divided} would have met one with {met}{primary}."
        )


def percent(chance: float) -> str:
    """A chance in percent, such as `6 %`; never `0 %` or `100 %` where it is neither."""
    value = 100 * chance
    if 0 < value < 0.1:
        return "under 0.1 %"
    if 99 < value < 100:
        return "over 99 %"
    return f"{value:.1f} %" if 0 < value < 1 else f"{value:.0f} %"
