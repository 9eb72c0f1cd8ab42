"""What goes to a worker and comes back: a function once, then arguments and answers, all of it as bytes."""

from __future__ import annotations

import hashlib
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class WorkerLost(RuntimeError):
    """The worker that had this argument died, and so did those that tried again."""


class WorkersUnusable(RuntimeError):
    """No argument can be done by these workers; the cause, if there is one, tells why."""


class SchedulerLost(WorkersUnusable):
    """There is no Dask scheduler, or none any more; what was done until then is done."""


@dataclass(frozen=True)
class Carried:
    """A function as bytes, and their digest, by which a worker knows whether it has them."""

    payload: bytes = field(repr=False)
    key: str

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Carried:
        """The function pickled; ``TypeError`` if it cannot be."""
        payload = pickled(function)
        return cls(payload, hashlib.blake2b(payload, digest_size=16).hexdigest())


def pickled(thing: Any) -> bytes:
    """As bytes; ``TypeError`` if that cannot be."""
    try:
        return pickle.dumps(thing, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # pickle's own errors, and whatever a __reduce__ raises
        raise TypeError(f"{short(thing)} cannot go to a worker, as it cannot be pickled: {error}") from error


@dataclass(frozen=True)
class Refusal:
    """In place of a function that could not be unpickled: why."""

    error: BaseException


def loaded(payload: bytes) -> Callable[..., Any] | Refusal:
    """In a worker: the function."""
    try:
        function: Callable[..., Any] = pickle.loads(payload)
    except Exception as error:
        return Refusal(_portable(error))
    return function


def answer(function: Callable[..., Any] | Refusal, call: bytes) -> bytes:
    """In a worker: the pickled result, or what was raised instead."""
    try:
        if isinstance(function, Refusal):
            return pickle.dumps(("refused", function.error))
        arguments, named = pickle.loads(call)
        kind, value = "done", function(*arguments, **named)
    except BaseException as error:  # SystemExit of one item must not end the worker either
        kind, value = "raised", _portable(error)
    try:
        return pickle.dumps((kind, value), protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        unfit = RuntimeError(f"the result {short(value)} cannot come back, as it cannot be pickled: {error}")
        return pickle.dumps(("raised", unfit))


def opened(answer: bytes) -> Any:
    """On this side: the result, or raise what was raised there."""
    kind, value = pickle.loads(answer)
    if kind == "refused":
        raise WorkersUnusable(f"a worker cannot load the function: {value}") from value
    if kind == "raised":
        raise value
    return value


def _portable(error: BaseException) -> BaseException:
    """The error, with its traceback as a note; its repr, if it would not survive the way or is a SystemExit."""
    error.add_note("In a worker:\n" + "".join(traceback.format_exception(error)).rstrip())
    try:
        back = pickle.loads(pickle.dumps(error))
    except Exception:
        back = None
    fit = isinstance(error, Exception) and type(back) is type(error)
    return error if fit else RuntimeError(repr(error))


def short(thing: Any) -> str:
    """For a message."""
    text = repr(thing)
    return text if len(text) <= 80 else text[:77] + "..."
