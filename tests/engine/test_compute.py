"""Operations against numbers counted by hand, and parameters that a result depends on."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diccae.engine.compute import forward_cost


def test_a_convolution_and_a_linear_layer() -> None:
    model = nn.Sequential(
        nn.Conv2d(2, 5, 3, stride=2, padding=1, bias=False), nn.Flatten(), nn.Linear(5 * 12, 7)
    )
    # 4 x 3 places of 2 x 3 x 3 values for 5 channels; 60 values for 7 outputs
    operations = 2 * 3 * (12 * 18 * 5 + 60 * 7)
    parameters = 90 + 60 * 7 + 7
    inputs = torch.randn(3, 2, 8, 6)
    assert forward_cost(lambda: model(inputs), model) == (operations, parameters)
    model.compile(backend="eager")
    assert forward_cost(lambda: model(inputs), model) == (operations, parameters)


# with dropout, torch computes an attention on the CPU in single steps
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_an_attention(dropout: float) -> None:
    query, key, value = (torch.randn(2, 3, *shape) for shape in ((5, 4), (6, 4), (6, 4)))
    scale = nn.Linear(1, 1, bias=False)

    def attend() -> Tensor:
        weight = scale.weight[0, 0]
        return F.scaled_dot_product_attention(weight * query, key, value, dropout_p=dropout)

    # 5 x 6 products of 4 values, twice
    assert forward_cost(attend, scale) == (2 * 2 * 3 * (5 * 6 * 4 * 2), 1)


def test_parameters_that_the_result_does_not_depend_on_do_not_count() -> None:
    model = nn.ModuleList([nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(3, 9)])
    model[1].weight.requires_grad = False
    inputs = torch.randn(5, 3)

    def forward() -> Tensor:
        model[2](inputs)
        return model[1](model[0](inputs))

    operations, parameters = forward_cost(forward, model)
    assert operations == 2 * 5 * (3 * 9 + 3 * 4 + 4 * 2)
    # the first layer, and the bias of the second
    assert parameters == 16 + 2
