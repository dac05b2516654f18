"""What becomes of data that is not as it should be: a rule that is written down, or an error that says what to do."""

import gzip

import numpy as np
import pandas
import pyarrow as pa
import pytest
from tiny_interactions import START, movielens_1m, seed_folder, table_text, write

from traceformers.datasets_scripts.interactions.read_interactions import read_interactions
from traceformers.datasets_scripts.interactions.sequence_text import has_pairs


def read_frame(**columns):
    return read_interactions(pandas.DataFrame(columns, dtype=object))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("who,item\n1,2\n", "expected a header with a column for user such as 'user' .*got the columns 'who', 'item'"),
        ("user,what\n1,2\n", "with a column for item .*got the columns 'user', 'what'.*item_column"),
        ("196\t242\t3\t881250949\n1\t2\t3\t4\n", "expected a header .*got the columns '196', '242'.*column_names"),
        ("user,item,movie_id\n1,2,3\n", "expected one column for item, got 'item' and 'movie_id'"),
        ("user,item,item\n1,2,3\n", "got item twice"),
        ("user,item\n", "expected rows below its header, got none"),
        ("", "got an empty file"),
        (" \n\n", "got an empty file"),
        ("user,item,time\n1,2\n", "x.csv:2: expected 3 columns"),
        ("user,item,time\n1,2,3\n1,2,3,4\n", "x.csv:3: expected 3 columns"),
        ("user,item,time\n1,2,soon\n", "Expected seconds since 1970, ranks or dates"),
        ("user,item,time\n1,2,3\n1,4,soon\n", r"Expected numbers in the column 'time' \(times\), got 'soon'"),
        ("user,item,time\n1,2,inf\n", "got infinity in row 1"),
        ("user,item,rating\n1,2,good\n", r"Expected numbers in the column 'rating' \(values\), got 'good'"),
        (
            "user,item\n1,2\n,3\n1,4\n,5\n",
            "an id in every row of the column 'user', got 2 rows without, the first is row 2",
        ),
        ("user,item\n1,NaN\n", "an id in every row of the column 'item', got 1 rows without, the first is row 1"),
        ("user,item\n1,1e+20\n1,5\n", r"Expected whole ids in the column 'item', got '1e\+20'"),
    ],
)
def test_a_faulty_table_is_refused_with_what_came_and_what_to_do(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_interactions(write(tmp_path / "x.csv", text))


def test_a_named_column_that_is_not_there_lists_those_that_are(tmp_path):
    path = write(tmp_path / "x.csv", table_text())
    with pytest.raises(ValueError, match="expected a column 'client' for user, got the columns 'user', 'item', 'time'"):
        read_interactions(path, user_column="client")
    with pytest.raises(ValueError, match="expected another column for each role"):
        read_interactions(path, item_column="user")
    with pytest.raises(TypeError, match="no_such_column"):
        read_interactions(path, no_such_column="x")


def test_a_wrong_separator_shows_the_one_column_it_made(tmp_path):
    with pytest.raises(ValueError, match=r"got the columns 'user,item,time'.*--separator"):
        read_interactions(write(tmp_path / "x.csv", table_text()), separator=";")
    with pytest.raises(ValueError, match="Expected a separator of one character or '::', got 'ab'"):
        read_interactions(write(tmp_path / "x.csv", table_text()), separator="ab")


def test_a_file_without_a_header_is_read_with_the_names_given(tmp_path):
    path = write(tmp_path / "x.csv", table_text(header=""))
    read = read_interactions(path, column_names=["user", "item", "time"])
    assert len(read) == 6 and read.item_ids[0] == "10"
    with pytest.raises(ValueError, match=r"expected 2 columns \(user, item\), got 3"):
        read_interactions(path, column_names=["user", "item"])


def test_text_that_is_not_utf_8_is_named_with_its_line_and_read_when_its_encoding_is_given(tmp_path):
    path = write(tmp_path / "x.csv", "user,item\n1,a\n2,caf\u00e9\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"x.csv:3: expected utf-8 text, got the byte 0xe9.*encoding='latin-1'"):
        read_interactions(path)
    assert read_interactions(path, encoding="latin-1").item_ids == ["a", "caf\u00e9"]
    bom = write(tmp_path / "bom.csv", "\ufeffuser,item\n1,a\n")
    assert read_interactions(bom).user_ids == ["1"]


def test_a_cut_gzip_file_and_a_file_that_is_not_there(tmp_path):
    path = write(tmp_path / "x.csv.gz", gzip.compress(table_text().encode())[:-9])
    with pytest.raises(ValueError, match="expected a whole gzip file"):
        read_interactions(path)
    with pytest.raises(FileNotFoundError, match="Expected a file, a folder or the name 'movielens-small'"):
        read_interactions(tmp_path / "absent.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="got nothing"):
        read_interactions(tmp_path / "empty")
    with pytest.raises(ValueError, match="expected a Parquet file"):
        read_interactions(write(tmp_path / "x.parquet", "no parquet"))
    with pytest.raises(ValueError, match="Expected a format of canonical, seed"):
        read_interactions(write(tmp_path / "y.csv", table_text()), format="excel")


def test_ids_of_mixed_types_are_one_item():
    read = read_frame(user=["1", 1, 1.0, " 1 "], item=[1193, "1193", 1193.0, "661"])
    assert read.user_ids == ["1"] and read.item_ids == ["1193", "661"]
    assert read.about["dropped"] == {"the same user and item again (kept: first)": 2}


def test_ids_of_floats_are_whole_numbers_in_text_in_memory_and_in_parquet(tmp_path):
    text = read_interactions(write(tmp_path / "x.csv", 'user,item\n1,1193\n2,"1193"\n3,1193.0\n'))
    assert text.item_ids == ["1193"]
    assert read_interactions(pa.table({"user": [1.0, 2.0], "item": [7, 8]})).user_ids == ["1", "2"]


def test_ids_that_are_no_whole_numbers_stay_as_they_are(tmp_path):
    read = read_interactions(write(tmp_path / "x.csv", "user,item\n1,1.0\n1,1.10\n1,v2\n1,007\n1,7\n1,a b\n1,[MASK]\n"))
    assert read.item_ids == ["1.0", "1.10", "v2", "007", "7", "a b", "[MASK]"]


def test_huge_ids_keep_every_digit(tmp_path):
    huge = ["9223372036854775807", "18446744073709551615", "123456789012345678901234567890"]
    read = read_interactions(write(tmp_path / "x.csv", "user,item\n" + "".join(f"1,{i}\n" for i in huge)))
    assert read.item_ids == huge
    assert read_interactions(pa.table({"user": [1], "item": pa.array([2**64 - 1], pa.uint64())})).item_ids == [huge[1]]
    with pytest.raises(ValueError, match=r"Expected whole ids below 2\^53"):
        read_interactions(pa.table({"user": [1], "item": [2.0**60]}))
    with pytest.raises(ValueError, match="Expected whole ids"):
        read_frame(user=["a"], item=[2.0**60])


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1.5, "a"], "Expected whole ids in the column 'item', got 1.5"),
        ([True, "a"], r"got True \(bool\)"),
        ([(1, 2), "a"], r"got \(1, 2\) \(tuple\)"),
        ([None, "a"], "got 1 rows without, the first is row 1"),
        (["a", float("nan")], "got 1 rows without, the first is row 2"),
        (["a", pandas.NA], "got 1 rows without, the first is row 2"),
    ],
)
def test_what_is_no_id_is_refused(ids, message):
    with pytest.raises(ValueError, match=message):
        read_frame(user=["u", "u"], item=ids)


