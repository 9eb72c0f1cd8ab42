"""The laws of a codec: the bytes suffice, repeat, are counted, and are refused when they are damaged.

Every law is a function ``check_*`` that returns nothing and raises ``LawBroken``; :func:`codec_laws` lists those
that apply. ``items`` are arrays that the codec codes, in a list or by name.
"""

from __future__ import annotations

import copy
import math
import pickle
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdp import bitstream
from rdp.bitstream import DecodeError, Header
from rdp.core import Array, Codec
from rdp.randomness import SharedRandomness, private_rng, tag
from rdp.spec import build, split_spec
from rdp.testing import damage
from rdp.testing.bounded import Spent, require_bounded, spent
from rdp.testing.fresh import in_fresh_process
from rdp.testing.law import Law, LawBroken, broken, require, same
from rdp.validate import refuse

Items = Mapping[str, NDArray[Any]] | Sequence[NDArray[Any]]

Golden = Mapping[str, str | Sequence[str]]
"""Streams in hexadecimal by the name of their item: one, or one for each format version."""

SHARED = SharedRandomness(tag("testing: shared"), 1)
"""The common randomness of all laws, golden bytes included."""
OTHER = SharedRandomness(tag("testing: shared"), 2)

SECONDS = 5.0
"""A decoder refuses a forged or damaged stream within this time, unless a law is told otherwise."""
MEMORY = 2**29
"""A decoder allocates at most this many bytes for a forged or damaged stream, unless told otherwise."""

_ENCODER = (tag("testing: encoder"), 1)
_DECODER = (tag("testing: decoder"), 1)


def codec_laws(
    codec: Codec,
    items: Items,
    *,
    refused: Items = (),
    distortion: Callable[[Array, Array], float] | None = None,
    most: float = math.inf,
    golden: Golden | None = None,
    seconds: float = SECONDS,
    memory: int = MEMORY,
) -> list[Law]:
    """Every law for ``codec``, to be called one by one.

    ``items`` are what it must code (:func:`~rdp.testing.items.photographs` for a picture codec), ``refused``
    what it must refuse with a ``ValueError``. The ``distortion`` of every item, a function of item and
    reconstruction, must be ``most`` at most. ``golden`` are the streams that it must go on writing and reading, in
    hexadecimal, for some of the named items: print :func:`golden_bytes` once, and paste them. ``seconds`` and
    ``memory`` bound what a decoder may spend on one forged stream.
    """
    if not named(items):
        raise refuse("items", items, "must not be empty")
    if (distortion is None) != math.isinf(most):
        raise refuse("most", most, "must be given with a distortion, and only then")
    spend = {"seconds": seconds, "memory": memory}
    on_items: list[Callable[..., None]] = [
        check_round_trip,
        check_encoding_repeats,
        check_decoding_repeats,
        check_decoder_needs_only_the_bytes,
        check_fresh_process,
        check_rate_is_the_bytes,
        check_common_randomness,
        check_private_randomness,
        check_no_global_randomness,
        check_item_is_left_alone,
        check_truncations_are_refused,
        check_flipped_bits_are_refused,
        check_foreign_streams_are_refused,
        check_splices_are_refused,
    ]
    on_forgeries = [
        check_forged_sizes_are_refused,
        check_forged_headers_are_refused,
        check_mutated_payloads_are_bounded,
    ]
    found = [Law(codec.spec, check_specification, (codec,))]
    found += [Law(codec.spec, check, (codec, items)) for check in on_items]
    found += [Law(codec.spec, check, (codec, items), spend) for check in on_forgeries]
    if codec.common_randomness != "none":
        found.append(Law(codec.spec, check_shared_randomness_is_not_reused, (codec, items)))
    if distortion is not None:
        found.append(Law(codec.spec, check_distortion, (codec, items, distortion, most)))
    if len(refused):
        found.append(Law(codec.spec, check_bad_items_are_refused, (codec, refused)))
    if golden:
        found.append(Law(codec.spec, check_golden_bytes, (codec, items, golden)))
    return found


