import csv
import gzip

import pyarrow.parquet as pq
import pytest
from tiny_recommender import HISTORIES, ITEMS, TITLES, YEARS, tiny_recommender

from traceformers.run_scripts.predict_recommendations import main
from traceformers.training.evaluation.recommendation_rows import SCHEMA

HEADER = ["user", "item", "rank", "score"]
USERS = {f"user {number}": history for number, history in enumerate(HISTORIES) if history}


@pytest.fixture(scope="module", params=["sasrec", "ease"])
def folder(request, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param)
    tiny_recommender(request.param).save_pretrained(path)
    return path


@pytest.fixture
def clicks(tmp_path):
    """A CSV file of `USERS`, their rows mixed; the second user's last click is in 1999, all others' in 2020."""
    path, rows = tmp_path / "clicks.csv", []
    for number, (user, history) in enumerate(USERS.items()):
        end = 946_000_000 if number == 1 else 1_600_000_000
        rows += [(end - 100 * (len(history) - place), user, item) for place, item in enumerate(history)]
    rows.sort(key=lambda row: (row[0] % 7, row[0]))
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [("visitor", "product", "moment"), *((user, item, time) for time, user, item in rows)]
        )
    return path


def predict(folder, clicks, output, *options):
    columns = ("--user-column", "visitor", "--item-column", "product", "--time-column", "moment")
    done = main([str(folder), str(clicks), "--output", str(output), *columns, *options])
    return done, read_rows(output)


def read_rows(path):
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        assert table.schema == SCHEMA
        return [tuple(row.values()) for row in table.to_pylist()]
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text(encoding="utf-8")
    header, *rows = csv.reader(text.splitlines())
    assert header == HEADER
    return [(user, item, int(rank), float(score)) for user, item, rank, score in rows]


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "rows.parquet"])
def test_rows_are_what_recommend_gives_in_the_ids_of_the_file(folder, clicks, tmp_path, name):
    done, rows = predict(folder, clicks, tmp_path / "new" / name, "--k", "4", "--batch-size", "2")
    model = tiny_recommender("ease" if "ease" in folder.name else "sasrec")
    users = list(dict.fromkeys(row[0] for row in rows))
    assert sorted(users) == sorted(USERS)
    expected = model.recommend([USERS[user] for user in users], k=4)
    lists = zip(users, expected.items, expected.scores, strict=True)
    flat = [
        (user, item, rank, score)
        for user, items, scores in lists
        for rank, (item, score) in enumerate(zip(items, scores, strict=True), 1)
    ]
    assert [row[:3] for row in rows] == [row[:3] for row in flat]
    assert [row[3] for row in rows] == pytest.approx([row[3] for row in flat], abs=1e-5)
    assert (done["users"], done["rows"], done["unknown_interactions"]) == (len(USERS), len(rows), 0)


def test_nothing_newer_than_the_last_click_of_a_user(folder, clicks, tmp_path):
    _, rows = predict(folder, clicks, tmp_path / "rows.csv", "--k", "12", "--released-until", "last-click")
    year_of = dict(zip(ITEMS, YEARS, strict=True))
    second = list(USERS)[1]
    mine = [year_of[row[1]] for row in rows if row[0] == second]
    assert mine and all(year is None or year <= 1999 for year in mine)
    assert any(year_of[row[1]] == 2000 for row in rows if row[0] != second)
    _, rows = predict(folder, clicks, tmp_path / "rows.csv", "--k", "12", "--released-until", "1975")
    assert {year_of[row[1]] for row in rows} <= {None, *range(1976)}


def test_lists_of_items_allow_and_exclude(folder, clicks, tmp_path, capsys):
    (tmp_path / "allow.txt").write_text("914\n\n日本\n661\nno such item\n", encoding="utf-8")
    (tmp_path / "exclude.txt").write_text("661\n")
    options = ("--allow", str(tmp_path / "allow.txt"), "--exclude", str(tmp_path / "exclude.txt"))
    _, rows = predict(folder, clicks, tmp_path / "rows.csv", "--include-seen", *options)
    assert {row[1] for row in rows} == {"914", "日本"}
    assert "1 items of" in capsys.readouterr().err


def test_seen_items_come_only_if_asked_for(folder, clicks, tmp_path):
    _, rows = predict(folder, clicks, tmp_path / "rows.csv", "--k", "12")
    assert all(item not in USERS[user] for user, item, *_ in rows)
    _, rows = predict(folder, clicks, tmp_path / "rows.csv", "--k", "12", "--include-seen")
    assert len(rows) == len(ITEMS) * len(USERS)


