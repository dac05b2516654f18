import numpy as np
import pytest
import torch

from traceformers.modeling.recommender.modeling_ease import EASEModel
from traceformers.modeling.recommender.modeling_ensemble import EnsembleRecommenderModel
from traceformers.modeling.recommender.modeling_popularity import PopularityModel
from traceformers.training.evaluation.next_item_ranks import next_item_ranks
from traceformers.training.recommenders.closed_form_fit import ndcg_gains
from traceformers.training.recommenders.ensemble_fit import fit_ensemble, weightings
from traceformers.training.recommenders.histories import Histories
from traceformers.training.recommenders.history_split import NextItems, split_histories

V = 3 + 24


@pytest.fixture(scope="module")
def split():
    """Users whose next item is often the neighbour of one they had, or else the most popular."""
    rng = np.random.default_rng(0)
    lists = []
    for _ in range(60):
        pairs = rng.permutation(12)[:4]
        items = np.stack([2 * pairs, 2 * pairs + 1], 1).reshape(-1)
        items = np.where(rng.random(8) < 0.4, rng.zipf(2, 8) % 24, items)
        lists.append(3 + items[np.sort(np.unique(items, return_index=True)[1])])  # nobody comes back to an item
    return split_histories(Histories.from_lists(lists))


@pytest.fixture(scope="module")
def members(split):
    train = split.train.items, split.train.offsets
    return [
        EASEModel.fit(*train, l2=1, vocab_size=V),
        PopularityModel.fit(*train, V),
        EASEModel.fit(*train, l2=100, vocab_size=V),
    ]


def figure(model, asked, seen="history"):
    histories = asked.histories
    return ndcg_gains(next_item_ranks(model, histories.items, histories.offsets, asked.targets, seen=seen)).mean()


def test_every_trial_has_the_figure_that_the_ensemble_has_in_evaluation(split, members):
    fit = fit_ensemble(members, split.validation, weight_parts=3, batch_size=7)
    assert {trial.settings["method"] for trial in fit.trials} == {"reciprocal_rank", "scores", "top_then"}
    for trial in fit.trials:
        chosen = [members[index] for index in trial.members]
        model = EnsembleRecommenderModel.from_models(chosen, **trial.settings)
        assert figure(model, split.validation) == pytest.approx(trial.ndcg, abs=1e-12), trial


def test_the_best_is_kept_and_compared_with_the_best_single_model(split, members):
    fit = fit_ensemble(members, split.validation)
    assert (
        fit.best.ndcg == max(trial.ndcg for trial in fit.trials) == pytest.approx(figure(fit.model, split.validation))
    )
    assert fit.singles == pytest.approx([figure(member, split.validation) for member in members])
    assert fit.gain == pytest.approx(fit.best.ndcg - max(fit.singles))
    assert fit.gain > 0 and fit.standard_error > 0


def test_a_member_that_does_not_help_is_left_out(split, members):
    class Worst(PopularityModel):
        """The reverse of popularity."""

    worst = Worst(members[1].config)
    worst.counts.copy_(-members[1].counts)
    fit = fit_ensemble([worst, members[0]], split.validation, weight_parts=2, rank_constants=[60], top_items=[8])
    assert fit.best.members == (1,) and len(fit.model.members) == 1
    assert fit.gain == 0


def test_the_choice_survives_saving(tmp_path, split, members):
    model = fit_ensemble(members[:2], split.validation).model
    model.save_pretrained(tmp_path)
    again = EnsembleRecommenderModel.from_pretrained(tmp_path)
    ids, mask = map(torch.from_numpy, split.test.histories.padded(np.arange(9)))
    assert torch.equal(again(ids, mask).scores, model(ids, mask).scores)


def test_weights_are_all_multiples_that_sum_to_one():
    found = list(weightings(3, 4))
    assert len(found) == len(set(found)) == 15
    assert all(sum(weights) == 1 for weights in found)


def test_no_models_and_no_users_are_named(split, members):
    with pytest.raises(ValueError, match="got 0 and"):
        fit_ensemble([], split.validation)
    with pytest.raises(ValueError, match="got 1 and 0"):
        fit_ensemble(members[:1], split.validation.some(0))


def test_members_of_different_vocabularies_are_refused(split, members):
    with pytest.raises(ValueError, match="one vocabulary"):
        fit_ensemble([members[0], PopularityModel.fit([3], [0, 1], 5)], split.validation)


def test_targets_of_the_history_can_be_found_where_people_come_back(members):
    """Nothing of the history is left out, as in an evaluation with seen="nothing"."""
    asked = NextItems(Histories.from_lists([[5, 6], [9, 12]]), np.array([5, 3]), np.arange(2))
    fit = fit_ensemble(members, asked, seen_last=False)
    assert fit.best.ndcg == pytest.approx(figure(fit.model, asked, "nothing")) and not fit.model.config.seen_last
    last = fit_ensemble(members, asked).trials[0]
    assert last.ndcg == pytest.approx(figure(fit_ensemble(members, asked).model, asked)) and last.ndcg <= 0.5
