import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

from traceformers.training.masked_lm.warm_restarts import WarmRestarts, warm_restart_scheduler


def rates(scheduler, optimizer, n_steps):
    found = []
    for _ in range(n_steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def optimizer():
    return torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.5)


@pytest.mark.parametrize(("first", "growth"), [(10, 1), (10, 2), (7, 3)])
def test_without_warm_up_it_is_torchs_schedule(first, growth):
    ours, theirs = optimizer(), optimizer()
    found = rates(warm_restart_scheduler(ours, first, growth, steps_per_epoch=1), ours, 100)
    expected = rates(CosineAnnealingWarmRestarts(theirs, first, growth), theirs, 100)
    assert found == pytest.approx(expected, abs=1e-9)


def test_cycles_are_counted_in_epochs():
    ours = optimizer()
    found = rates(warm_restart_scheduler(ours, 2, 2, steps_per_epoch=50), ours, 400)
    restarts = [step for step in range(1, 400) if found[step] > found[step - 1]]
    assert restarts == [100, 300]


def test_warm_up_rises_to_the_cosine_and_then_is_it():
    plain, warm = WarmRestarts(100), WarmRestarts(100, warmup_steps=10)
    rising = [warm(step) for step in range(10)]
    assert 0 < rising[0] < 0.11 and rising == sorted(rising)
    assert [warm(step) for step in range(10, 250)] == [plain(step) for step in range(10, 250)]


def test_state_goes_through_a_checkpoint():
    first, second = optimizer(), optimizer()
    one, other = (warm_restart_scheduler(o, 3, 2, 10, warmup_steps=5) for o in (first, second))
    rates(one, first, 37)
    other.load_state_dict(one.state_dict())
    second.load_state_dict(first.state_dict())
    assert rates(other, second, 50) == rates(one, first, 50)


def test_cycles_that_shrink_or_do_not_last_are_refused():
    for first, growth in ((0, 1), (5, 0.5)):
        with pytest.raises(ValueError, match="first cycle"):
            WarmRestarts(first, growth)
