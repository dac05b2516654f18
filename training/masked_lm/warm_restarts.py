"""Cosine learning rate with warm restarts, as a factor for `torch.optim.lr_scheduler.LambdaLR`.

SGDR: Stochastic Gradient Descent with Warm Restarts (Loshchilov and Hutter, ICLR 2017, arXiv 1608.03983).
Difference from the paper: a linear warm-up multiplies the first steps, because Adam's averages are empty there.
"""

import math

from torch.optim.lr_scheduler import LambdaLR


class WarmRestarts:
    """Factor in [0, 1] of the learning rate at an optimizer step. Cycle i lasts `first_cycle_steps * growth**i` steps.

    Args:
        first_cycle_steps (`float`): T_0, in optimizer steps.
        growth (`float`): T_mult, at least 1.
        warmup_steps (`int`): the factor is multiplied by step / warmup_steps before this step.

    Raises:
        ValueError: for a cycle that is not longer than 0, or that shrinks.

    Example:
        >>> factor = WarmRestarts(first_cycle_steps=10, growth=2)
        >>> [round(factor(step), 3) for step in (0, 5, 9, 10, 20, 30)]
        [1.0, 0.5, 0.024, 1.0, 0.5, 1.0]
    """

    def __init__(self, first_cycle_steps, growth=1.0, warmup_steps=0):
        if first_cycle_steps <= 0 or growth < 1:
            raise ValueError(
                f"Expected a first cycle longer than 0 and a growth >= 1, got {first_cycle_steps} and {growth}."
            )
        self.first_cycle_steps, self.growth, self.warmup_steps = first_cycle_steps, growth, warmup_steps

    def __call__(self, step):
        start, length = self.cycle(step)
        # Eq. 5 of the paper with a lowest rate of 0
        factor = 0.5 * (1 + math.cos(math.pi * (step - start) / length))
        return factor * min(1.0, (step + 1) / self.warmup_steps) if step < self.warmup_steps else factor

    def cycle(self, step):
        """Returns `(start, length)` in steps of the cycle that holds `step`."""
        start, length = 0.0, float(self.first_cycle_steps)
        while step >= start + length:
            start, length = start + length, length * self.growth
        return start, length


def warm_restart_scheduler(optimizer, first_epochs, growth, steps_per_epoch, warmup_steps=0):
    """Returns a `LambdaLR` for `WarmRestarts` counted in epochs.

    Args:
        optimizer (`torch.optim.Optimizer`).
        first_epochs (`float`): T_0, length of the first cycle.
        growth (`float`): T_mult, each cycle is so many times the one before.
        steps_per_epoch (`int`): optimizer steps.
        warmup_steps (`int`).
    """
    return LambdaLR(optimizer, WarmRestarts(first_epochs * steps_per_epoch, growth, warmup_steps))
