"""Fail where an environment without a GPU got a CUDA build of torch: several GB that nothing would use."""

import sys
from importlib.metadata import distributions

import torch


def main() -> int:
    """0 if torch fits the machine, else 1."""
    nvidia = sorted({d.name for d in distributions() if (d.name or "").startswith("nvidia-")})
    if not torch.cuda.is_available() and nvidia:
        print(
            f"no GPU here, but torch {torch.__version__} brought {', '.join(nvidia)}; see TORCH_INDEX in README"
        )
        return 1
    print(f"torch {torch.__version__}, GPU: {torch.cuda.is_available()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
