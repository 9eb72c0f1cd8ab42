"""Do the codecs code as well as they are known to?

    python benchmarks/kodak_table.py --data FOLDER

Each codec codes all photographs of a folder (meant: the 24 of Kodak's, for which the settings are chosen) at one
setting after the other, on one thread. A setting's rate is the mean over the photographs of bits per pixel as
shipped; PSNR and MS-SSIM are means over the photographs. Between the two settings next to a target rate both are
interpolated linearly in the logarithm of the rate. The first table counts the payload alone, so that it compares
with what others publish; the second counts our frame too. `--jobs` processes share the work; times are wall times
of one of them. `--json FILE` writes every setting.
"""

import argparse
import itertools
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402

from rdp import SharedRandomness, bitstream, private_rng  # noqa: E402
from rdp.codecs import parse_codec  # noqa: E402
from rdp.realism import ms_ssim, psnr_db  # noqa: E402
from rdp.sources import Photographs  # noqa: E402

RATES = (0.07, 0.11, 0.25)
SETTINGS = {
    "hevc:qp=": (44, 43, 41, 40, 36, 35),
    "av1:crf=": (57, 56, 53, 52, 44, 43),
    "heic:quality=": (8, 9, 13, 16, 25, 26),
    "avif:quality=": (2, 3, 12, 14, 29, 32),
    "jpeg2000:ratio=": (350, 330, 222, 210, 98, 93),
    "avc:qp=": (46, 45, 43, 42, 37, 36),
    "webp:quality=": (0, 1, 6, 7, 8),
    "jpeg:quality=": (1, 3, 4, 9, 10),
    "jpegxl:distance=": (25, 12, 11, 10),
}
LOSSLESS = ("png", "webp_lossless", "jpegls", "jpeg2000:ratio=1", "jpegxl:distance=0")


def coded(spec, data):
    """Means over the photographs at one setting, and every photograph's stream."""
    codec, source = parse_codec(spec), Photographs(data)
    rows, streams = [], []
    for index in range(len(source)):
        item = source.item(index)
        start = time.perf_counter()
        stream = codec.encode(item, shared=SharedRandomness(0), rng=private_rng(1))
        encoded = time.perf_counter()
        recon = codec.decode(stream, rng=private_rng(2))
        decoded = time.perf_counter()
        payload = sum(len(segment) for segment in bitstream.unpack(stream)[1])
        bits = np.array([8 * payload, 8 * len(stream)]) / (item.shape[0] * item.shape[1])
        rows.append((*bits, psnr_db(item, recon), encoded - start, decoded - encoded))
        streams.append(stream)
    names = ("bpp", "bpp_framed", "psnr_db", "encode_s", "decode_s")
    return {"codec": spec, **dict(zip(names, map(float, np.mean(rows, axis=0)), strict=True))}, streams


def similarity(spec, data, streams):
    """The mean MS-SSIM of what was coded."""
    codec, source = parse_codec(spec), Photographs(data)
    recons = (codec.decode(stream, rng=private_rng(2)) for stream in streams)
    return float(np.mean([ms_ssim(source.item(i), recon) for i, recon in enumerate(recons)]))


def around(rows, rate, key):
    """The settings below and above a mean rate, and the weight of the second; None beyond all settings."""
    rows = sorted(rows, key=lambda row: row[key])
    for low, high in itertools.pairwise(rows):
        if low[key] <= rate <= high[key]:
            return low, high, np.log(rate / low[key]) / np.log(high[key] / low[key])
    return None


def cell(rows, rate, key):
    found, least = around(rows, rate, key), min(row[key] for row in rows)
    if found is None:
        return f"(from {least:.3f})" if rate < least else "–"
    low, high, weight = found
    text = f"{(1 - weight) * low['psnr_db'] + weight * high['psnr_db']:.2f}"
    if "ms_ssim" in low and "ms_ssim" in high:
        text += f"/{(1 - weight) * low['ms_ssim'] + weight * high['ms_ssim']:.3f}"
    return f"{text} {(low if weight < 0.5 else high)['codec'].partition('=')[2]}"


def times(rows):
    return "/".join(f"{1e3 * np.mean([row[name] for row in rows]):.0f}" for name in ("encode_s", "decode_s"))


def table(found, key):
    lines = ["| codec | " + " | ".join(f"at {r:g} bpp" for r in RATES) + " | enc/dec ms |", "|---" * 5 + "|"]
    for prefix, rows in found.items():
        cells = " | ".join(cell(rows, rate, key) for rate in RATES)
        lines.append(f"| {prefix.rstrip('=')} | {cells} | {times(rows)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help="folder of photographs")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--psnr-only", action="store_true", help="leave out MS-SSIM, which takes longest")
    parser.add_argument("--json", help="write every setting to this file")
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.jobs) as pool:
        lossy = [prefix + str(value) for prefix, values in SETTINGS.items() for value in values]
        rows, streams = {}, {}
        for spec, future in [(s, pool.submit(coded, s, arguments.data)) for s in (*lossy, *LOSSLESS)]:
            rows[spec], streams[spec] = future.result()
            print("{codec:24} {bpp:.4f} bpp {psnr_db:.3f} dB".format(**rows[spec]), flush=True)
        found = {prefix: [rows[prefix + str(v)] for v in values] for prefix, values in SETTINGS.items()}
        if not arguments.psnr_only:
            # Only for the settings that the tables come from: it takes longer than all codecs.
            pairs = [around(found[p], r, key) for p in found for r in RATES for key in ("bpp", "bpp_framed")]
            wanted = {row["codec"] for pair in pairs if pair is not None for row in pair[:2]}
            jobs = [(s, pool.submit(similarity, s, arguments.data, streams[s])) for s in sorted(wanted)]
            for spec, future in jobs:
                rows[spec]["ms_ssim"] = future.result()
    print("\nThe payload alone:\n", table(found, "bpp"), sep="\n")
    print("\nWith our frame:\n", table(found, "bpp_framed"), sep="\n")
    print("\nLossless, with our frame:\n\n| codec | bpp | enc/dec ms |\n|---|---|---|")
    for spec in LOSSLESS:
        if np.isfinite(rows[spec]["psnr_db"]):
            raise SystemExit(f"{spec} is not lossless")
        print(f"| {spec} | {rows[spec]['bpp_framed']:.3f} | {times([rows[spec]])} |")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(list(rows.values()), file, indent=1)


if __name__ == "__main__":
    main()