def test_typed_columns_that_hold_no_ids_are_refused():
    with pytest.raises(ValueError, match="Expected whole ids below"):
        read_interactions(pa.table({"user": [1], "item": [1.5]}))
    with pytest.raises(ValueError, match="got 1 rows without, the first is row 2"):
        read_interactions(pa.table({"user": [1, 2], "item": [1.0, float("nan")]}))
    with pytest.raises(ValueError, match="Expected text or whole numbers as ids in the column 'item', got bool"):
        read_interactions(pa.table({"user": [1], "item": [True]}))
    with pytest.raises(ValueError, match="Expected a table with rows"):
        read_interactions(pandas.DataFrame({"user": [], "item": []}))


TIMES = "user,item,time\na,1,1000000003\na,2,\nb,1,nan\nb,3,1000000001\n"


def test_rows_without_a_time_are_refused_dropped_or_all_times_set_aside_as_asked(tmp_path):
    path = write(tmp_path / "x.csv", TIMES)
    with pytest.raises(
        ValueError, match=r"a time in every row of the column 'time', got 2 of 4 rows without.*missing_times"
    ):
        read_interactions(path)
    kept = read_interactions(path, missing_times="drop")
    assert kept.counts() == {"users": 2, "items": 2, "interactions": 2} and kept.about["dropped"] == {"no time": 2}
    assert kept.item_ids == ["1", "3"]
    ordered = read_interactions(path, missing_times="order")
    assert len(ordered) == 4 and ordered.times is None and ordered.about["time"] == "order"
    with pytest.raises(ValueError, match="Expected missing_times to be one of error, drop, order, got 'guess'"):
        read_interactions(path, missing_times="guess")
    with pytest.raises(ValueError, match="got none"):
        read_interactions(write(tmp_path / "y.csv", "user,item,time\na,1,\n"), missing_times="drop")


