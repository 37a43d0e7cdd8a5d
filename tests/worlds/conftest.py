"""Measured proofs for the tests: the real file when it is there, else one made in the same format."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from proofyard.worlds import hardware, proving_ms, sample, sizes, uniform, word
from proofyard.worlds.archive import Row
from proofyard.worlds.models import models
from proofyard.worlds.tables import Ints

BLOCKS = 250
FIRST_BLOCK = 23_533_500


def measured_file() -> Path | None:
    """Where the measured proofs are on this machine, if anywhere."""
    folder = os.environ.get("PROOFYARD_DATA") or str(Path(__file__).parents[2] / ".." / "shared" / "data")
    path = Path(folder) / "mainnet_proving.csv"
    return path if path.is_file() else None


def pick(table: Ints, seed: int, stream: int, count: int) -> Ints:
    """Entries of a table by dice, as the engine samples."""
    return sample(table, word(seed, stream, np.arange(count)))


def make_csv(path: Path, seed: int = 11) -> Path:
    """250 blocks tried by every fitted 8x5090 set-up, from the shipped constants."""
    world = sizes("ethereum_block")
    gas, difficulty = (pick(world.size, seed, 1, BLOCKS), pick(world.difficulty, seed, 2, BLOCKS))
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(Row._fields)
        for k, known in enumerate(one for one in models()["setup"] if one["cards"] == 8):
            model = hardware(known["name"])
            time_ms = proving_ms(model, gas, difficulty, pick(model.noise, seed, 10 + k, BLOCKS))
            crash = uniform(word(seed, 30 + k, np.arange(BLOCKS))) * 1e6 < model.crash_ppm
            for i in range(BLOCKS):
                status, time = ("crash", "") if crash[i] else ("ok", str(time_ms[i]))
                writer.writerow([FIRST_BLOCK + i, gas[i], *known["name"].split("/"), status, time, "", ""])
    return path


@pytest.fixture(scope="session")
def made_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_csv(tmp_path_factory.mktemp("made") / "proving.csv")


@pytest.fixture(scope="session")
def proving_csv(made_csv: Path) -> Path:
    """Give the measured proofs, or the made ones."""
    return measured_file() or made_csv


@pytest.fixture(scope="session")
def measured(proving_csv: Path, made_csv: Path) -> bool:
    """Whether `proving_csv` holds real measurements."""
    return proving_csv != made_csv
