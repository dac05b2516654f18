import pytest
from matplotlib.figure import Figure

from traceformers.training.recommenders.training_pictures import save_ensemble, save_lambdas, setting_line


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved."""
    figures, save = [], Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *rest, **more: figures.append(self) or save(self, *rest, **more)
    )
    return figures


def test_validation_is_drawn_over_lambda_with_a_line_for_each_recency(tmp_path, drawn):
    trials = [{"l2": l2, "recency": r, "ndcg@10": l2 / 1000 - r / 9} for l2 in (200.0, 50.0, 100.0) for r in (0.0, 1.0)]
    save_lambdas(tmp_path / "lambda.png", trials)
    (axes,) = drawn[0].axes
    first, second, best = axes.lines
    assert first.get_xdata().tolist() == [50, 100, 200] and first.get_ydata().tolist() == [0.05, 0.1, 0.2]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["recency 0", "recency 1"]
    assert (best.get_xdata()[0], best.get_ydata()[0]) == (200, 0.2) and second.get_ydata()[0] < 0
    assert (tmp_path / "lambda.png").stat().st_size > 1000


def test_members_the_choice_and_the_next_best_settings_are_bars(tmp_path, drawn):
    settings = {"method": "scores", "weights": [0.25, 0.75], "normalization": "softmax"}
    trials = [{"members": (1, 0), "settings": settings, "ndcg": 0.5 - n / 100} for n in range(20)]
    found = {"members": ["ease of a", "sasrec of b"], "trials": trials}
    found |= {"validation_ndcg@10_of_members": {"ease of a": 0.3, "sasrec of b": 0.4}}
    save_ensemble(tmp_path / "ensemble.png", found)
    (axes,) = drawn[0].axes
    assert [bar.get_width() for bar in axes.patches][:4] == [0.3, 0.4, 0.5, 0.49] and len(axes.patches) == 10
    labels = [label.get_text() for label in axes.get_yticklabels()]
    line = "scores of 1 and 0, weights 0.25 0.75, normalization softmax"
    assert labels[:4] == ["0: ease of a", "1: sasrec of b", f"chosen, {line}", line]
    assert setting_line(trials[0]) == line
