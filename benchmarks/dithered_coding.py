"""How many bits over H(K|U) does a coded stream of dithered Gaussians spend, and where does its time go?

One run, side by side: the codec against its ideal sibling, and the time of its parts as ratios to drawing the
dither alone. Nothing here is asserted; the claims in sims/dither.py are.
"""

import time

import numpy as np

from rdp import Moments, evaluate
from rdp.codecs.dithered import DitheredGaussian
from rdp.randomness import SharedRandomness, dither_from_words, private_rng
from rdp.realism import mse
from rdp.sources import GaussianBlock
from rdp.theory import dither


def best_of(repeats, call):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return min(times), result


def main():
    n, shared = 65536, SharedRandomness(0)
    source = GaussianBlock(n)
    item = source.item(0, seed=0)
    print(f"{n} numbers a block, best of 5; times relative to drawing {n} dither words")
    print(f"{'step':>8} {'H(K|U)':>9} {'coded':>9} {'over':>18} {'encode':>8} {'decode':>8}")
    for step in (0.01, 0.1, 0.3, 1.0, 3.0, 10.0):
        codec = DitheredGaussian(step=step)
        words, _ = best_of(5, lambda: dither_from_words(shared.dither_words(n)))
        encode, data = best_of(5, lambda codec=codec: codec.encode(item, shared=shared, rng=private_rng(0)))
        decode, _ = best_of(5, lambda codec=codec, data=data: codec.decode(data, rng=private_rng(1)))
        # The same blocks through both, so that what the source did by chance cancels.
        results = [
            evaluate(channel, source, items=16, seed=0, distortions=[mse])
            for channel in (codec, codec.ideal())
        ]
        over = Moments(2).add(np.array([[r["bits"] / n for r in result.records] for result in results]).T)
        print(
            f"{step:8g} {float(dither.rate(variance=1.0, step=step)):9.4f} {results[0].bits_per_symbol.value:9.4f}"
            f" {over.difference(0, 1)!s:>18} {encode / words:8.1f} {decode / words:8.1f}"
        )


if __name__ == "__main__":
    main()
