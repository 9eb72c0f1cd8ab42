"""A law: one check applied to one object, with a name that a test report can show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from rdp.core import Array

if TYPE_CHECKING:
    import pytest


class LawBroken(AssertionError):
    """The object does not obey the law; the message says where and how."""


@dataclass(frozen=True)
class Seen:
    """A deviation that a statistical law would see, with probability 1 − ``level`` at least."""

    label: str
    deviation: float
    n: int
    level: float

    def __str__(self) -> str:
        return f"{self.label}: {self.deviation:.3g} or more (n={self.n}, level {self.level:.1g})"


@dataclass(frozen=True)
class Law:
    """``check`` applied to ``arguments``; call it. ``str`` of it is the name of the test: subject-check.

    ``power`` lists, for a statistical law, which deviations it would see; for an exact one it is empty.
    """

    subject: str
    check: Callable[..., None]
    arguments: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    detail: str = ""
    seen: Callable[[], Sequence[Seen]] | None = None

    @property
    def name(self) -> str:
        """The name of the check."""
        return self.check.__name__

    def power(self) -> Sequence[Seen]:
        """Which deviations this law would see."""
        return self.seen() if self.seen is not None else ()

    def __call__(self) -> None:
        """Check; ``LawBroken`` says what is wrong."""
        self.check(*self.arguments, **self.options)

    def __str__(self) -> str:
        return f"{self.subject}-{self.name}" + (f"-{self.detail}" if self.detail else "")


def laws(*collections: Sequence[Law]) -> pytest.MarkDecorator:
    """Parametrise a test by laws; the test takes one argument, ``law``, and calls it.

        @laws(codec_laws(MyCodec(), items=photographs()))
        def test_my_codec(law):
            law()

    The ids are `subject-check`, so that `pytest -k check_round_trip` selects one law for all objects.
    """
    try:
        import pytest
    except ImportError as error:
        raise ImportError("rdp.testing.laws needs pytest: pip install pytest") from error
    every = [law for collection in collections for law in collection]
    if not every:
        raise ValueError("laws must not be empty: a suite without a check cannot fail")
    return pytest.mark.parametrize("law", every, ids=str)


def broken(message: str) -> NoReturn:
    """Raise :class:`LawBroken`."""
    raise LawBroken(message)


def require(holds: bool, message: str) -> None:
    """Raise :class:`LawBroken` unless the condition holds."""
    if not holds:
        raise LawBroken(message)


def same(a: Array, b: Array) -> bool:
    """Whether two arrays are equal in shape, type and every bit."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
