"""X: sources of numbered items."""

from rdp.sources.circle import CircleBlock
from rdp.sources.gaussian import GaussianBlock, GaussianVectorBlock
from rdp.sources.photographs import Photographs

__all__ = ["CircleBlock", "GaussianBlock", "GaussianVectorBlock", "Photographs"]