def golden_bytes(codec: Codec, items: Items) -> dict[str, str]:
    """The stream of each item in hexadecimal, to be pasted into a test as ``golden``."""
    return {name: encode(codec, item).hex() for name, item in named(items).items()}


# What a codec says of itself


def check_specification(codec: Codec) -> None:
    """The specification names the codec with all its parameters: parsed, it is an equal codec; pickled, too."""
    name, _ = split_spec(codec.spec)
    require(name == codec.name, f"the specification {codec.spec} does not begin with the name {codec.name}")
    again = _built(codec, codec.spec)
    require(again == codec, f"the specification {codec.spec} builds {again!r}, not {codec!r}")
    copied = pickle.loads(pickle.dumps(codec))
    require(copied == codec, f"pickled and unpickled it is {copied!r}, not {codec!r}")


# Round trip


def check_round_trip(codec: Codec, items: Items) -> None:
    """What is decoded from the bytes has the item's shape and type, and is finite."""
    for name, item in named(items).items():
        recon = decode(codec, encode(codec, item))
        found = (np.shape(recon), getattr(recon, "dtype", type(recon)))
        require(
            found == (item.shape, item.dtype), f"{name}, {item.dtype} {item.shape}, is decoded as {found}"
        )
        require(bool(np.isfinite(recon).all()), f"{name} is decoded to numbers that are not finite")


def check_distortion(
    codec: Codec, items: Items, distortion: Callable[[Array, Array], float], most: float
) -> None:
    """No item's distortion exceeds what is stated."""
    for name, item in named(items).items():
        found = float(distortion(item, decode(codec, encode(codec, item))))
        require(found <= most, f"{name} is reconstructed with distortion {found:.5g}; {most:g} is stated")


def check_encoding_repeats(codec: Codec, items: Items) -> None:
    """The same item, key and private randomness give the same bytes: again, in a copy, after other items."""
    found = named(items)
    first = {name: encode(codec, item) for name, item in found.items()}
    copied = pickle.loads(pickle.dumps(codec))
    for name, item in reversed(found.items()):
        require(encode(codec, item) == first[name], f"{name} has other bytes when it is encoded again")
        require(encode(copied, item) == first[name], f"{name} has other bytes in an unpickled copy")


def check_decoding_repeats(codec: Codec, items: Items) -> None:
    """The same bytes and private randomness give the same array, whatever was coded in between."""
    found = named(items)
    streams, recons = {}, {}
    for name, item in found.items():
        streams[name] = encode(codec, item)
        recons[name] = decode(codec, streams[name])
    for name, data in streams.items():
        require(same(decode(codec, data), recons[name]), f"{name} is decoded differently once others were")
        copied = pickle.loads(pickle.dumps(codec))
        require(same(decode(copied, data), recons[name]), f"{name} is decoded differently by a copy")


def check_decoder_needs_only_the_bytes(codec: Codec, items: Items) -> None:
    """A decoder built from the specification in the stream's header decodes the same.

    Parameters outside ``decoder_parameters`` then have their defaults; so has a decoder on the command line.
    """
    for name, item in named(items).items():
        data = encode(codec, item)
        stored = unpacked(data)[0].codec
        try:
            decoder = _built(codec, stored)
        except ValueError as error:
            broken(f"no decoder can be built from the header's {stored}: {error}")
        require(
            same(decode(decoder, data), decode(codec, data)),
            f"{name}: the decoder that the header names, {stored}, differs",
        )


def check_fresh_process(codec: Codec, items: Items) -> None:
    """A process without a past decodes the same, and encodes the same.

    The codec travels as a pickle, into another hash seed, locale, number of threads and working folder.
    """
    found = named(items)
    streams = [encode(codec, item) for item in found.values()]
    here = [decode(codec, data) for data in streams]
    there, bytes_there = in_fresh_process(_code_all, codec, list(found.values()), streams)
    for name, a, b, data, other in zip(found, here, there, streams, bytes_there, strict=True):
        require(same(a, b), f"{name} is decoded differently by a fresh process")
        require(data == other, f"{name} has other bytes when a fresh process encodes it")


