"""What a codec is called whatever its quality: its specification without the setting that its ladder varies."""

from __future__ import annotations

from rdp.core import Codec, Ladder
from rdp.spec import parameters_of, write_spec


def family(codec: Codec, *, defaults: bool = True) -> str:
    """The specification without the parameter that the codec's own ladder varies; of a codec inside, without its.

    A codec without a ladder keeps all its parameters. With ``defaults=False`` one with a ladder leaves out those
    that have their default.

    >>> from rdp.codecs import JPEG, JPEGXL, Downsampled
    >>> family(JPEGXL()), family(JPEGXL(), defaults=False), family(Downsampled(JPEG(), 3))
    ('jpegxl:effort=7', 'jpegxl', 'downsampled:of=[jpeg],factor=3')
    """
    ladder = codec.ladder()
    varied = ladder.parameter if isinstance(ladder, Ladder) else None
    pairs = []
    for p in parameters_of(type(codec)):
        value = getattr(codec, p.name)
        if p.name == varied:
            if isinstance(value, Codec):  # what varies is a setting of the codec inside
                pairs.append(f"{p.name}=[{family(value, defaults=defaults)}]")
        elif defaults or varied is None or p.required or value != p.default:
            pairs.append(write_spec(codec.name, codec, (p.name,)).removeprefix(f"{codec.name}:"))
    return f"{codec.name}:{','.join(pairs)}" if pairs else codec.name
