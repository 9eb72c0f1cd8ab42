"""Evaluations that are run often enough to have a name: which codecs, at which rates."""

from __future__ import annotations

from dataclasses import dataclass

from rdp.validate import refuse


@dataclass(frozen=True)
class Preset:
    """``codecs`` by their specifications, each at all rates ``bpp``; ``anchors`` at the settings as they stand."""

    name: str
    summary: str
    codecs: tuple[str, ...]
    bpp: tuple[float, ...]
    anchors: tuple[str, ...] = ()


_CLASSICAL = ("jpeg", "jpeg2000", "webp", "jpegxl", "avif", "heic", "avc", "hevc", "av1")

PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "kodak",
            "nine classical codecs at six rates; meant for the 24 Kodak photographs, --data",
            _CLASSICAL,
            (0.05, 0.07, 0.11, 0.25, 0.5, 1.0),
        ),
        Preset(
            "quick",
            "the same nine at one rate, and what they need without loss",
            _CLASSICAL,
            (0.25,),
            ("png", "webp_lossless", "jpegxl:distance=0"),
        ),
    )
}


def preset(name: str) -> Preset:
    """The preset of this name."""
    if name not in PRESETS:
        raise refuse("preset", name, f"must be one of {', '.join(PRESETS)}")
    return PRESETS[name]