def check_rate_is_the_bytes(codec: Codec, items: Items) -> None:
    """``transmit`` counts 8·len of the stream that it decodes, and calls it coded."""
    for name, item in named(items).items():
        sent = codec.transmit(item, shared=SHARED, rng=private_rng(*_ENCODER))
        encoder_rng, decoder_rng = private_rng(*_ENCODER).spawn(2)
        data = codec.encode(item, shared=SHARED, rng=encoder_rng)
        require(sent.kind == "coded", f"{name} has {sent.kind} bits, not coded ones")
        require(
            sent.bits == 8 * len(data), f"{name} is counted {sent.bits} bits; its bytes are {8 * len(data)}"
        )
        recon = codec.decode(data, shared=SHARED, rng=decoder_rng)
        require(
            same(sent.recon, recon), f"{name} is reconstructed as something else than its bytes decode to"
        )


# Randomness


def check_common_randomness(codec: Codec, items: Items) -> None:
    """What the ends must share is what the codec declares.

    With "none" neither bytes nor reconstruction depend on it, and no key travels. Otherwise the key travels, so
    that bytes alone decode, and a decoder that is given another one refuses.
    """
    for name, item in named(items).items():
        data = encode(codec, item)
        key = unpacked(data)[0].key
        recon = decode(codec, data)
        if codec.common_randomness == "none":
            require(key == (), f"{name}: nothing is shared, but the key {key} travels")
            require(
                encode(codec, item, OTHER) == data,
                f"{name}: declared to share nothing, the bytes depend on it",
            )
            for other in (SHARED, OTHER):
                require(
                    same(decode(codec, data, other), recon), f"{name}: declared to share nothing, it does"
                )
        else:
            require(key == SHARED.key, f"{name}: the key {SHARED.key} does not travel; the stream has {key}")
            require(
                same(decode(codec, data, SHARED), recon), f"{name} is decoded differently with the key given"
            )
            refusal(partial(_decode, codec, data, OTHER), f"{name}, another key than the encoder's")


def check_shared_randomness_is_not_reused(codec: Codec, items: Items) -> None:
    """Every key gives other bytes or another reconstruction, also where keys differ only in order or length.

    The key itself, which travels, is left out of the bytes.
    """
    keys = (SHARED, OTHER, SharedRandomness(*reversed(SHARED.key)), SHARED.child(0))
    outcomes: dict[tuple[Any, ...], SharedRandomness] = {}
    for key in keys:
        streams = [encode(codec, item, key) for item in named(items).values()]
        outcome = tuple((tuple(unpacked(data)[1]), decode(codec, data).tobytes()) for data in streams)
        first = outcomes.setdefault(outcome, key)
        require(first is key, f"{key} and {first} are the same to it: shared randomness is used twice")


def check_private_randomness(codec: Codec, items: Items) -> None:
    """The two ends draw from different private generators; the decoder knows of the encoder by its bytes alone."""
    log: list[tuple[str, Any]] = []
    spy = _recording(codec, log)
    for name, item in named(items).items():
        log.clear()
        spy.transmit(item, shared=SHARED, rng=private_rng(*_ENCODER))
        states = dict(log)
        require(set(states) == {"encoder", "decoder"}, f"{name}: transmit does not go through both ends")
        require(
            pickle.dumps(states["encoder"]) != pickle.dumps(states["decoder"]),
            f"{name}: transmit gives both ends the same private randomness",
        )
    found = list(named(items).items())
    for (name, item), (_, other) in zip(found, found[1:] + found[:1], strict=True):
        data = encode(codec, item)
        recon = decode(codec, data)
        codec.encode(other, shared=OTHER, rng=private_rng(*_ENCODER, 5))
        require(same(decode(codec, data), recon), f"{name}: what the encoder drew since changes the decoder")


