import csv
import math
import time

import torch
from torch import nn

from fsrfer.recipes.sections import LoopSettings
from fsrfer.training import loop
from fsrfer.training.compute import open_fabric
from fsrfer.training.pace import Waits

SETTINGS = LoopSettings(batch_size=2, max_steps=9, log_every=3, validate_every=9, checkpoint_every=100)


class Counting:
    """A trainee whose weight counts its steps, from a source of batches that may be slow."""

    def __init__(self, slow=0.0, work=0.0):
        self.network, self.slow, self.work = nn.Linear(1, 1, bias=False), slow, work
        self.waits = Waits(torch.device("cpu"))
        nn.init.zeros_(self.network.weight)

    @property
    def parts(self):
        return {"network": self.network}

    @torch.no_grad()
    def train_step(self, step):
        with self.waits.fetching():
            if self.slow:
                time.sleep(self.slow)
        if self.work:
            time.sleep(self.work)
        self.network.weight += step + 1
        return {"loss": self.network.weight.sum()}

    def validate(self):
        return {"measured": self.network.weight.item()}


def rows(folder):
    with (folder / "metrics-stage.csv").open() as lines:
        return {(int(row["step"]), row["name"]): float(row["value"]) for row in csv.DictReader(lines)}


def test_the_log_tells_steps_a_second_and_the_share_that_waits_for_data(fabric, tmp_path):
    loop.run(fabric, Counting(slow=0.02), SETTINGS, tmp_path, "stage")
    found = rows(tmp_path)
    for step in (3, 6, 9):
        assert 0.6 < found[step, "waiting_for_data"] <= 1
        assert 0 < found[step, "steps_per_second"] <= 50
    loop.run(fabric, Counting(work=0.02), SETTINGS, tmp_path / "quick", "stage")
    assert rows(tmp_path / "quick")[9, "waiting_for_data"] < 0.4


def test_when_time_is_up_the_running_step_is_saved_and_the_next_sitting_goes_on(tmp_path):
    machine = open_fabric(1, 1, "32-true", minutes=1e-6)
    sittings = 0
    while True:
        sittings += 1
        trainee = Counting()
        try:
            loop.run(machine, trainee, SETTINGS, tmp_path, "stage")
        except loop.Paused as paused:
            assert str(paused) == f"{tmp_path}: stage stage, step {sittings} of 9"
            continue
        break
    assert sittings == SETTINGS.max_steps
    assert trainee.network.weight.item() == 45
    found = rows(tmp_path)
    assert [found[step, "loss"] for step in (3, 6, 9)] == [6, 21, 45]
    assert found[9, "measured"] == 45


def test_a_sitting_that_is_long_enough_is_not_noticed(tmp_path):
    machine = open_fabric(1, 1, "32-true", minutes=60)
    assert not math.isinf(machine.deadline)
    loop.run(machine, Counting(), SETTINGS, tmp_path, "stage")
    assert rows(tmp_path)[9, "measured"] == 45
