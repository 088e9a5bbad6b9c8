import numpy as np
import pytest
import torch
from PIL import Image

from fsrfer.errors import DataError
from fsrfer.recipes.schema import load_recipe
from fsrfer.training.faces import Faces, TrainingData, by_majority, load_training_data, spread

VOTES = torch.tensor([[0.1, 0.0, 0.0, 0.6, 0.3, 0.0, 0.0], [0.4, 0.0, 0.0, 0.0, 0.2, 0.0, 0.4]])


def faces():
    pixels = torch.zeros(2, 8, 8, dtype=torch.uint8)
    return Faces(pixels, VOTES, torch.tensor([3, 6]), torch.tensor([8, 8]), {})


def test_the_winning_class_takes_all_votes_to_learn_from_and_none_of_those_to_choose_by():
    data = by_majority(TrainingData(faces(), faces(), "made valid"))
    assert data.train.votes.argmax(1).tolist() == data.train.labels.tolist() == [3, 6]
    assert data.train.votes.sum(1).tolist() == data.train.votes.max(1).values.tolist() == [1, 1]
    assert torch.equal(data.valid.votes, VOTES)


@pytest.mark.parametrize(
    ("train", "valid", "words"),
    [
        ({"happy": 2, "sad": 2}, {"happy": 1}, "1 face to validate on, and 2 are needed"),
        ({"happy": 3}, {"happy": 2}, "all faces show happiness; at least two expressions"),
        ({"happy": 3, "sad": 3}, {}, "too few to hold out every 10th"),
    ],
)
def test_what_the_last_steps_need_is_checked_before_the_first(tmp_path, train, valid, words):
    for split, classes in (("train", train), ("valid", valid)):
        for name, count in classes.items():
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(np.full((8, 8), number, np.uint8)).save(folder / f"{number}.png")
    recipe = load_recipe("paper-small", ["validation=folder"])
    with pytest.raises(DataError, match=words):
        load_training_data(recipe, {"folder": tmp_path})


def test_a_few_faces_are_from_all_over_them():
    labels = torch.arange(7).repeat_interleave(100)
    pixels = labels.to(torch.uint8)[:, None, None].expand(-1, 4, 4).contiguous()
    whole = Faces(pixels, torch.eye(7)[labels], labels, labels + 20, {}, labels.float())
    few = spread(whole, 70)
    assert few.labels.bincount().tolist() == [10] * 7
    assert few.pixels[:, 0, 0].tolist() == few.labels.tolist() == few.votes.argmax(1).tolist()
    assert few.heights.tolist() == (few.labels + 20).tolist()
    assert few.weights.tolist() == few.labels.tolist()
    assert torch.equal(spread(whole, 1000).labels, labels)