def check_no_global_randomness(codec: Codec, items: Items) -> None:
    """Neither end reads or advances the global generators of Python and NumPy."""
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 - what must not be used
    try:
        for name, item in named(items).items():
            seen = []
            for seed in (1, 2):
                random.seed(seed)
                np.random.seed(seed)  # noqa: NPY002
                before = _global_state()
                data = encode(codec, item)
                seen.append((data, decode(codec, data).tobytes()))
                require(_global_state() == before, f"{name} advances a global generator")
            require(seen[0] == seen[1], f"{name} depends on a global generator's seed")
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002


def check_item_is_left_alone(codec: Codec, items: Items) -> None:
    """Encoding does not change the item; its bytes do not depend on how the array lies in memory."""
    for name, item in named(items).items():
        data = encode(codec, item)
        frozen = item.copy()
        frozen.flags.writeable = False
        layouts = {"read-only": frozen, "Fortran-ordered": np.asfortranarray(item)}
        if item.ndim and item.size:
            layouts["strided"] = np.repeat(item, 2, axis=0)[::2]
        for layout, array in layouts.items():
            try:
                require(encode(codec, array) == data, f"{name} has other bytes when it is {layout}")
            except (ValueError, TypeError) as error:
                broken(f"{name} cannot be encoded when it is {layout}: {error}")
        given = item.copy()
        encode(codec, given)
        require(same(given, item), f"{name} is changed by encoding it")


# Damage


def check_truncations_are_refused(codec: Codec, items: Items) -> None:
    """Every beginning of a stream, the empty one included, raises ``DecodeError``."""
    data = smallest(codec, items)
    for cut in damage.truncations(data):
        refusal(partial(_decode, codec, cut), f"a stream of {len(data)} bytes cut to {len(cut)}")


def check_flipped_bits_are_refused(codec: Codec, items: Items) -> None:
    """Every stream with one bit flipped raises ``DecodeError``."""
    data = smallest(codec, items)
    for number, flipped in enumerate(damage.flips(data)):
        refusal(partial(_decode, codec, flipped), f"flip {number} of a stream of {len(data)} bytes")


def check_foreign_streams_are_refused(codec: Codec, items: Items) -> None:
    """Bytes after the end, other formats, other versions, other codecs and other tables raise ``DecodeError``."""
    data = smallest(codec, items)
    header, segments = unpacked(data)
    other = f"{codec.name}x"
    foreign = {
        "nothing": b"",
        "a zero byte after the end": data + b"\0",
        "two streams": data + data,
        "a byte before the beginning": b"\0" + data,
        "another version": data[:3] + bytes([data[3] + 1]) + data[4:],
        "a PNG file": b"\x89PNG\r\n\x1a\n" + bytes(60),
        "a JPEG file": b"\xff\xd8\xff\xe0" + bytes(60),
        "zeros": bytes(len(data)),
        "noise": private_rng(*_ENCODER, 7).bytes(len(data)),
        "another codec": damage.resealed(data, codec=other, digest=bitstream.digest(other)),
        "other tables": damage.resealed(data, digest=bytes(b ^ 0xFF for b in header.digest)),
        "only its header": bitstream.pack(header, []) if segments else b"",
    }
    for what, stream in foreign.items():
        refusal(partial(_decode, codec, stream), what)
    if codec.common_randomness == "none":
        keyed = damage.resealed(data, key=(1, 2))
        refusal(partial(_decode, codec, keyed), "a key, where nothing is shared")


def check_splices_are_refused(codec: Codec, items: Items) -> None:
    """The beginning of one stream and the end of another raise ``DecodeError``, wherever they are joined."""
    found = list(named(items).values())
    data = smallest(codec, items)
    others = [encode(codec, item, OTHER) for item in found[:3]] + [encode(codec, item) for item in found[:3]]
    for other in others:
        for mixed in damage.splices(data, other):
            refusal(partial(_decode, codec, mixed), "a splice of two streams")


# Forgery


def check_forged_sizes_are_refused(
    codec: Codec, items: Items, *, seconds: float = SECONDS, memory: int = MEMORY
) -> None:
    """Sealed headers that promise 2²⁸ numbers or more, or 2²⁰ segments, raise ``DecodeError`` at little cost."""
    for what, stream in damage.forged_sizes(_sealed(codec, items)):
        outcome, cost = spent(partial(_outcome, codec, stream))
        require_bounded(what, cost, seconds=seconds, memory=memory)
        require(outcome is None, f"{what}: decoded to {outcome}")


