import pytest
import torch

from traceformers.training.distillation import row_adam
from traceformers.training.distillation.row_adam import RowAdam

OPTIONS = {"lr": 0.01, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.1}


def gradients(steps=6, rows=7):
    torch.manual_seed(0)
    return torch.randn(steps, rows, 3)


@pytest.mark.parametrize("lazy", [False, True])
def test_with_a_gradient_in_every_row_it_is_adamw(lazy):
    ours, theirs = (torch.nn.Parameter(torch.ones(7, 3)) for _ in range(2))
    optimizers = (RowAdam([ours], **OPTIONS, lazy=lazy), torch.optim.AdamW([theirs], **OPTIONS))
    for gradient in gradients():
        for parameter, optimizer in zip((ours, theirs), optimizers, strict=True):
            parameter.grad = gradient.clone()
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_a_lazy_row_without_gradient_stays_with_its_moments():
    table = torch.nn.Parameter(torch.ones(7, 3))
    optimizer = RowAdam([table], **OPTIONS, lazy=True)
    for step, gradient in enumerate(gradients()):
        gradient[step:] = 0  # a row starts to move when its turn comes
        gradient[0] *= step % 2
        table.grad = gradient
        before = table.detach().clone(), optimizer.state[table].get("exp_avg", torch.zeros(7, 3)).clone()
        optimizer.step()
        moved = (table.detach() != before[0]).all(1)
        assert moved.tolist() == gradient.any(1).tolist()
        assert (optimizer.state[table]["exp_avg"] != before[1]).all(1).tolist() == gradient.any(1).tolist()


def test_its_state_is_saved_and_loaded():
    found = []
    for interrupted in (False, True):
        table = torch.nn.Parameter(torch.ones(7, 3))
        optimizer = RowAdam([table], **OPTIONS, lazy=True)
        for step, gradient in enumerate(gradients()):
            if interrupted and step == 3:
                state = optimizer.state_dict()
                optimizer = RowAdam([table], lr=9.0)
                optimizer.load_state_dict(state)
            table.grad = gradient.clone()
            optimizer.step()
        found.append(table.detach())
    assert torch.equal(*found)


def test_masking_as_on_a_gpu_moves_the_same_rows(monkeypatch):
    found = []
    for way in (row_adam._indexed_step, row_adam._masked_step):
        monkeypatch.setattr(row_adam, "_indexed_step", way)
        table = torch.nn.Parameter(torch.ones(7, 3))
        optimizer = RowAdam([table], **OPTIONS, lazy=True)
        for step, gradient in enumerate(gradients()):
            gradient[step:] = 0
            table.grad = gradient
            optimizer.step()
        found.append([table.detach(), *(optimizer.state[table][name] for name in ("exp_avg", "exp_avg_sq"))])
    torch.testing.assert_close(*found)
