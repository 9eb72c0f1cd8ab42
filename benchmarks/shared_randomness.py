"""What do draws that are the same on every machine cost, against NumPy's own?"""

import time

import numpy as np

from rdp.randomness import SharedRandomness


def main():
    n, shared, rng = 2_000_000, SharedRandomness(0), np.random.default_rng(0)
    calls = {
        "NumPy normal": lambda: rng.standard_normal(n),
        "shared words": lambda: shared.words(n),
        "shared dither": lambda: shared.dither(n),
        "shared normal": lambda: shared.normal(n),
    }
    best = dict.fromkeys(calls, np.inf)
    for _ in range(5):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - start)
    for name, seconds in best.items():
        print(
            f"{name:14} {n / seconds / 1e6:8.1f} M draws/s {seconds / best['NumPy normal']:6.2f} × NumPy normal"
        )


if __name__ == "__main__":
    main()
