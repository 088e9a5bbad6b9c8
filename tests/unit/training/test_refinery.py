import pytest
import torch

from fsrfer.networks.compact import CompactNet
from fsrfer.training.compute import open_fabric
from fsrfer.training.faces import Faces
from fsrfer.training.refinery import refined


def made_faces(count=5):
    drawn = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 16, 16), dtype=torch.uint8, generator=drawn)
    votes = torch.rand(count, 7, generator=drawn).softmax(1)
    return Faces(pixels, votes, votes.argmax(1), torch.full((count,), 16), {"made train": "a hash"})


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    net = CompactNet(size=16, stem=4, widths=(8,), blocks=(1,), dropout=0.5)
    torch.nn.init.normal_(net.head.weight, std=3.0)
    return net.train()


@pytest.fixture(scope="module")
def fabric():
    return open_fabric(1, 1, "32-true")


def test_a_share_of_each_label_is_the_answer_to_the_face_and_its_mirror_image(fabric, network):
    faces = made_faces()
    maps = faces.pixels[:, None].float()
    with torch.no_grad():
        answers = (network.eval()(maps).softmax(1) + network(maps.flip(-1)).softmax(1)) / 2
    assert (answers - faces.votes).abs().max() > 0.1
    mixed = refined(fabric, faces, network.train(), 0.25).votes
    torch.testing.assert_close(mixed, 0.75 * faces.votes + 0.25 * answers)
    torch.testing.assert_close(mixed.sum(1), torch.ones(len(faces)))


def test_only_the_votes_to_learn_from_change(fabric, network):
    faces = made_faces()
    votes = faces.votes.clone()
    changed = refined(fabric, faces, network, 1.0)
    assert torch.equal(faces.votes, votes)
    assert not torch.equal(changed.votes, votes)
    assert torch.equal(changed.labels, faces.labels)
    assert changed.hashes == faces.hashes
    assert changed.pixels is faces.pixels


def test_faces_answered_many_at_once_are_answered_as_one_by_one(fabric, network):
    faces = made_faces(300)
    together = refined(fabric, faces, network, 1.0).votes
    last = Faces(faces.pixels[299:], faces.votes[299:], faces.labels[299:], faces.heights[299:], {})
    torch.testing.assert_close(together[299:], refined(fabric, last, network, 1.0).votes, rtol=1e-4, atol=1e-6)