def test_a_user_with_unknown_items_alone_gets_what_an_empty_history_gets(folder, tmp_path, capsys):
    (tmp_path / "clicks.csv").write_text("visitor,product,moment\na,nothing,1\nb,661,2\n")
    done, rows = predict(folder, tmp_path / "clicks.csv", tmp_path / "rows.csv", "--k", "3")
    model = tiny_recommender("ease" if "ease" in folder.name else "sasrec")
    assert [row[1] for row in rows if row[0] == "a"] == model.recommend([[]], k=3).items[0]
    assert done["unknown_interactions"] == 1
    assert "1 of 2 interactions are with items that the model does not know; 1 users" in capsys.readouterr().err


def test_rows_without_a_time_are_left_out_if_asked_for(folder, clicks, tmp_path):
    _, whole = predict(folder, clicks, tmp_path / "rows.csv")
    user = next(iter(USERS))
    clicks.write_text(clicks.read_text(encoding="utf-8") + f"{user},nothing,\n", encoding="utf-8")
    with pytest.raises(ValueError, match="--missing-times"):
        predict(folder, clicks, tmp_path / "rows.csv")
    assert predict(folder, clicks, tmp_path / "rows.csv", "--missing-times", "drop")[1] == whole


def test_diversity_changes_the_order(clicks, tmp_path):
    tiny_recommender("sasrec").save_pretrained(tmp_path / "model")
    _, plain = predict(tmp_path / "model", clicks, tmp_path / "rows.csv", "--k", "5")
    _, diverse = predict(tmp_path / "model", clicks, tmp_path / "rows.csv", "--k", "5", "--diversity", "0.9")
    assert [row[1] for row in plain] != [row[1] for row in diverse]


def test_a_failure_leaves_the_old_file_and_no_half_one(folder, clicks, tmp_path):
    output = tmp_path / "rows.csv"
    output.write_text("old")
    with pytest.raises(ValueError, match="item vectors for diversity"):
        # Popularity has no vectors; the failure comes when the file is open already.
        tiny_recommender("popularity").save_pretrained(tmp_path / "popular")
        predict(tmp_path / "popular", clicks, output, "--diversity", "0.5")
    assert output.read_text() == "old"
    assert not list(tmp_path.glob("*.half"))


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        ("rows.json", (), "output of .csv"),
        ("rows.csv", ("--k", "0"), "--k and --batch-size from 1"),
        ("rows.csv", ("--diversity", "2"), "--diversity from 0 to 1"),
        ("rows.csv", ("--released-until", "soon"), "as a year or last-click"),
    ],
)
def test_options_out_of_range_are_an_error(folder, clicks, tmp_path, output, options, message):
    with pytest.raises(ValueError, match=message):
        predict(folder, clicks, tmp_path / output, *options)
    assert not (tmp_path / output).exists()


def test_an_allow_list_without_known_items_is_an_error(folder, clicks, tmp_path):
    (tmp_path / "allow.txt").write_text("\n".join(title for title in TITLES if title))
    with pytest.raises(ValueError, match="one id a line"):
        predict(folder, clicks, tmp_path / "rows.csv", "--allow", str(tmp_path / "allow.txt"))
    with pytest.raises(FileNotFoundError, match=r"one item id a line at none\.txt"):
        predict(folder, clicks, tmp_path / "rows.csv", "--allow", "none.txt")


def test_clicks_without_dates_have_no_last_year(folder, tmp_path):
    (tmp_path / "clicks.csv").write_text("user,item\na,661\nb,661\n")
    with pytest.raises(ValueError, match="interactions with dates"):
        main([str(folder), str(tmp_path / "clicks.csv"), "--output", str(tmp_path / "rows.csv"),
              "--released-until", "last-click"])  # fmt: skip


def test_a_folder_without_a_recommender_is_an_error(clicks, tmp_path):
    with pytest.raises(ValueError, match=r"a recommender \(bert4rec.*got no config.json"):
        predict(tmp_path, clicks, tmp_path / "rows.csv")


def test_help_shows_a_command(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    printed = capsys.readouterr().out
    assert caught.value.code == 0 and "python run_scripts/predict_recommendations.py" in printed
    assert " \\\n        --" in printed  # what can be pasted
