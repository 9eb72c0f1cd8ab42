"""The search and the walk of a trellis code, in compiled code.

State s of the 2^ν states holds the last ν bits; bit x leads from p and from p + 2^(ν−1) to 2p + x. Each stage has
a codebook of C labels, shared by all branches: branch (p, x, d) of lane p mod 16 has label
(offset of its block of 16 lanes, x and d) + lane, modulo C. Label = sign · (M · bases) + row · bases + base: the
candidate is that row of ±H, entry by entry times that base of normals.

Path metrics are 16-bit integers with saturation, so that a vector instruction handles sixteen states or more; the
best is kept near 0 by what is taken off the codebook.
"""

from __future__ import annotations

import numpy as np
from numba import int16, int64, njit, uint32, uint64

from rdp.coders.gaussian import _words as words
from rdp.coders.gaussian._vectors import LANES, both_signs, compare_select, hadamard_columns

_FULL = 1024.0  # units of a path metric in one stage's standard deviation
_MOST = 4000.0  # of a weight: times normals of at most 3.7, two of them still fit into 16 bits
_EVERY = 4  # stages between looks at the best metric, where no weight is large
_LOWEST = -(2**15)


@njit(inline="always")
def _codebook(
    scores,
    board,
    less,
    lines,
    cells,
    energy,
    weights,
    penalties,
    start,
    end,
    size,
    bases,
    row_at,
    key,
    table,
    shift,
):
    """Scores of all labels of a stage, in units of a path metric and less ``shift``; sixteen more wrap around.

    ``weights`` and ``penalties`` (of squared entries, or none) are in units of a path metric; ``board``, shape
    (size · bases,), ``less``, at least 16 long, and ``lines``, ``cells`` and ``energy``, one for each base, are
    places to work in.
    """
    for base in range(bases):
        lines[base] = uint32(words.row_key(key, row_at + base))
        energy[base] = shift
    at = 0
    for i in range(start, end, 2):
        step = uint32(uint32((i - start) >> 1) * uint32(0x9E3779B9))
        for base in range(bases):
            cells[base] = words.mix32(uint32(lines[base] + step))
        w = weights[i]
        for base in range(bases):
            board[at + base] = int16(w * table[(cells[base] >> uint32(4)) & uint32(0xFFF)])
        at += bases
        if i + 1 < end:
            w = weights[i + 1]
            for base in range(bases):
                board[at + base] = int16(w * table[cells[base] >> uint32(20)])
            at += bases
        if len(penalties):
            q0, q1 = penalties[i], penalties[i + 1] if i + 1 < end else np.float32(0.0)
            for base in range(bases):
                g0, g1 = table[(cells[base] >> uint32(4)) & uint32(0xFFF)], table[cells[base] >> uint32(20)]
                energy[base] += q0 * g0 * g0 + q1 * g1 * g1
    board[at:] = int16(0)
    for base in range(bases):
        less[base] = int16(min(max(energy[base], np.float32(-(2**14))), np.float32(2**14)))
    hadamard_columns(board, size, bases)
    for k in range(bases, len(less)):
        less[k] = less[k - bases]
    labels = size * bases
    if labels < LANES:
        for i in range(labels):
            scores[i] = int16(board[i] - less[i])
            scores[labels + i] = int16(-board[i] - less[i])
    else:
        for i in range(0, labels, LANES):
            both_signs(board, less, scores, i, i & (len(less) - 1), labels + i)
    for i in range(LANES):
        scores[2 * labels + i] = scores[i]


@njit(nogil=True, cache=True)
def offsets(key, blocks, labels):
    """Where the labels of each block of sixteen lanes begin, for (x, d) = 00, 01, 10, 11: shape (4 · blocks,)."""
    found = np.empty(4 * blocks, np.uint32)
    for k in range(4 * blocks):
        found[k] = uint32(words.mix64(key + uint64(k)) % uint64(labels))
    return found


@njit(nogil=True, cache=True)
def search(weights, penalties, bounds, free, states_log2, size, bases, key, table, window):
    """Bits of the path whose candidate scores highest: Σ weights · z − penalties · z², shape (stages,).

    ``penalties``: of shape (d,), or (0,) for none; ``bounds``: where stages begin and end, (stages + 1,);
    ``free``: whether the bit of a stage may be 1, (stages,); ``size`` × ``bases``: rows and bases of a codebook.
    Whenever ``window`` stages are undecided, those more than half a window old are decided.
    """
    stages, count = len(bounds) - 1, 1 << states_log2
    half = count >> 1
    labels = 2 * size * bases
    offset = offsets(key ^ uint64(0x5851F42D4C957F2D), half >> 4, labels)
    metrics, new = np.full(count, int16(0)), np.empty(count, np.int16)
    held = min(stages, window)
    decisions = np.empty((held, half >> 4), np.uint32)
    scores = np.empty(labels + LANES, np.int16)
    board, less = np.empty(size * bases, np.int16), np.empty(max(bases, LANES), np.int16)
    lines, cells, energy = np.empty(bases, np.uint32), np.empty(bases, np.uint32), np.empty(bases, np.float32)
    bits = np.empty(stages, np.uint8)
    total, peak = 0.0, 1e-30
    for i in range(len(weights)):
        q = penalties[i] if len(penalties) else np.float32(0.0)
        total += weights[i] * weights[i] + 2.0 * q * q
        peak = max(peak, abs(weights[i]), q)
    scale = np.float32(min(_FULL / np.sqrt(total / stages + 1e-30), _MOST / peak))
    every = 1 if scale * peak > _FULL else _EVERY
    scaled, costs = weights * scale, penalties * scale
    shift = np.float32(0.0)
    decided = 0
    for t in range(stages):
        start, end = bounds[t], bounds[t + 1]
        if len(costs):
            shift -= costs[start:end].sum()  # what the squares come to on average
        _codebook(
            scores,
            board,
            less,
            lines,
            cells,
            energy,
            scaled,
            costs,
            start,
            end,
            size,
            bases,
            t * bases,
            key,
            table,
            shift,
        )
        shift = np.float32(0.0)
        row = decisions[t % held]
        reached = count if t + 1 >= states_log2 else 2 << t
        if t < states_log2:  # the first states have one way into them
            for p in range(1 << t):
                block, lane = 4 * (p >> 4), p & 15
                row[p >> 4] = uint32(0)
                for x in range(2):
                    label = (offset[block + 2 * x] + lane) % labels
                    new[2 * p + x] = int16(max(int64(metrics[p]) + int64(scores[label]), int64(_LOWEST)))
        else:
            for block in range(half >> 4):
                o = 4 * block
                compare_select(
                    metrics,
                    new,
                    row,
                    scores,
                    16 * block,
                    half,
                    offset[o],
                    offset[o + 1],
                    offset[o + 2],
                    offset[o + 3],
                )
        if not free[t]:
            for s in range(1, reached, 2):
                new[s] = int16(_LOWEST)
        metrics, new = new, metrics
        if t % every == 0:
            best = int16(_LOWEST)
            for s in range(reached):
                best = max(best, metrics[s])
            shift = np.float32(best)
        if t + 1 == stages or (t + 1 - decided) == held:
            keep = 0 if t + 1 == stages else held // 2
            _trace(bits, decisions, metrics, reached, states_log2, decided, t, keep)
            decided = t + 1 - keep
    return bits


