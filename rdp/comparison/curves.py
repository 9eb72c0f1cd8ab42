"""Which evaluations are one codec at several settings."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from rdp.comparison.points import origin
from rdp.evaluate import Evaluation
from rdp.results import read_evaluations
from rdp.spec import split_spec


def read_curves(
    path: str | Path, *, source: str | None = None, seed: int | None = None, over: Collection[str] = ()
) -> dict[str, list[Evaluation]]:
    """The :func:`curves` of a journal of `rdp eval`, of one of its sources and seeds if there are several."""
    found = read_evaluations(path)
    return curves(
        [e for e in found if source in (None, e.source) and seed in (None, e.provenance["seed"])], over=over
    )


def curves(evaluations: Iterable[Evaluation], *, over: Collection[str] = ()) -> dict[str, list[Evaluation]]:
    """Evaluations by :func:`family`, each by rate. ``ValueError`` if they are of several sources or seeds.

    Where a codec was evaluated both at settings and at the rates of ``target:codec=[…]``, the latter keeps this
    longer name. Any other grouping is as easily made by hand: a curve is a list of Evaluations.
    """
    everything = list(evaluations)
    origins = sorted({origin(e) for e in everything})
    if len(origins) > 1:
        raise ValueError(f"evaluations must be of one source and seed, not of {'; '.join(origins)}")
    named = {e.channel: family(e.channel, over=over) for e in everything}
    fixed = {name for channel, name in named.items() if _targeted(channel) is None}
    found: dict[str, list[Evaluation]] = {}
    for e in everything:
        name = named[e.channel]
        # The same codec at settings and at rates: two curves, since at low rates the latter may downsample.
        clash = name in fixed and _targeted(e.channel) is not None
        found.setdefault(f"target:codec=[{name}]" if clash else name, []).append(e)
    return {name: sorted(of_one, key=lambda e: e.bits_per_symbol.value) for name, of_one in found.items()}


def family(channel: str, *, over: Collection[str] = ()) -> str:
    """What a channel's specification has in common with those of the same codec at other settings.

    The name, so that all parameters are settings; or, where ``over`` names the parameters that are, all else. Of
    a codec that hits rates, ``target:codec=[…],bpp=…``, the whole of what stands in the brackets.

    >>> family("webp:quality=30,method=6"), family("webp:quality=30,method=6", over=["quality"])
    ('webp', 'webp:method=6')
    >>> family("target:bpp=0.25,codec=[jpegxl:effort=7]")
    'jpegxl:effort=7'
    """
    targeted = _targeted(channel)
    if targeted is not None:
        return targeted
    try:
        name, texts = split_spec(channel)
    except ValueError:  # a channel without a specification is called by its repr
        return channel.partition("(")[0].partition(":")[0]
    kept = [f"{key}={text}" for key, text in texts.items() if over and key not in over]
    return f"{name}:{','.join(kept)}" if kept else name


def _targeted(channel: str) -> str | None:
    """The codec in the brackets of a channel that hits rates; None for any other channel."""
    if not channel.startswith("target:"):
        return None
    inner = split_spec(channel)[1].get("codec", "")
    return inner[1:-1] if inner.startswith("[") and inner.endswith("]") else None