def check_forged_headers_are_refused(
    codec: Codec, items: Items, *, seconds: float = SECONDS, memory: int = MEMORY
) -> None:
    """Sealed streams with another shape, type or number of segments are refused, or decode to just that."""
    for what, stream in damage.forged_headers(_sealed(codec, items)):
        _require_bounded_outcomes(codec, [stream], what, seconds, memory)


def check_mutated_payloads_are_bounded(
    codec: Codec, items: Items, *, seconds: float = SECONDS, memory: int = MEMORY, mutants: int = 50
) -> None:
    """Sealed streams with changed payloads are refused, or decode to the shape and type of the header."""
    rng = private_rng(tag("testing: mutants"))
    _sealed(codec, items)
    sizes = sorted((encode(codec, item) for item in named(items).values()), key=len)
    for data in {sizes[0], sizes[len(sizes) // 2]}:
        mutated = list(damage.mutated_payloads(data, n=mutants, rng=rng))
        _require_bounded_outcomes(codec, mutated, "mutated payload", seconds, memory)


# Refusals and golden bytes


def check_bad_items_are_refused(codec: Codec, refused: Items) -> None:
    """Items that the codec does not code raise ``ValueError``."""
    for name, item in named(refused).items():
        try:
            encode(codec, item)
        except ValueError:
            continue
        broken(f"{name}, {item.dtype} {item.shape}, is encoded; it must be refused with a ValueError")


def check_golden_bytes(codec: Codec, items: Items, golden: Golden) -> None:
    """The streams that earlier releases wrote are still written and decoded.

    Those of a former format version are decoded or refused; of the present version every item has one.
    """
    found = named(items)
    for name, texts in golden.items():
        if name not in found:
            raise refuse("golden", name, f"must name an item: {', '.join(found)}")
        data, shape = encode(codec, found[name]), found[name].shape
        streams = [bytes.fromhex(text) for text in ([texts] if isinstance(texts, str) else texts)]
        former = [stream for stream in streams if _version(stream) != bitstream.VERSION]
        for stream in former:
            outcome = _outcome(codec, stream)
            require(outcome in (None, (shape, found[name].dtype.name)), f"{name} is decoded to {outcome}")
        present = [stream.hex() for stream in streams if stream not in former]
        require(present == [data.hex()], f"{name} is now encoded as {data.hex()}, no longer as {present}")
        recon = decode(codec, data)
        require(recon.shape == shape, f"{name}: the golden stream decodes to {recon.shape}")


# What the laws are made of


def named(items: Items) -> dict[str, NDArray[Any]]:
    """The items by name; those of a list are numbered."""
    pairs: Iterable[tuple[str, Any]]
    pairs = items.items() if isinstance(items, Mapping) else ((f"item {i}", a) for i, a in enumerate(items))
    return {name: np.asarray(item) for name, item in pairs}


def encode(codec: Codec, item: Array, shared: SharedRandomness = SHARED) -> bytes:
    """The stream of an item under the laws' randomness."""
    return codec.encode(item, shared=shared, rng=private_rng(*_ENCODER))


def decode(codec: Codec, data: bytes, shared: SharedRandomness | None = None) -> Array:
    """The reconstruction under the laws' randomness; ``LawBroken`` if the codec refuses its own stream."""
    try:
        return _decode(codec, data, shared)
    except DecodeError as error:
        raise LawBroken(f"refuses its own stream: {error}") from error


def unpacked(data: bytes) -> tuple[Header, list[bytes]]:
    """Header and segments; ``LawBroken`` if a codec's stream is not in the container of ``rdp.bitstream``."""
    try:
        return bitstream.unpack(data)
    except DecodeError as error:
        raise LawBroken(f"its streams are not those of rdp.bitstream: {error}") from error


def smallest(codec: Codec, items: Items) -> bytes:
    """The shortest stream of all items."""
    return min((encode(codec, item) for item in named(items).values()), key=len)


def _sealed(codec: Codec, items: Items) -> bytes:
    data = smallest(codec, items)
    unpacked(data)
    return data


def _version(stream: bytes) -> int:
    return stream[3] if stream.startswith(bitstream.MAGIC) and len(stream) > 3 else bitstream.VERSION


def refusal(call: Callable[[], object], what: str) -> None:
    """``LawBroken`` unless ``call`` raises ``DecodeError`` and nothing else."""
    try:
        call()
    except DecodeError:
        return
    except Exception as error:
        raise LawBroken(f"{what}: must raise DecodeError, raises {error!r}") from error
    broken(f"{what}: is decoded, must raise DecodeError")


def _built(like: Codec, spec: str) -> Codec:
    """The codec that ``spec`` describes, of the type of ``like``; one inside it, of the type of that inside."""
    inside = {c.name: c for c in vars(like).values() if isinstance(c, Codec)}

    def nested(text: str) -> Codec:
        name, _ = split_spec(text)
        if name not in inside:
            raise ValueError(f"{text} is not inside {like.spec}")
        return _built(inside[name], text)

    return build(type(like), *split_spec(spec), nested={Codec: nested})


def _decode(codec: Codec, data: bytes, shared: SharedRandomness | None = None) -> Array:
    return codec.decode(data, shared=shared, rng=private_rng(*_DECODER))


def _outcome(codec: Codec, stream: bytes) -> tuple[tuple[int, ...], str] | None:
    """Shape and type of what was decoded; None if it was refused."""
    try:
        recon = _decode(codec, stream)
    except DecodeError:
        return None
    except Exception as error:
        raise LawBroken(f"a forged stream must raise DecodeError, raises {error!r}") from error
    require(bool(np.isfinite(recon).all()), "a forged stream decodes to numbers that are not finite")
    return recon.shape, recon.dtype.name


def _require_bounded_outcomes(
    codec: Codec, streams: Sequence[bytes], what: str, seconds: float, memory: int
) -> None:
    """Memory is measured over all streams, whose headers say the same; time for each."""

    def attempt() -> float:
        slowest = 0.0
        for number, stream in enumerate(streams):
            header = bitstream.read_header(stream)
            start = time.perf_counter()
            outcome = _outcome(codec, stream)
            slowest = max(slowest, time.perf_counter() - start)
            require(
                outcome in (None, (header.shape, header.dtype)),
                f"{what} {number}: decoded to {outcome}; the header says {header.shape}, {header.dtype}",
            )
        return slowest

    slowest, cost = spent(attempt)
    header = bitstream.read_header(streams[0]) if streams else None
    item = math.prod(header.shape) * np.dtype(header.dtype).itemsize if header is not None else 0
    require_bounded(what, Spent(slowest, cost.memory), seconds=seconds, memory=memory + 16 * item)


def _code_all(codec: Codec, items: list[Array], streams: list[bytes]) -> tuple[list[Array], list[bytes]]:
    return [decode(codec, data) for data in streams], [encode(codec, item) for item in items]


def _recording(codec: Codec, log: list[tuple[str, Any]]) -> Codec:
    """A copy that also notes the state of the private generator that each end is given."""
    kind: Any = type(codec)

    class Recording(kind):  # type: ignore[misc]
        def encode_segments(self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator) -> Any:
            log.append(("encoder", copy.deepcopy(rng.bit_generator.state)))
            return super().encode_segments(item, shared=shared, rng=rng)

        def decode_segments(self, segments: Any, *, rng: np.random.Generator, **header: Any) -> Any:
            log.append(("decoder", copy.deepcopy(rng.bit_generator.state)))
            return super().decode_segments(segments, rng=rng, **header)

    spy: Codec = copy.copy(codec)
    object.__setattr__(spy, "__class__", Recording)
    return spy


def _global_state() -> bytes:
    return pickle.dumps((random.getstate(), np.random.get_state()))  # noqa: NPY002