@njit(inline="always")
def _trace(bits, decisions, metrics, reached, states_log2, decided, last, keep):
    """Walk back from the best state and write the bits of stages ``decided`` … ``last − keep``."""
    half = (1 << states_log2) >> 1
    state, best = int64(0), metrics[0]
    for s in range(reached):
        if metrics[s] > best:
            state, best = s, metrics[s]
    for t in range(last, decided - 1, -1):
        x, p = state & 1, state >> 1
        if t <= last - keep:
            bits[t] = x
        choice = int64(0)
        if t >= states_log2:
            choice = int64(decisions[t % len(decisions), p >> 4] >> uint32(16 * x + (p & 15))) & 1
        state = p + half * choice


@njit(nogil=True, cache=True)
def walk(bits, bounds, first, last, states_log2, size, bases, key, pieces):
    """Stages ``first`` … ``last − 1`` of the candidate of a path, in units of 2⁻⁴⁰."""
    half = (1 << states_log2) >> 1
    labels = 2 * size * bases
    field = key ^ uint64(0x5851F42D4C957F2D)
    z = np.empty(bounds[last] - bounds[first], np.int64)
    state = int64(0)
    for t in range(max(0, first - states_log2), first):
        state = 2 * state + int64(bits[t])
    for t in range(first, last):
        x, p = int64(bits[t]), state % half
        choice = state // half if t >= states_log2 else 0
        k = 4 * (p >> 4) + 2 * x + choice
        label = (int64(words.mix64(field + uint64(k)) % uint64(labels)) + (p & 15)) % labels
        negative = label >= size * bases
        if negative:
            label -= size * bases
        row, base = label // bases, label % bases
        line = words.row_key(key, t * bases + base)
        start = bounds[t] - bounds[first]
        for i in range(bounds[t + 1] - bounds[t]):
            g = words.normal(words.word(words.cell(line, i), words.rest(line, i)), pieces)
            z[start + i] = -g if (words.parity(i & row) == 1) != negative else g
        state = ((2 * p) | x) if t >= states_log2 else ((2 * state) | x)
    return z


@njit(nogil=True, cache=True)
def modulated_bounds(n, d, key, pieces, amplitude, cutoff):
    """Bounds of about ``n`` stages of ``d`` coordinates, whose rate is (amplitude + m)², m an AR(1) row.

    ``amplitude`` in units of 2⁻²⁰; ``cutoff`` = 1 − ρ in units of 2⁻¹⁶: m ← m + cutoff (w − m) for normals w of
    this key, begun with the stationary variance (1 − ρ)/(1 + ρ). There are as many stages as the rates, in units
    of amplitude², come to; each has the same share of them.
    """
    ratio = (cutoff << 16) // ((1 << 17) - cutoff)
    root = int64(0)
    for bit in range(16, -1, -1):  # of the ratio, by bits
        if (root + (1 << bit)) * (root + (1 << bit)) <= ratio << 16:
            root += 1 << bit
    m = ((words.normal(words.mix64(key), pieces) >> 20) * root) >> 16
    reached = np.zeros(n + 1, np.int64)  # in units of 2⁻²⁰
    for i in range(n):
        w = words.normal(words.mix64(key + uint64(i + 1)), pieces) >> 20
        m += ((w - m) * cutoff) >> 16
        size = max(amplitude + m, amplitude >> 2) >> 10
        reached[i + 1] = reached[i] + size * size
    unit = (amplitude >> 10) * (amplitude >> 10)
    count = min(max(int64(1), (reached[n] + unit // 2) // unit), d)
    bounds = np.empty(count + 1, np.int64)
    at = 0
    for i in range(count):
        wanted = i * reached[n] // count
        while reached[at + 1] <= wanted:
            at += 1
        within = ((wanted - reached[at]) << 20) // (reached[at + 1] - reached[at])
        bounds[i] = (at * d + (within * d >> 20)) // n
    bounds[count] = d
    return bounds
