r"""Exact denoisers, for laws that are known.

====================  ================================  ==========================================
law of X              posterior                         flow to the data
====================  ================================  ==========================================
:class:`Gaussian`     Gaussian                          linear: coefficients are rescaled
:class:`Mixture`      mixture                           numerical, but in one dimension
:class:`Scalar`       by quadrature                     quantile map F⁻¹ ∘ F_n
:class:`Uniform`      normal, cut off                   quantile map
:class:`Circle`       von Mises                         radial
:class:`Points`       discrete                          numerical, but in one dimension
====================  ================================  ==========================================

In one dimension the flow keeps the order, so that it is the quantile map of F_n, the law of X + √n U, to that of X
(sheet: flow-1d-quantile-map). Where the table says numerical, ``samplers`` integrate it.
"""

from rdp.diffusion.exact.circle import Circle
from rdp.diffusion.exact.gaussian import Fourier, Gaussian, Orthogonal, gaussian, stationary
from rdp.diffusion.exact.mixture import Mixture
from rdp.diffusion.exact.points import Points
from rdp.diffusion.exact.scalar import Scalar, Uniform, logistic, student

__all__ = [
    "Circle",
    "Fourier",
    "Gaussian",
    "Mixture",
    "Orthogonal",
    "Points",
    "Scalar",
    "Uniform",
    "gaussian",
    "logistic",
    "stationary",
    "student",
]
