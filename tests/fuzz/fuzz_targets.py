"""All fuzz targets by name."""

from __future__ import annotations

import coded_targets
import file_targets
from fuzzing import Target

TARGETS: dict[str, Target] = {**coded_targets.TARGETS, **file_targets.TARGETS}