@pytest.mark.parametrize(
    ("cells", "kind", "times"),
    [
        (["0", "1"], "order", [0, 1]),
        ([str(START), str(START + 1)], "unix", [START, START + 1]),
        ([f"{START}500", f"{START + 1}000"], "unix", [START + 0.5, START + 1]),
        ([f"{START}000000", f"{START + 1}000000"], "unix", [START, START + 1]),
        ([f"{START}000000000", f"{START + 1}000000000"], "unix", [START, START + 1]),
        (["2001-09-09T01:46:40", "2001-09-09 01:46:41"], "unix", [START, START + 1]),
        (["2001-09-09T03:46:40+02:00", "2001-09-09T01:46:41Z"], "unix", [START, START + 1]),
        (["2001-09-09", "2001-09-10"], "unix", [START - 6400, START + 80_000]),
    ],
)
def test_times_are_seconds_whatever_their_unit_and_small_numbers_are_ranks(tmp_path, cells, kind, times):
    text = "user,item,time\n" + "".join(f"a,{i},{cell}\n" for i, cell in enumerate(cells))
    read = read_interactions(write(tmp_path / "x.csv", text))
    assert read.about["time"] == kind and read.times.tolist() == times


DOUBLES = "user,item,time,value\na,1,30,1\na,1,10,2\na,2,20,3\na,1,10,4\nb,1,10,5\na,1,30,6\n"


@pytest.mark.parametrize(("keep", "values"), [("first", [2, 3, 5]), ("last", [3, 5, 6]), ("all", [1, 2, 3, 4, 5, 6])])
def test_of_equal_pairs_the_first_or_last_in_time_stays_and_ties_go_by_the_order_of_rows(tmp_path, keep, values):
    read = read_interactions(write(tmp_path / "x.csv", DOUBLES), duplicates=keep)
    assert read.values.tolist() == values
    assert sum(read.about["dropped"].values()) == 6 - len(values)


def test_an_unknown_rule_for_doubles_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Expected duplicates to be one of first, last, all, got 'none'"):
        read_interactions(write(tmp_path / "x.csv", DOUBLES), duplicates="none")


def test_users_with_one_item_are_kept(tmp_path):
    read = read_interactions(write(tmp_path / "x.csv", "user,item\na,1\na,2\nb,1\n"))
    assert read.user_ids == ["a", "b"] and np.bincount(read.users).tolist() == [2, 1] and read.about["time"] == "none"


def test_a_missing_value_is_nan(tmp_path):
    read = read_interactions(write(tmp_path / "x.csv", "user,item,rating\na,1,3\na,2,\n"))
    assert read.values[0] == 3 and np.isnan(read.values[1])


