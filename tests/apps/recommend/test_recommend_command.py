import json

import numpy as np
import pytest
import typer
from tiny_recommender import ITEMS, TITLES, metadata_settings, tiny_recommender
from typer.testing import CliRunner

from traceformers.apps.recommend.recommend_commands import recommend
from traceformers.apps.recommend.recommended_items import nearest_items, recommended_items
from traceformers.apps.recommend.user_history import history_of

KINDS = ("sasrec", "ease", "popularity", "ensemble_recommender")
app = typer.Typer()
app.command()(recommend)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Saved models by kind, and "gated", a BERT4Rec that fuses metadata by gates."""
    models = {kind: tiny_recommender(kind) for kind in KINDS}
    models["gated"] = tiny_recommender("bert4rec", **metadata_settings())
    home = tmp_path_factory.mktemp("models")
    for name, model in models.items():
        model.save_pretrained(home / name)
    return home


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


@pytest.mark.parametrize("kind", KINDS)
def test_items_are_those_of_recommend(folders, kind):
    rows = [json.loads(line) for line in run(folders / kind, "--history", "1193,661", "--k", 4, "--json")]
    expected = tiny_recommender(kind).recommend([["1193", "661"]], k=4)
    assert [row["item"] for row in rows] == expected.items[0]
    assert [row["score"] for row in rows] == pytest.approx(expected.scores[0], abs=1e-5)
    assert [row["title"] for row in rows] == [TITLES[ITEMS.index(row["item"])] for row in rows]
    assert [row["rank"] for row in rows] == [1, 2, 3, 4]


def test_the_reasons_are_the_items_of_the_history_with_the_greatest_cosines_above_zero():
    model = tiny_recommender("sasrec")
    vectors, counts = model.item_vectors().detach().numpy(), set()
    for row in recommended_items(model, ["1193", "661", "914"], k=9):
        own = vectors[model.item_tokenizer.id_of(row.item)]
        cosines = {}
        for item in ("1193", "661", "914"):
            other = vectors[model.item_tokenizer.id_of(item)]
            cosines[item] = own @ other / np.linalg.norm(own) / np.linalg.norm(other)
        best = [item for item in sorted(cosines, key=lambda item: -cosines[item])[:2] if cosines[item] > 0]
        counts.add(len(best))
        assert [one["item"] for one in row.because] == best
        assert [one["similarity"] for one in row.because] == pytest.approx([cosines[item] for item in best], abs=1e-5)
    assert {1, 2} <= counts  # these weights have items with one reason, and with two


def test_an_item_twice_in_the_history_is_named_once():
    model = tiny_recommender("sasrec")
    assert [token for token, _ in nearest_items(model, [3, 3, 3], [3])[0]] == [3]


def test_what_is_too_old_to_be_read_is_no_reason():
    model = tiny_recommender("sasrec", max_history=1)
    assert {one["item"] for row in recommended_items(model, ["1193", "661"], k=5) for one in row.because} == {"661"}


def test_gates_are_told_where_the_model_has_them_and_sum_to_one(folders):
    rows = [json.loads(line) for line in run(folders / "gated", "--history", "1193", "--k", 3, "--json")]
    for row in rows:
        assert set(row["gates"]) == {"item", "genre", "director", "writer", "title"}
        assert sum(row["gates"].values()) == pytest.approx(1, abs=1e-5)
        assert list(row["gates"].values()) == sorted(row["gates"].values(), reverse=True)
    line = run(folders / "gated", "--history", "1193", "--k", 1)[1]
    assert "director 0." in line


def test_popularity_gives_items_and_no_reason(folders):
    rows = [json.loads(line) for line in run(folders / "popularity", "--history", "1193", "--json")]
    assert rows and all(row["because"] == [] and row["gates"] == {} for row in rows)


def test_the_table_has_titles_and_reasons(folders):
    header, *lines = run(folders / "sasrec", "--history", "1193", "--history", "661", "--k", 3)
    assert header.split() == ["item", "title", "score", "because", "of"]
    assert len(lines) == 3
    rows = recommended_items(tiny_recommender("sasrec"), ["1193", "661"], k=3)
    assert any(row.because for row in rows)
    for row, line in zip(rows, lines, strict=True):
        assert row.title in line and all(f"{one['title']} ({one['similarity']:.2f})" in line for one in row.because)


def test_a_user_of_a_file_is_recommended_as_his_history_in_time_order(folders, tmp_path):
    (tmp_path / "clicks.csv").write_text("user,item,time\na,661,1000000200\nb,914,1000000000\na,1193,1000000100\n")
    assert history_of(interactions=str(tmp_path / "clicks.csv"), user="a") == ["1193", "661"]
    of_file = run(folders / "sasrec", "--interactions", tmp_path / "clicks.csv", "--user", "a")
    assert of_file == run(folders / "sasrec", "--history", "1193, 661")
    with pytest.raises(ValueError, match="Expected a user of"):
        history_of(interactions=str(tmp_path / "clicks.csv"), user="c")


def test_a_file_of_any_columns_is_read_as_its_options_say(folders, tmp_path):
    path = tmp_path / "clicks.csv"
    path.write_text("client;no;moment\na;661;2024-02-01\nb;914;\na;1193;2024-01-01\n")
    named = ("--user-column", "client", "--item-column", "no", "--time-column", "moment")
    of_file = ("--interactions", path, "--user", "a", *named, "--missing-times", "drop", "--format", "table")
    assert run(folders / "sasrec", *of_file) == run(folders / "sasrec", "--history", "1193,661")


def test_seen_items_years_and_diversity_are_as_asked(folders):
    seen = [json.loads(line)["item"] for line in run(folders / "ease", "--history", "1193", "--k", 12, "--json")]
    assert "1193" not in seen and len(seen) == 11
    assert len(run(folders / "ease", "--history", "1193", "--k", 12, "--json", "--include-seen")) == 12
    old = [json.loads(line) for line in run(folders / "ease", "--history", "1193", "--json", "--released-until", 1980)]
    assert {row["year"] for row in old} <= {None, *range(1981)}
    plain, diverse = (run(folders / "sasrec", "--history", "1193", "--diversity", d) for d in (0, 0.9))
    assert plain != diverse


def test_unknown_items_are_told_and_left_out_unless_there_is_nothing_else(folders):
    assert run(folders / "ease", "--history", "1193,nothing") == run(folders / "ease", "--history", "1193")
    with pytest.raises(ValueError, match="items that the model knows, got nothing"):
        run(folders / "ease", "--history", "nothing")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--history", "1193", "--interactions", "x", "--user", "a"),
        ("--interactions", "x"),
        ("--history", "1193", "--user", "a"),
        ("--history", " , "),
    ],
)
def test_a_history_that_is_not_one_is_an_error(folders, arguments):
    with pytest.raises(ValueError, match="--history"):
        run(folders / "ease", *arguments)


def test_the_app_is_imported_without_torch():
    import subprocess
    import sys

    script = "import sys; sys.modules['torch'] = None; import traceformers.apps.recommend.recommend_commands"
    subprocess.run([sys.executable, "-c", script], check=True)
