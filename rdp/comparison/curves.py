"""Which evaluations are one codec at several settings."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from rdp.codecs.family import family as family_of_codec
from rdp.codecs.registry import parse_codec
from rdp.comparison.points import Curve, origin
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
    fixed = {name for channel, name in named.items() if not channel.startswith("target:")}
    # The same codec at settings and at rates: two curves, since at low rates the latter may downsample.
    longer = {
        name: f"target:codec=[{name}]" for name in set(named.values()) if family(name, over=over) in fixed
    }
    found: dict[str, list[Evaluation]] = {}
    for e in everything:
        name = named[e.channel]
        if e.channel.startswith("target:") and not name.startswith("target:"):
            name = longer.get(name, name)
        found.setdefault(name, []).append(e)
    return {name: sorted(of_one, key=lambda e: e.bits_per_symbol.value) for name, of_one in found.items()}


def family(channel: str, *, over: Collection[str] = ()) -> str:
    """What a channel's specification has in common with those of the same codec at other settings.

    The setting is the parameter that the codec's own ladder varies (in a codec of another codec, that one's); all
    others tell codecs apart, and are written unless they are at their defaults. A codec without a ladder has no
    setting and all its parameters in its name, and one that is not installed here is its name alone: all its
    parameters count as settings. ``over`` says instead which parameters are settings.

    Of a codec that hits rates, ``target:codec=[…],bpp=…``, the whole of what stands in the brackets, or all but
    the rate where there is more than these two.

    >>> family("jpegxl:distance=3,effort=7"), family("jpegxl:distance=3,effort=9")
    ('jpegxl', 'jpegxl:effort=9')
    >>> family("downsampled:of=[jpeg:quality=5],factor=3"), family("dct:step=3,block=16", over=["block"])
    ('downsampled:of=[jpeg],factor=3', 'dct:step=3')
    >>> family("target:bpp=0.25,codec=[jpegxl:effort=7]")
    'jpegxl:effort=7'
    """
    try:
        name, texts = split_spec(channel)
    except ValueError:  # a channel without a specification is called by its repr
        return channel.partition("(")[0].partition(":")[0]
    if name == "target" and "codec" in texts:
        kept = [f"{key}={text}" for key, text in texts.items() if key not in ("bpp", *over)]
        return _unwrapped(texts["codec"]) if len(kept) == 1 else f"target:{','.join(kept)}"
    if not over:
        try:
            return family_of_codec(parse_codec(channel), defaults=False)
        except (ValueError, ImportError):
            return name
    kept = [f"{key}={text}" for key, text in texts.items() if key not in over]
    return f"{name}:{','.join(kept)}" if kept else name


def by_target(curve: Curve) -> dict[float, Evaluation]:
    """Those of a curve's evaluations that were made to hit a rate, by that rate in bits per pixel."""
    found = {}
    for e in curve:
        if e.channel.startswith("target:"):
            try:
                found[float(split_spec(e.channel)[1]["bpp"])] = e
            except (ValueError, KeyError):  # a channel of somebody else
                continue
    return found


def matching(text: str, known: Collection[str], *, over: Collection[str] = ()) -> list[str]:
    """The families that ``text`` may mean: the one of this name, or those of this codec and these parameters.

    >>> matching("dct", ["jpeg", "dct:block=16", "dct:block=16,chroma=444"])
    ['dct:block=16', 'dct:block=16,chroma=444']
    >>> matching("dct:chroma=444", ["jpeg", "dct:block=16", "dct:block=16,chroma=444"])
    ['dct:block=16,chroma=444']
    """
    for name in (text, family(text, over=over)):
        if name in known:
            return [name]
    head, wanted = _split(text)
    return [
        name
        for name in known
        for of_one, has in [_split(_inner(name))]
        if of_one == head and wanted.items() <= has.items()
    ]


def _inner(name: str) -> str:
    """The codec that a family is of."""
    return _unwrapped(_split(name)[1].get("codec", "")) or name if name.startswith("target:") else name


def _split(text: str) -> tuple[str, dict[str, str]]:
    try:
        return split_spec(text)
    except ValueError:
        return text, {}


def _unwrapped(text: str) -> str:
    return text[1:-1] if text.startswith("[") and text.endswith("]") else text
