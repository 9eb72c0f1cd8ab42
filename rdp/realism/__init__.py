"""What samples tell: distortions of an item, and how far the law of reconstructions is from the source's."""

from rdp.realism.critics import CodeLength, UniversalCritic
from rdp.realism.distortions import (
    METRICS,
    ms_ssim,
    mse,
    psnr_db,
    squared_error,
    squared_error_per_symbol,
)
from rdp.realism.frechet import (
    FrechetExtrapolation,
    GaussianMoments,
    frechet_distance_squared,
    frechet_extrapolated,
)
from rdp.realism.kernels import (
    CubicKernel,
    GaussianKernel,
    energy_distance,
    maximum_mean_discrepancy_squared,
)
from rdp.realism.moments import GaussianW2Squared
from rdp.realism.neighbours import density_coverage, nearest_neighbour_kl, precision_recall
from rdp.realism.resampling import (
    Grouped,
    grouped_bootstrap,
    grouped_jackknife,
    independent_halves,
    permutation_test,
)
from rdp.realism.transport import (
    max_sliced_wasserstein2_squared,
    sliced_wasserstein2_squared,
    wasserstein1,
    wasserstein2_squared,
)

__all__ = [
    "METRICS",
    "CodeLength",
    "CubicKernel",
    "FrechetExtrapolation",
    "GaussianKernel",
    "GaussianMoments",
    "GaussianW2Squared",
    "Grouped",
    "UniversalCritic",
    "density_coverage",
    "energy_distance",
    "frechet_distance_squared",
    "frechet_extrapolated",
    "grouped_bootstrap",
    "grouped_jackknife",
    "independent_halves",
    "max_sliced_wasserstein2_squared",
    "maximum_mean_discrepancy_squared",
    "ms_ssim",
    "mse",
    "nearest_neighbour_kl",
    "permutation_test",
    "precision_recall",
    "psnr_db",
    "sliced_wasserstein2_squared",
    "squared_error",
    "squared_error_per_symbol",
    "wasserstein1",
    "wasserstein2_squared",
]
