"""What does one sample of N(mean, I) from N(0, I) cost, in time and in bits over KL, with each coder of vectors?

One run, side by side, on one core. The yardstick is a plain, well-vectorised chunked Poisson race in NumPy: chunks
of 14 bits, 2¹⁶ candidates each, a matrix product of Philox normals in single precision, as published code does on
a GPU; it is timed on one chunk and multiplied. Times are medians; `faster` is the yardstick's encoding time over
the coder's. `matched` is bits/(KL · ratio²) − 1, so that a coder that shrinks its mean does not look cheap. The
mean square along the mean, 1 for N(mean, I), and the Kolmogorov distance from N(0, 1) are over blocks of 1, 14 and
100 bits in the order in which the coder spends them. Independent candidates (*) are for a flat mean, not rotated,
as no chunk may exceed the average by more than their capacity. Streams cost what they cost: their side information
is counted. `--full` adds the longest searches, `--json FILE` writes every number. Nothing here is asserted; the
claims in sims/gaussian_vectors.py are.
"""

import argparse
import json
import math
import os
import resource
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402

from rdp.coders.gaussian.race import ChunkedRace, HadamardRace  # noqa: E402
from rdp.coders.gaussian.stream import decode, encode  # noqa: E402
from rdp.coders.gaussian.trellis import TrellisCoding, stages_for  # noqa: E402
from rdp.coders.targets import GaussianTarget, RestrictedCapacity  # noqa: E402
from rdp.randomness import SharedRandomness, private_rng  # noqa: E402
from rdp.testing.vectors import along  # noqa: E402

CHUNK_BITS, CANDIDATES = 14.0, 2**16
SETTINGS = ((50, 3072), (50, 12288), (500, 3072), (500, 12288), (5000, 12288))


def mean_of(shape, kl, d):
    rng = private_rng(1, d)
    mean = {
        "gaussian": lambda: rng.standard_normal(d),
        "flat": lambda: np.ones(d),
        "sparse": lambda: np.where(rng.random(d) < 0.01, rng.standard_normal(d), 0.0),
        "heavy": lambda: rng.standard_t(2.5, d),
    }[shape]()
    return mean * math.sqrt(2.0 * kl * math.log(2.0)) / np.linalg.norm(mean)


def yardstick(mean, seed, block=4096):
    """One chunk: the index that wins, and its candidate."""
    scores, mean = np.empty(CANDIDATES, np.float32), mean.astype(np.float32)

    def candidates(start):
        rng = np.random.Generator(np.random.Philox(key=[seed, start]))
        return rng.standard_normal((block, len(mean)), dtype=np.float32)

    for start in range(0, CANDIDATES, block):
        scores[start : start + block] = candidates(start) @ mean
    arrivals = np.cumsum(np.random.default_rng(seed).standard_exponential(CANDIDATES))
    winner = int(np.argmin(np.log(arrivals) - scores))
    start = winner // block * block
    return winner, candidates(start)[winner - start]


def yardstick_row(kl, d):
    chunks = max(1, round(kl / CHUNK_BITS))
    length = d // chunks
    seconds, sums = [], []
    for i in range(3):
        mean = mean_of("gaussian", kl / chunks, length)
        start = time.perf_counter()
        _, z = yardstick(mean, i)
        seconds.append(time.perf_counter() - start)
        sums.append(float(z @ mean) / float(mean @ mean))
    return chunks * float(np.median(seconds))


def coders(kl, d, full):
    """Name, coder, and what its symbols cost."""
    found = []
    for states in (10, 14, 16, 18, *((20,) if full else ())):
        for modulate in (False, True):
            if kl > 1000 and states > 16 and not full:
                continue
            bits = stages_for(kl, d, states_log2=states, modulate=modulate)
            name = f"trellis {states}" + (" modulated" if modulate else "")
            found.append((name, TrellisCoding(d, bits, states, modulate), len))
    chunks = max(1, round(kl / CHUNK_BITS))
    races = [("independent 2^16 *", ChunkedRace(d, chunks, 16, rotate=False))] if kl <= 500 else []
    if d // chunks >= 64:
        sizes = (("fast", 22), ("fast", 24), ("group", 22))
        races += [(f"Hadamard {mode} 2^{c}", HadamardRace(d, chunks, c, mode=mode)) for mode, c in sizes]
    for name, coder in races:
        models = coder.models(kl / chunks)
        cost = lambda s, models=models: float(sum(m.bits(s[i : i + 1])[0] for i, m in enumerate(models)))
        found.append((name, coder, cost))
    return found


def timed(coder, mean, n):
    encodes, decodes, target, rng = [], [], GaussianTarget(mean), private_rng(2)
    for i in range(n):
        shared = SharedRandomness(3, i)
        a = time.perf_counter()
        symbols = coder.encode(target, shared=shared, rng=rng)
        b = time.perf_counter()
        coder.decode(symbols, shared=shared)
        encodes.append(b - a)
        decodes.append(time.perf_counter() - b)
    return 1e3 * float(np.median(encodes)), 1e3 * float(np.median(decodes))


