"""A copy as a codec, and programs written for a test."""

import dataclasses
import sys
from pathlib import Path

import pytest

from rdp import SharedRandomness, private_rng
from rdp.codecs.command import Command
from rdp.testing import photographs

COPY = Command(encoder="cp {in} {out}", decoder="cp {in} {out}", suffix=".png")
ITEM = photographs()["colour noise of odd size"]


def encode(codec, item=ITEM):
    return codec.encode(item, shared=SharedRandomness(0), rng=private_rng(1))


def decode(codec, data):
    return codec.decode(data, rng=private_rng(2))


def script(folder, text, name="program"):
    """A program in Python that starts fast: its arguments are the paths in and out."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!{sys.executable} -IS\nimport os, sys, time\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def quoted(path):
    """For shlex: in single quotes, those inside written outside them."""
    return "'" + str(path).replace("'", "'\"'\"'") + "'"


def encoder(path, rest="{in} {out}", **fields):
    return dataclasses.replace(COPY, encoder=f"{quoted(path)} {rest}", **fields)


def decoder(path, rest="{in} {out}", **fields):
    return dataclasses.replace(COPY, decoder=f"{quoted(path)} {rest}", **fields)


def decoding(path, item=ITEM, **fields):
    """Decode with this program what the copy wrote for ``item``."""
    codec = decoder(path, **fields)
    return decode(codec, encode(dataclasses.replace(codec, encoder="cp {in} {out}"), item))


linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks /proc")
