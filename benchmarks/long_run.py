"""What would 50,000 and 10⁶ photographs cost?

Measured here: processor seconds per photograph of some codecs with their distortions, in one process and on one
thread, on the photographs that are installed; a worker's peak memory; the bytes of one line of a journal; the
bytes that go to a worker and come back for one photograph, and once for a codec and its source; and how long an
item takes that is no work, which bounds how many workers can be kept busy: with processes and, given `--dask
ADDRESS`, through that scheduler. The rest is multiplication: hours for 50,000 and 10⁶ photographs of the same size
on 2, 64 and 1024 such workers, if the work divides.
"""

import argparse
import json
import os
import pickle
import resource
import sys
import time
from functools import partial

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from rdp.codecs.registry import parse_codec  # noqa: E402
from rdp.core import Codec  # noqa: E402
from rdp.evaluate import evaluate  # noqa: E402
from rdp.realism import METRICS  # noqa: E402
from rdp.sources import Photographs  # noqa: E402
from rdp.workers import Processes, completed, dask_executor, pinned  # noqa: E402

CODECS = ("jpeg:quality=30", "webp:quality=30", "jpegxl:distance=3.0")
DISTORTIONS = ("psnr_db", "ms_ssim")
COUNTS, WORKERS = (50_000, 10**6), (2, 64, 1024)
TRIVIAL = 3000


def measured(index, *, codec, source, names):
    """One photograph as `rdp eval` does it: its record, the seconds it took, and the memory used until now."""
    start = time.process_time()  # of one thread: others may be at work on these cores
    # Twice the same photograph: one item has no error bar, and evaluate asks for two.
    found = evaluate(
        codec, One(source, index), items=2, seed=0, distortions=[METRICS[name] for name in names]
    )
    seconds = (time.process_time() - start) / 2
    return found.records[0], seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class One:
    """A source of one photograph, again and again."""

    def __init__(self, source, index):
        self.source, self.index, self.spec = source, index, source.spec

    def item(self, index, *, seed):
        """The one."""
        return self.source.item(self.index, seed=seed)

    def item_name(self, index):
        """Its name."""
        return self.source.item_name(self.index)


def empty_item(executor):
    """What one item costs when the work itself is nothing: this process's seconds, and those that pass."""
    list(completed(executor, abs, range(10)))
    wall, own = time.perf_counter(), time.process_time()
    for _ in completed(executor, abs, range(TRIVIAL)):
        pass
    return (time.process_time() - own) / TRIVIAL, (time.perf_counter() - wall) / TRIVIAL


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--codec", nargs="+", default=CODECS, metavar="SPEC")
    parser.add_argument("--data", metavar="DIR")
    parser.add_argument("--dask", metavar="ADDRESS")
    arguments = parser.parse_args()
    source = Photographs(arguments.data)
    pixels = sum(source.item(i).shape[0] * source.item(i).shape[1] for i in range(len(source))) / len(source)
    print(f"{len(source)} photographs of {pixels / 1e6:.2f} Mpixel on average; {', '.join(DISTORTIONS)}\n")

    print("codec                     s/item  peak MiB  line B  to worker B  back B  once B")
    seconds = {}
    for spec in arguments.codec:
        codec: Codec = parse_codec(spec)
        function = partial(measured, codec=codec, source=source, names=DISTORTIONS)
        with Processes(1) as executor:
            list(completed(executor, function, [0]))  # imports and compiles
            results = [result for _, result in completed(executor, function, range(len(source)))]
        records, times, peaks = zip(*results, strict=True)
        seconds[spec] = sum(times) / len(times)
        line = max(len(json.dumps(r, separators=(",", ":"))) + 1 for r in records)
        back = max(len(pickle.dumps(r)) for r in records)
        to, once = len(pickle.dumps(((0,), {}))), len(pickle.dumps(function))
        print(f"{spec:24} {seconds[spec]:7.3f} {max(peaks):9.0f} {line:7} {to:12} {back:7} {once:7}")

    print("\nan item of no work: the parent's processor time, and the time that passes")
    with Processes(1) as executor:
        cost = {"processes": empty_item(executor)}
    if arguments.dask:
        with dask_executor(arguments.dask) as executor:
            cost["dask"] = empty_item(executor)
    for name, (own, wall) in cost.items():
        print(
            f"{name:12} {own * 1e6:6.0f} µs, {wall * 1e6:6.0f} µs: {own * COUNTS[1] / 60:.1f} "
            f"and {wall * COUNTS[1] / 60:.1f} minutes for 10⁶"
        )
    start = time.perf_counter()
    for _ in range(100):
        with pinned():
            pass
    print(f"{'pinned()':12} {(time.perf_counter() - start) * 1e4:6.0f} µs, in a worker")

    print("\nhours                   " + "".join(f"{c:>9} on {w:<5}" for c in COUNTS for w in WORKERS))
    least = max(wall for _, wall in cost.values())  # of an item, however many are at work
    for spec, each in seconds.items():
        row = "".join(f"{c * max(each / w, least) / 3600:14.2f}   " for c in COUNTS for w in WORKERS)
        print(f"{spec:24}{row}")
    moved = to + back
    print(
        f"\nlast codec: journal {COUNTS[0] * line / 1e6:.0f} MB and {COUNTS[1] * line / 1e6:.0f} MB; ", end=""
    )
    print(f"moved {COUNTS[0] * moved / 1e6:.0f} MB and {COUNTS[1] * moved / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