def vectors(full, out):
    print(
        f"{'KL':>5} {'d':>6} {'coder':22} {'encode ms':>10} {'faster':>8} {'decode ms':>10} {'bits':>8} "
        f"{'matched':>8} {'ratio':>14}  mean square (KS) over blocks of 1, 14, 100 bits"
    )
    for kl, d in SETTINGS:
        slow = yardstick_row(kl, d)
        print(f"{kl:5} {d:6} {'NumPy race, 14 bits':22} {1e3 * slow:10.0f} {1:8}")
        out.append({"kl": kl, "d": d, "coder": "numpy", "encode_ms": 1e3 * slow})
        for name, coder, cost in coders(kl, d, full):
            mean = mean_of("flat" if name.endswith("*") else "gaussian", kl, d)
            try:
                timed(coder, mean, 1)  # compiles
                once, _ = timed(coder, mean, 1)
                n = int(np.clip((20e3 if full else 3e3) / once, 4, 400 if kl < 1000 else 40))
                encode_ms, decode_ms = timed(coder, mean, min(n, 15))
                found = along(coder, mean, n=n, order=coder.order, bits=cost)
            except RestrictedCapacity as refusal:
                print(f"{kl:5} {d:6} {name:22} refused: {refusal}")
                continue
            spread = "  ".join(
                f"{v.value:5.2f} ({found.kolmogorov[s]:.3f})" for s, v in found.variances.items()
            )
            print(
                f"{kl:5} {d:6} {name:22} {encode_ms:10.2f} {1e3 * slow / encode_ms:8.0f} {decode_ms:10.3f} "
                f"{found.bits.value:8.1f} {found.matched_overhead:8.1%} {found.ratio!s:>14}  {spread}",
                flush=True,
            )
            out.append(
                {
                    "kl": kl,
                    "d": d,
                    "coder": name,
                    "encode_ms": encode_ms,
                    "decode_ms": decode_ms,
                    "faster": 1e3 * slow / encode_ms,
                    "bits": found.bits.value,
                    "matched_overhead": found.matched_overhead,
                    "ratio": [found.ratio.value, found.ratio.stderr],
                    "noise": [found.noise.value, found.noise.stderr],
                    "variances": {str(s): [v.value, v.stderr] for s, v in found.variances.items()},
                    "kolmogorov": {str(s): k for s, k in found.kolmogorov.items()},
                    "n": n,
                }
            )


def shapes(out):
    print("\nStreams of the default method, KL 500, d 12288: does the mean's shape matter?")
    print(f"{'mean':10} {'encode ms':>10} {'bytes':>7} {'ratio':>8}")
    for shape in ("gaussian", "flat", "sparse", "heavy"):
        mean, ratios, sizes, times = mean_of(shape, 500, 12288), [], [], []
        for i in range(40):
            shared = SharedRandomness(5, i)
            start = time.perf_counter()
            data = encode(mean, shared=shared, rng=private_rng(6))
            times.append(time.perf_counter() - start)
            z = decode(data, dimension=mean.size, shared=shared)
            ratios.append(float(z @ mean / (mean @ mean)))
            sizes.append(len(data))
        print(f"{shape:10} {1e3 * np.median(times):10.2f} {np.mean(sizes):7.1f} {np.mean(ratios):8.4f}")
        out.append({"shape": shape, "bytes": float(np.mean(sizes)), "ratio": float(np.mean(ratios))})


def wide(out):
    print("\nWide proposal, stream of bytes: bits over ½ d log2(1 + s²), its own information, and over KL")
    print(
        f"{'KL':>5} {'d':>6} {'effort':>6} {'encode ms':>10} {'over own':>9} {'over KL':>8} {'noise':>7} "
        f"{'ratio':>7}"
    )
    for kl, d in ((500, 12288), (500, 3072), (5000, 12288), (5000, 6144)):
        for effort in (10, 14, 18):
            mean, rows = mean_of("gaussian", kl, d), []
            information = 0.5 * d * math.log2(1.0 + float(mean @ mean) / d)
            for i in range(2 if kl > 1000 else 6):
                shared = SharedRandomness(7, i)
                start = time.perf_counter()
                data = encode(mean, method="wide-trellis", effort=effort, shared=shared, rng=private_rng(6))
                spent = time.perf_counter() - start
                z = decode(data, dimension=d, method="wide-trellis", effort=effort, shared=shared)
                rows.append((spent, 8 * len(data), np.mean((z - mean) ** 2), float(z @ mean / (mean @ mean))))
            spent, bits, noise, ratio = np.mean(rows, axis=0)
            print(
                f"{kl:5} {d:6} {effort:6} {1e3 * spent:10.1f} {bits / information - 1:9.1%} {bits / kl - 1:8.1%} "
                f"{noise:7.3f} {ratio:7.3f}"
            )
            out.append(
                {"wide": kl, "d": d, "effort": effort, "bits": bits, "own": information, "noise": noise}
            )


def large(out):
    mean = mean_of("gaussian", 1e5, 10**6)
    start = time.perf_counter()
    data = encode(mean, effort=12, shared=SharedRandomness(9), rng=private_rng(9))
    middle = time.perf_counter()
    z = decode(data, dimension=mean.size, effort=12, shared=SharedRandomness(9))
    end = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"\nd = 10⁶, KL = 10⁵ bits, effort 12: {8 * len(data)} bits, ratio {float(z @ mean / (mean @ mean)):.4f}, "
        f"encode {middle - start:.2f} s, decode {end - middle:.3f} s, peak memory of this process {peak:.2f} GiB"
    )
    out.append({"large": 8 * len(data), "encode": middle - start, "decode": end - middle, "peak_gib": peak})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="the longest searches too")
    parser.add_argument("--json", help="write all numbers to this file")
    options, out = parser.parse_args(), []
    vectors(options.full, out)
    shapes(out)
    wide(out)
    large(out)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(out, file, indent=1)


if __name__ == "__main__":
    main()
