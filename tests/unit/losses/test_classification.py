import math

import pytest
import torch

from fsrfer.losses.classification import classification_loss, distillation_loss, logit_adjustment

# softmax of (log 3, 0) is (3/4, 1/4); of (0, log 4) it is (1/5, 4/5)
LOGITS = torch.tensor([[math.log(3), 0.0], [0.0, math.log(4)]])
LABELS = torch.tensor([0, 0])


def test_hard_labels_by_hand():
    # -log 3/4 and -log 1/5
    assert classification_loss(LOGITS, LABELS).item() == pytest.approx((math.log(4 / 3) + math.log(5)) / 2)


def test_soft_labels_by_hand():
    votes = torch.tensor([[0.5, 0.5], [0.2, 0.8]])
    first = -0.5 * math.log(3 / 4) - 0.5 * math.log(1 / 4)
    second = -0.2 * math.log(1 / 5) - 0.8 * math.log(4 / 5)
    assert classification_loss(LOGITS, votes).item() == pytest.approx((first + second) / 2)


def test_sample_weights_by_hand():
    loss = classification_loss(LOGITS, LABELS, torch.tensor([2.0, 0.5]))
    # the mean is over the two samples
    assert loss.item() == pytest.approx((2 * math.log(4 / 3) + 0.5 * math.log(5)) / 2)


def test_distillation_by_hand():
    student, teacher = torch.zeros(1, 2), torch.tensor([[2 * math.log(3), 0.0]])
    # at T = 2 the teacher says (3/4, 1/4), the student (1/2, 1/2)
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert distillation_loss(student, teacher, temperature=2.0).item() == pytest.approx(4 * divergence)
    weighted = distillation_loss(student, teacher, torch.tensor([0.5]), temperature=2.0)
    assert weighted.item() == pytest.approx(2 * divergence)


def test_distillation_is_zero_for_a_perfect_student_and_spares_the_teacher():
    teacher = LOGITS.clone().requires_grad_()
    student = LOGITS.clone().requires_grad_()
    loss = distillation_loss(student, teacher)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert teacher.grad is None and student.grad is not None


def test_the_frequency_of_the_classes_is_added_as_far_as_it_is_to_be_evened_out():
    shares = torch.tensor([0.5, 0.25, 0.25])
    equal = torch.zeros(1, 3)
    torch.testing.assert_close(logit_adjustment(equal, shares, 1.0).softmax(1), shares[None])
    # square roots of the shares: 0.7071, 0.5, 0.5, summing to 1.7071
    torch.testing.assert_close(
        logit_adjustment(equal, shares, 0.5).softmax(1), torch.tensor([[0.41421, 0.29289, 0.29289]])
    )
    assert logit_adjustment(LOGITS, shares[:2], 0.0).equal(LOGITS)
