"""What does one sample of a general target cost, in time and in bits over KL, with each of the coders?

One run, side by side: N(m, s²) against N(0, 1) with m² = 1 − s², so that KL = −½ log2 s². Every run has a target
of its own, so that tables made for one count. Bits are those of one stream of all messages, under models that know
no more than KL: Zipf's law for an index, a geometric depth for a node, none for a choice among N = 2^(KL + 3).
Approximate coders are marked. Nothing here is asserted; the claims in sims/simulation.py are.
"""

import math
import time

import numpy as np

from rdp.coders.a_star import AStarCoding
from rdp.coders.greedy_poisson import GreedyPoissonRejection
from rdp.coders.greedy_poisson_tree import GreedyPoissonTree
from rdp.coders.greedy_rejection import GreedyRejectionSampling
from rdp.coders.integers import encode_integers, heap, zipf
from rdp.coders.minimal_random import MinimalRandomCoding
from rdp.coders.ordered_random import OrderedRandomCoding
from rdp.coders.poisson import PoissonFunctional
from rdp.coders.proposals import StandardNormal
from rdp.coders.rejection import RejectionSampling
from rdp.coders.targets import GaussianTarget
from rdp.estimate import Moments
from rdp.randomness import SharedRandomness, private_rng
from rdp.theory import simulation as theory

RUNS = 64


def coders(kl):
    """Each coder with the model for the last symbol of its messages."""
    proposal, n = StandardNormal(1), int(2 ** (kl + 3))
    index = zipf(float(theory.zipf_exponent_published(kl)))
    minimal = MinimalRandomCoding(proposal, n)
    return [
        (RejectionSampling(proposal), index),
        (GreedyRejectionSampling(proposal), index),
        (GreedyPoissonRejection(proposal), index),
        (PoissonFunctional(proposal), index),
        (AStarCoding(proposal), heap(float(theory.dyadic_depth_bound(kl)))),
        (GreedyPoissonTree(proposal), heap(float(theory.dyadic_depth_bound(kl, rule="greedy")))),
        (OrderedRandomCoding(proposal, n), index),
        (minimal, minimal.model),
    ]


def timed(call, *arguments, **options):
    start = time.perf_counter()
    result = call(*arguments, **options)
    return result, 1e3 * (time.perf_counter() - start)


def main():
    print(f"medians of {RUNS} runs; bits over KL ± one standard error, {RUNS} messages in a stream")
    print(f"{'KL':>3} {'coder':26} {'encode ms':>10} {'decode ms':>10} {'bits over KL':>14}")
    for kl in (2, 6, 10):
        variance = 2.0 ** (-2.0 * kl)
        for coder, model in coders(kl):
            last, times, rng = [], [], private_rng(kl)
            for i in range(RUNS):
                shared, target = (
                    SharedRandomness(kl, i),
                    GaussianTarget([math.sqrt(1.0 - variance)], variance),
                )
                symbols, encode = timed(coder.encode, target, shared=shared, rng=rng)
                _, decode = timed(coder.decode, symbols, shared=shared)
                last.append(int(symbols[-1]))
                times.append((encode, decode))
            error = Moments().add(model.bits(last)).estimate().stderr
            over = 8.0 * len(encode_integers(last, model)) / RUNS - kl
            encode, decode = np.median(times, axis=0)
            name = type(coder).__name__ + ("" if coder.exact else " *")
            print(f"{kl:3} {name:26} {encode:10.2f} {decode:10.3f} {over:8.2f} ± {error:.2f}")
    print("* approximate: the sample's law is not quite the target's")


if __name__ == "__main__":
    main()
