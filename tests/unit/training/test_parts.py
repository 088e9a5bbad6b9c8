import math

import pytest
import torch
from torch import nn

from fsrfer.errors import TrainingError
from fsrfer.training import augment, checkpoint
from fsrfer.training.randomness import batch_indices, generator
from fsrfer.training.schedule import warmup_cosine
from support.training_parts import STRONG, UNCHANGED


def faces(count=6, size=16):
    return torch.randint(0, 256, (count, 1, size, size), generator=torch.Generator().manual_seed(1)).float()


def test_every_pass_visits_each_face_once():
    batches = torch.cat([batch_indices(3, step, 10, 4) for step in range(5)])
    assert sorted(batches[:10].tolist()) == list(range(10))
    assert sorted(batches[10:20].tolist()) == list(range(10))
    assert not torch.equal(batches[:10], batches[10:20])


def test_a_batch_may_span_several_passes_and_depends_on_its_step_alone():
    assert batch_indices(0, 0, 3, 8).shape == (8,)
    assert torch.equal(batch_indices(0, 7, 100, 16), batch_indices(0, 7, 100, 16))
    assert not torch.equal(batch_indices(0, 7, 100, 16), batch_indices(1, 7, 100, 16))


def test_without_changes_a_face_stays_itself():
    draws = augment.draw(6, UNCHANGED, generator(0, "augment", 0))
    torch.testing.assert_close(augment.apply(faces(), draws), faces(), atol=1e-2, rtol=0)


def test_a_mirrored_face_is_its_mirror_image():
    draws = augment.draw(64, UNCHANGED.model_copy(update={"flip": True}), generator(0, "augment", 0))
    batch = faces(64)
    expected = torch.where(draws.mirror[:, None, None, None] < 0, batch.flip(-1), batch)
    torch.testing.assert_close(augment.apply(batch, draws), expected, atol=1e-2, rtol=0)
    assert 15 < (draws.mirror < 0).sum() < 49


def test_strong_changes_stay_in_range_and_a_part_of_a_batch_is_changed_alike():
    draws, batch = augment.draw(6, STRONG, generator(2, "augment", 5)), faces()
    changed = augment.apply(batch, draws)
    assert changed.min() >= 0
    assert changed.max() <= 255
    torch.testing.assert_close(changed[2:4], augment.apply(batch[2:4], draws[2:4]))


def test_warmup_rises_then_the_cosine_falls_to_zero():
    rates = [warmup_cosine(step, 10, 110) for step in range(110)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[60] == pytest.approx(0.5)
    assert rates[-1] < 0.001


def test_a_checkpoint_gives_back_what_it_was_given(tmp_path):
    checkpoint.save(tmp_path, 7, {"note": [1, 2.5, None, "x", True], "network": {"weight": torch.arange(3.0)}})
    step, loaded = checkpoint.load(checkpoint.newest(tmp_path))
    assert step == 7
    assert loaded["note"] == [1, 2.5, None, "x", True]
    assert torch.equal(loaded["network"]["weight"], torch.arange(3.0))


def test_an_optimisers_moments_come_back_in_the_layout_of_its_parameters(tmp_path):
    kernel = nn.Parameter(torch.rand(2, 3, 3, 3).contiguous(memory_format=torch.channels_last))
    optimizer = torch.optim.AdamW([kernel])
    kernel.sum().backward()
    optimizer.step()
    checkpoint.save(tmp_path, 1, checkpoint.state_of({"optimizer": optimizer}))
    checkpoint.restore({"optimizer": optimizer}, checkpoint.load(checkpoint.newest(tmp_path))[1])
    assert optimizer.state[kernel]["exp_avg"].is_contiguous(memory_format=torch.channels_last)


def test_only_the_newest_checkpoints_are_kept_and_foreign_files_refused(tmp_path):
    for step in (1, 2, 10):
        checkpoint.save(tmp_path, step, {"w": torch.zeros(1)})
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "step-00000002.safetensors",
        "step-00000010.safetensors",
    ]
    (tmp_path / "step-00000099.safetensors").write_bytes(b"half a file")
    with pytest.raises(TrainingError, match="not a checkpoint"):
        checkpoint.load(checkpoint.newest(tmp_path))


def test_gamma_one_half_brightens_as_worked_out():
    draws = augment.draw(1, UNCHANGED, generator(0, "augment", 0))
    draws.gamma.fill_(0.5)
    grey = torch.full((1, 1, 4, 4), 64.0)
    torch.testing.assert_close(augment.apply(grey, draws), torch.full_like(grey, 255 * math.sqrt(64 / 255)))
