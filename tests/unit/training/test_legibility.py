import numpy as np
import torch

from fsrfer.training.legibility import LegibilityPlan, LegibilityTrainer, log_odds
from fsrfer.training.legibility_samples import DRAWN, SIDE, Samples, made_samples, pieces_of
from fsrfer.types import UInt8Image


def drawn_face(rng: np.random.Generator) -> UInt8Image:
    """Eyes and a mouth, on skin of some tone."""
    face = np.full((SIDE, SIDE), rng.integers(120, 220), np.uint8)
    face[17:21, 11:19] = face[17:21, 29:37] = face[34:38, 16:32] = 20
    return face


def samples(count: int, seed: int) -> Samples:
    rng = np.random.default_rng(seed)
    faces = [drawn_face(rng) for _ in range(count)]
    pieces = [rng.integers(0, 256, (DRAWN, DRAWN), np.uint8) for _ in range(10)]
    return made_samples(faces, [1.0] * (count - 1) + [0.2], pieces, seed)


def test_faces_keep_their_votes_and_what_is_made_shows_nothing() -> None:
    made = samples(60, 1)
    assert (made.pixels.shape, made.pixels.dtype) == ((len(made), SIDE, SIDE), np.uint8)
    kinds = set(made.kinds.tolist())
    assert {"face", "disturbed", "piece of a picture", "made thing", "mouth covered", "cut off"} <= kinds
    told = {kind: set(made.told[made.kinds == kind].round(2).tolist()) for kind in kinds}
    assert told.pop("face") == {1.0, np.float32(0.2).round(2).item()}
    assert told.pop("disturbed") == {1.0}
    assert all(values == {0.0} for values in told.values())


def test_samples_are_a_function_of_the_seed() -> None:
    first, again, other = samples(10, 1), samples(10, 1), samples(10, 2)
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert first.pixels.shape != other.pixels.shape or (first.pixels != other.pixels).any()


def test_pieces_meet_no_face() -> None:
    grey = np.zeros((200, 300), np.uint8)
    grey[50:150, 100:200] = 255
    boxes = np.array([[100, 50, 200, 150]], np.float32)
    pieces = pieces_of(grey, boxes, 30, np.random.default_rng(0))
    assert 0 < len(pieces) <= 30
    assert max(piece.mean() for piece in pieces) < 0.12 * 255


def test_it_learns_and_a_resumed_run_learns_the_same() -> None:
    data, plan = samples(200, 1), LegibilityPlan(seed=1, max_steps=12)
    whole = LegibilityTrainer(plan, data, data)
    losses = [whole.train_step(step)["loss"] for step in range(12)]
    assert losses[-1] < losses[0]
    assert set(whole.validate()) == {"valid_loss", "valid_right"}
    stopped = LegibilityTrainer(plan, data, data)
    for step in range(6):
        stopped.train_step(step)
    resumed = LegibilityTrainer(plan, data, data)
    for name, part in stopped.parts.items():
        resumed.parts[name].load_state_dict(part.state_dict())
    for step in range(6, 12):
        resumed.train_step(step)
    torch.testing.assert_close(log_odds(resumed.network, data.pixels), log_odds(whole.network, data.pixels))
