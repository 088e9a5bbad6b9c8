import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fsrfer.degradation.resize import BatchDegrader
from fsrfer.recipes.sections import ViewSettings
from fsrfer.training.views import ViewPlan, ViewSampler
from support.training_parts import NO_CAMERA, POOR_CAMERA, STRONG, UNCHANGED, process, tiny_faces

FACES = tiny_faces()
FOUND = {
    tuple(face.flatten().tolist()): (int(label), int(height))
    for face, label, height in zip(FACES.pixels, FACES.labels, FACES.heights, strict=True)
}
FIELDS = ("faces", "log2_px", "votes", "labels")


def sampler(fabric, share=0.0, camera=NO_CAMERA, augmentation=UNCHANGED, seed=1):
    views = ViewSettings(sharp_share=share, max_factor=8.5)
    return ViewSampler(fabric, ViewPlan(seed, 14, views, camera, augmentation), FACES)


def known(face):
    return FOUND.get(tuple(face.flatten().int().tolist()))


def twice(one, step=0):
    """Two views of each face of a step: the first, and one that is shrunk."""
    indices, sharp = one.sharp_faces(step)
    seen = [one.first_view(sharp, indices, step), one.shrunk_view(sharp, indices, "another", step)]
    return one.collect(seen, indices)


def test_sharp_views_are_the_faces_as_they_are_with_their_labels(fabric):
    views = sampler(fabric, share=1.0).batch(3)
    assert views.faces.shape == (14, 1, 16, 16)
    labels, heights = zip(*(known(face) for face in views.faces), strict=True)
    assert views.labels.tolist() == views.votes.argmax(1).tolist() == list(labels)
    # No view has more pixels than the network sees.
    torch.testing.assert_close(views.log2_px.exp2(), torch.tensor(heights).clamp(max=16).float())


def test_shrunk_views_have_the_heights_that_are_left(fabric):
    one, left = sampler(fabric, share=1.0), set()
    for step in (0, 1):
        views = twice(one, step)
        whole = torch.tensor([known(face)[1] for face in views.faces[:14]])
        small = views.log2_px[14:].exp2().round()
        torch.testing.assert_close(views.log2_px[14:].exp2(), small)
        assert (small >= (whole / 8.5).round()).all()
        assert (small <= whole.clamp(max=16)).all()
        shrunk = BatchDegrader(16)(views.faces[:14], small.long())
        assert (shrunk - views.faces[14:]).abs().max() <= 1
        assert torch.equal(views.labels[:14], views.labels[14:])
        assert torch.equal(views.votes[:14], views.votes[14:])
        left |= set(small.tolist())
    assert len(left) > 5


def test_a_share_of_the_views_is_sharp(fabric):
    one, sharp = sampler(fabric, share=0.25), []
    for step in range(30):
        views = one.batch(step)
        kept = torch.tensor([known(face) is not None for face in views.faces])
        assert (views.log2_px.exp2().round() >= 10)[kept].all()  # the lowest of the heights
        sharp += kept.tolist()
    assert 0.15 < sum(sharp) / len(sharp) < 0.35  # of 420, three standard deviations around a quarter


def test_a_camera_takes_detail_from_shrunk_views_alone(fabric):
    plain, spoiled = (twice(sampler(fabric, share=1.0, camera=camera)) for camera in (NO_CAMERA, POOR_CAMERA))
    assert torch.equal(spoiled.faces[:14], plain.faces[:14])
    assert torch.equal(spoiled.log2_px[:14], plain.log2_px[:14])
    assert (spoiled.log2_px[14:] < plain.log2_px[14:]).all()
    assert (spoiled.faces[14:] != plain.faces[14:]).any((1, 2, 3)).all()


@pytest.mark.parametrize("change", [{"step": 6}, {"seed": 2}])
def test_a_batch_depends_on_seed_and_step_alone(fabric, change):
    settings = {"camera": POOR_CAMERA, "augmentation": STRONG}
    first = sampler(fabric, **settings)
    first.batch(0)
    one, again = first.batch(5), sampler(fabric, **settings).batch(5)
    other = sampler(fabric, **settings, seed=change.get("seed", 1)).batch(change.get("step", 5))
    assert all(torch.equal(getattr(one, field), getattr(again, field)) for field in FIELDS)
    assert not torch.equal(one.faces, other.faces)
    assert not torch.equal(one.log2_px, other.log2_px)


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_the_views_of_two_processes_make_up_those_of_one(fabric, share):
    settings = {"share": share, "camera": POOR_CAMERA, "augmentation": STRONG}
    alone, *parts = (twice(sampler(who, **settings), 2) for who in (fabric, process(0), process(1)))
    for field in FIELDS:
        whole, halves = getattr(alone, field), [getattr(part, field).unflatten(0, (2, 7)) for part in parts]
        together = torch.cat(halves, 1).flatten(0, 1)
        if field == "faces":  # rounded to whole grey levels
            assert (together != whole).float().mean() < 0.001
        else:
            assert torch.equal(together, whole)


WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero"}


class Waits(TorchDispatchMode):
    """Operations for whose answer the processor waits, where the numbers lie on an accelerator."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation.overloadpacket.__name__
        if name in WAITS:
            self.found.append(name)
        return operation(*args, **(kwargs or {}))


def batched(fabric, **settings):
    views = ViewSettings(sharp_share=0.25, max_factor=8.5)
    return ViewSampler(fabric, ViewPlan(1, 14, views, POOR_CAMERA, STRONG), FACES, batched=True, **settings)


def test_on_an_accelerator_the_views_of_a_step_are_made_without_waiting(fabric):
    one = batched(fabric)
    with Waits() as waits:
        views = one.batch(3)
    assert waits.found == []
    assert views.faces.shape == (14, 1, 16, 16) and views.faces.min() >= 0 and views.faces.max() <= 255
    with Waits() as waits:
        sampler(fabric, camera=POOR_CAMERA).batch(3)
    assert waits.found  # on the processor waiting is free


def test_on_an_accelerator_too_views_depend_on_seed_and_step_alone(fabric):
    one, again = batched(fabric), batched(fabric)
    one.batch(0)
    for field in FIELDS:
        assert torch.equal(getattr(one.batch(5), field), getattr(again.batch(5), field))
    assert not torch.equal(one.batch(5).faces, one.batch(6).faces)


def test_the_same_faces_are_drawn_wherever_the_camera_works(fabric):
    there = batched(fabric).batch(2)
    views = ViewSettings(sharp_share=0.25, max_factor=8.5)
    here = ViewSampler(fabric, ViewPlan(1, 14, views, POOR_CAMERA, STRONG), FACES).batch(2)
    for field in ("log2_px", "votes", "labels"):
        assert torch.equal(getattr(there, field), getattr(here, field))
