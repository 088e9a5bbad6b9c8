import time

import pytest
import torch

from fsrfer.training.pace import Pace, Waits


def test_waiting_is_the_time_until_a_batch_is_there():
    waits = Waits(torch.device("cpu"))
    pace = Pace(waits)
    for _ in range(4):
        with pace.step():
            with waits.fetching():
                time.sleep(0.03)  # a slow source of batches
            time.sleep(0.01)
        time.sleep(0.05)  # measuring or saving, which does not count
    figures = pace.figures()
    assert figures["waiting_for_data"] == pytest.approx(0.75, abs=0.2)
    assert 5 < figures["steps_per_second"] <= 25


def test_counting_begins_anew_with_every_row():
    waits = Waits(torch.device("cpu"))
    pace = Pace(waits)
    with pace.step(), waits.fetching():
        time.sleep(0.02)
    assert pace.figures()["waiting_for_data"] > 0.9
    with pace.step():
        time.sleep(0.02)
    assert pace.figures()["waiting_for_data"] < 0.1