@pytest.mark.parametrize("format", ["sasrec", "s3rec"])
def test_a_folder_is_no_text_of_sequences(tmp_path, format):
    with pytest.raises(ValueError, match=f"a text file for the format '{format}', got the folder .* 'seed' by"):
        read_interactions(seed_folder(tmp_path / "seed"), format)


def test_faults_of_sequences_name_the_line(tmp_path):
    with pytest.raises(ValueError, match=r"x.txt:2: expected a user and an item .*got '1 2 3'"):
        read_interactions(write(tmp_path / "x.txt", "1 2\n1 2 3\n"), format="sasrec")
    with pytest.raises(ValueError, match=r"y.txt:2: expected a user and items, got '2'"):
        read_interactions(write(tmp_path / "y.txt", "1 2 3\n2\n"))


def test_faults_of_metadata_name_the_file_or_the_value(tmp_path):
    folder = seed_folder(tmp_path / "seed")
    write(folder / "years.tsv", "item\tyear\n10\tlong ago\n")
    with pytest.raises(ValueError, match="Expected numbers in the column 'year'"):
        read_interactions(folder)
    write(folder / "years.tsv", "item\tyear\n10\t1995.5\n")
    with pytest.raises(ValueError, match=r"Expected whole numbers as years, got 1995.5"):
        read_interactions(folder)
    write(folder / "years.tsv", "item\tyear\tmonth\n10\t1995\t1\n")
    with pytest.raises(ValueError, match=r"years.tsv: expected the item and one more column"):
        read_interactions(folder)
    films = movielens_1m(tmp_path / "ml")
    write(films / "movies.dat", "10::Toy Story (1995)\n")
    with pytest.raises(ValueError, match=r"movies.dat: expected 3 columns \(item, title, genres\), got 2"):
        read_interactions(films)


def test_of_an_item_described_twice_the_first_stays(tmp_path):
    folder = seed_folder(tmp_path)
    write(folder / "titles.tsv", "item\ttitle\n10\tfirst\n10\tsecond\n")
    assert read_interactions(folder).items_table.column("title")[0].as_py() == "first"


@pytest.mark.parametrize(("file", "text"), [("x.txt", "1 2\n3 4\n"), ("x.txt", "1 2 3\n"), ("u.data", "1\t2\t3\t4\n")])
def test_columns_are_not_named_where_a_format_fixes_them(tmp_path, file, text):
    path = write(tmp_path / file, text)
    formats = {"1 2\n3 4\n": "sasrec", "1 2 3\n": "s3rec"}
    with pytest.raises(ValueError, match="Expected no user_column for the format"):
        read_interactions(path, formats.get(text, "movielens"), user_column="x")
    with pytest.raises(ValueError, match="Expected no separator or column_names for the format"):
        read_interactions(path, formats.get(text, "movielens"), separator=",")


@pytest.mark.parametrize(("text", "format"), [("1 2\n3 4\n", "sasrec"), ("1 2 3\n", "s3rec")])
def test_a_column_named_for_a_text_without_columns_is_refused(tmp_path, text, format):
    path = write(tmp_path / "x.txt", text)
    with pytest.raises(ValueError, match=f"Expected no user_column for the format '{format}' of .*columns are fixed"):
        read_interactions(path, user_column="visitor")
    with pytest.raises(ValueError, match="Expected no item_column for the data movielens-small"):
        read_interactions("movielens-small", item_column="film")
    named = read_interactions(
        write(tmp_path / "y.txt", "visitor page\na 1\n"), user_column="visitor", item_column="page"
    )
    assert named.user_ids == ["a"]


def test_lines_of_two_parts_are_told_from_others():
    assert has_pairs("1 2\n\n 3\t4 \r\n5 6") and has_pairs("a b\n")
    assert not any(map(has_pairs, ["1\n", "1 2\n3\n", "1 2\n3 4 5\n", "1 2\n 3 4 5 6 \n7 8\n"]))
