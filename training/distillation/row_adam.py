"""Adam that moves only those rows of a table that the batch says something about."""

import torch


class RowAdam(torch.optim.Optimizer):
    """AdamW (Loshchilov and Hutter, ICLR 2019, arXiv 1711.05101) with lazy groups.

    In a group with `lazy=True` a row whose gradient is zero is left alone, together with its moments, as in
    TensorFlow's LazyAdam and torch's SparseAdam. A rare entry of a table is then moved when a text holds it, and not on
    by old moments for many steps after. Which rows these are is read from the gradient, so neither model nor
    data-parallel training has to know. On a GPU all rows are computed and the others kept, which needs no copy to the
    host.

    Args:
        params: parameters, or groups of them.
        lr, betas, eps, weight_decay, lazy: defaults of groups.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.0, lazy=False):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "lazy": lazy})

    @torch.no_grad()
    def step(self, closure=None):
        """Returns what `closure` returns, after one step of all parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._step(parameter, parameter.grad, group)
        return loss

    def _step(self, parameter, gradient, group):
        state = self.state[parameter]
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        average, squares, t = state["exp_avg"], state["exp_avg_sq"], state["step"].item()
        if not group["lazy"]:
            parameter.add_(_update(parameter, gradient, average, squares, t, group))
            return
        step_rows = _masked_step if gradient.is_cuda else _indexed_step
        step_rows(parameter, gradient, average, squares, t, group)


def _masked_step(parameter, gradient, average, squares, t, group):
    """Moves the rows with a gradient, by computing all and keeping the others."""
    touched = gradient.any(dim=1, keepdim=True)
    new_average, new_squares = average.clone(), squares.clone()
    parameter.add_(_update(parameter, gradient, new_average, new_squares, t, group).mul_(touched))
    average.copy_(torch.where(touched, new_average, average))
    squares.copy_(torch.where(touched, new_squares, squares))


def _indexed_step(parameter, gradient, average, squares, t, group):
    """Moves the rows with a gradient, by gathering and scattering them."""
    rows = gradient.any(dim=1).nonzero()[:, 0]
    row_average, row_squares = average[rows], squares[rows]
    parameter.index_add_(0, rows, _update(parameter[rows], gradient[rows], row_average, row_squares, t, group))
    average[rows], squares[rows] = row_average, row_squares


def _update(parameter, gradient, average, squares, t, group):
    """Returns what Adam adds to `parameter` at step t; changes the two moments in place."""
    (beta1, beta2), lr = group["betas"], group["lr"]
    average.lerp_(gradient, 1 - beta1)
    squares.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    root = (squares / (1 - beta2**t)).sqrt_().add_(group["eps"])
    update = (average / root).mul_(-lr / (1 - beta1**t))
    return update.sub_(parameter, alpha=lr * group["weight_decay"]) if group["weight_decay"] else update
