import torch

from fsrfer.training.faces import Faces, TrainingData, by_majority

VOTES = torch.tensor([[0.1, 0.0, 0.0, 0.6, 0.3, 0.0, 0.0], [0.4, 0.0, 0.0, 0.0, 0.2, 0.0, 0.4]])


def faces():
    pixels = torch.zeros(2, 8, 8, dtype=torch.uint8)
    return Faces(pixels, VOTES, torch.tensor([3, 6]), torch.tensor([8, 8]), {})


def test_the_winning_class_takes_all_votes_to_learn_from_and_none_of_those_to_choose_by():
    data = by_majority(TrainingData(faces(), faces(), "made valid"))
    assert data.train.votes.argmax(1).tolist() == data.train.labels.tolist() == [3, 6]
    assert data.train.votes.sum(1).tolist() == data.train.votes.max(1).values.tolist() == [1, 1]
    assert torch.equal(data.valid.votes, VOTES)
