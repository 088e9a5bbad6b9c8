import pytest
import torch

from fsrfer.errors import TrainingError
from fsrfer.networks.residual import ResidualNet
from fsrfer.training.compute import open_fabric
from fsrfer.training.faces import Faces
from fsrfer.training.loop import Paused
from fsrfer.training.teaching import ANSWERS, PART, blended_labels, teacher_logits


def made_faces(count=5):
    drawn = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 16, 16), dtype=torch.uint8, generator=drawn)
    votes = torch.rand(count, 7, generator=drawn).softmax(1)
    return Faces(pixels, votes, votes.argmax(1), torch.full((count,), 16), {"made train": "a hash"})


@pytest.fixture(scope="module")
def teachers():
    torch.manual_seed(0)
    networks = [ResidualNet(size=16, stem=4, widths=(8,), blocks=(1,)).eval() for _ in range(2)]
    for network in networks:
        torch.nn.init.normal_(network.head.weight, std=3.0)
    return networks


@torch.no_grad()
def looks(teachers, faces):
    maps = faces.pixels[:, None].float()
    return [teacher(look) for teacher in teachers for look in (maps, maps.flip(-1))]


def test_all_teachers_give_one_answer_to_a_face_and_its_mirror_image(fabric, teachers):
    faces = made_faces()
    answers = looks(teachers, faces)
    assert all((one - answers[0]).abs().max() > 0.1 for one in answers[1:])
    found = teacher_logits(fabric, teachers, faces.pixels[:, None].float())
    torch.testing.assert_close(found, sum(answers) / 4)
    assert not found.requires_grad


def test_a_share_of_each_label_is_the_teachers_answer(fabric, teachers, tmp_path):
    faces = made_faces()
    answers = (sum(looks(teachers, faces)) / 4).softmax(1)
    assert (answers - faces.votes).abs().max() > 0.1
    mixed = blended_labels(fabric, faces, teachers, 0.25, tmp_path).votes
    torch.testing.assert_close(mixed, 0.75 * faces.votes + 0.25 * answers)


def test_only_the_votes_to_learn_from_change(fabric, teachers, tmp_path):
    faces = made_faces()
    votes = faces.votes.clone()
    changed = blended_labels(fabric, faces, teachers, 1.0, tmp_path)
    assert torch.equal(faces.votes, votes)
    assert not torch.equal(changed.votes, votes)
    assert torch.equal(changed.labels, faces.labels)
    assert changed.hashes == faces.hashes
    assert changed.pixels is faces.pixels


def test_faces_answered_many_at_once_are_answered_as_one_by_one(fabric, teachers, tmp_path):
    faces = made_faces(300)
    together = blended_labels(fabric, faces, teachers, 1.0, tmp_path / "all").votes
    last = Faces(faces.pixels[299:], faces.votes[299:], faces.labels[299:], faces.heights[299:], {})
    alone = blended_labels(fabric, last, teachers, 1.0, tmp_path / "last").votes
    torch.testing.assert_close(together[299:], alone, rtol=1e-4, atol=1e-6)


def test_a_run_that_goes_on_does_not_ask_its_teachers_again(fabric, teachers, tmp_path):
    def nobody(faces):
        raise AssertionError("asked again")

    faces = made_faces()
    before = blended_labels(fabric, faces, teachers, 0.5, tmp_path)
    after = blended_labels(fabric, faces, [nobody], 0.5, tmp_path)
    assert torch.equal(before.votes, after.votes)
    (tmp_path / ANSWERS / "00000.safetensors").write_bytes(b"no answers")
    with pytest.raises(TrainingError, match=r"00000\.safetensors: cannot be read .* remove it"):
        blended_labels(fabric, faces, teachers, 0.5, tmp_path)


def test_a_run_that_was_stopped_asks_for_what_is_left_alone(fabric, teachers, tmp_path):
    asked = []

    def first(faces):
        asked.append(len(faces))
        return teachers[0](faces)

    faces = made_faces(2 * PART + 1)
    with pytest.raises(Paused, match="1 of 3 parts"):
        blended_labels(open_fabric(1, 1, "32-true", minutes=1e-9), faces, [first], 0.5, tmp_path)
    assert sum(asked) == 2 * PART  # each face and its mirror image
    after = blended_labels(fabric, faces, [first], 0.5, tmp_path)
    assert sum(asked) == 2 * len(faces)
    whole = blended_labels(fabric, faces, [first], 0.5, tmp_path / "whole")
    assert torch.equal(after.votes, whole.votes)
