import gzip

import pytest

from traceformers.datasets_scripts.retrieval.sts_pairs import load_sts_pairs

LINES = (
    'captions\tMSRvid\t2012\t0001\t5.000\t"A man is dancing.\tA man dances.\n'
    'news\theadlines\t2013\t0002\t0.4\tMarkets fall\t"Cats" sleep\tsource\tlicence\n'
    "news\theadlines\t2013\t0003\t2.5\tMarkets fall\tMarkets rise\r\n"
)


def test_a_quotation_mark_is_part_of_a_sentence(tmp_path):
    (tmp_path / "sts-test.csv").write_text(LINES)
    pairs = load_sts_pairs(tmp_path)
    assert pairs.first == ['"A man is dancing.', "Markets fall", "Markets fall"]
    assert pairs.second == ["A man dances.", '"Cats" sleep', "Markets rise"]
    assert pairs.scores.tolist() == [5.0, 0.4, 2.5] and len(pairs) == 3
    assert pairs.sentences == ['"A man is dancing.', "Markets fall", "A man dances.", '"Cats" sleep', "Markets rise"]


def test_a_split_may_be_packed_and_a_file_be_named(tmp_path):
    (tmp_path / "sts-train.csv.gz").write_bytes(gzip.compress(LINES.encode()))
    assert len(load_sts_pairs(tmp_path, "train")) == len(load_sts_pairs(tmp_path / "sts-train.csv.gz")) == 3


@pytest.mark.parametrize("line", ["a\tb\tc\td\t5.0\tone sentence\n", "a\tb\tc\td\thigh\tx\ty\n", "a,b,c,d,5.0,x,y\n"])
def test_a_line_that_is_no_pair_is_named(tmp_path, line):
    path = tmp_path / "pairs.csv"
    path.write_text(LINES + line)
    with pytest.raises(ValueError, match=r"pairs.csv:4: expected seven columns with tabs"):
        load_sts_pairs(path)


def test_nothing_to_read_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"sts-dev.csv: no file"):
        load_sts_pairs(tmp_path, "dev")
    (tmp_path / "sts-dev.csv").write_text("\n")
    with pytest.raises(ValueError, match="got an empty file"):
        load_sts_pairs(tmp_path, "dev")
