import re
from html.parser import HTMLParser

import numpy as np
import pytest
from tiny_interactions import movielens_latest, seed_folder, table_text, write
from typer.testing import CliRunner

from traceformers.apps.interactions.interactions_commands import app
from traceformers.apps.interactions.interactions_report import write_report
from traceformers.apps.interactions.interactions_statistics import gini, log_histogram, slices_of, summarize
from traceformers.apps.interactions.svg_charts import bar_chart, line_chart, show
from traceformers.datasets_scripts.interactions.read_interactions import read_interactions


class Tags(HTMLParser):
    """Reads a page; `open` is what was not closed, `seen` all tags with their attributes."""

    def __init__(self, page):
        super().__init__()
        self.open, self.seen, self.text = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def page_of(read, tmp_path):
    return write_report(read, tmp_path / "new" / "report.html").read_text()


@pytest.mark.parametrize("make", [seed_folder, movielens_latest])
def test_the_page_stands_alone_and_is_well_formed(tmp_path, make):
    page = page_of(read_interactions(make(tmp_path / "set")), tmp_path)
    tags = Tags(page)
    assert tags.open == []
    names = {name for name, _ in tags.seen}
    assert not names & {"script", "link", "img", "iframe", "object", "image", "use", "base"}
    assert not {key for _, attributes in tags.seen for key in attributes} & {"src", "href", "srcset", "xlink:href"}
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page)
    for heading in ("History lengths", "Item popularity", "Long tail", "sparsity", "Metadata", "Drift"):
        assert heading in page


def test_text_of_the_data_is_shown_and_never_taken_for_markup(tmp_path):
    folder = seed_folder(tmp_path / "set")
    write(folder / "titles.tsv", 'item\ttitle\n10\t<script>alert(1)</script> & "co"\n')
    write(folder / "genres.tsv", "item\tgenre\n10\t<b>bold\n10\tb\n")
    read = read_interactions(folder)
    read.about["name"] = "<i>name</i>"
    tags = Tags(page_of(read, tmp_path))
    assert not {name for name, _ in tags.seen} & {"script", "b>bold", "i>name"}
    text = "".join(tags.text)
    assert '<script>alert(1)</script> & "co"' in text and "<b>bold" in text and "<i>name</i>" in text


def test_the_figures_of_a_tiny_set_are_those_counted_by_hand(tmp_path):
    figures = summarize(read_interactions(seed_folder(tmp_path)))
    facts = figures["facts"]
    assert (facts["users"], facts["items"], facts["interactions"]) == (3, 4, 6)
    assert facts["density"] == 6 / 12 and facts["users with one item"] == 1 and facts["cold items"] == 4
    assert figures["lengths"] == [("1", 1), ("2-3", 2)] and figures["popularity"] == [("1", 2), ("2-3", 2)]
    assert figures["tail"][0] == (0, 0) and figures["tail"][-1] == (1, 1) and figures["tail"][25] == (0.25, 2 / 6)
    assert figures["top"][0] == ("10", "Toy Story (1995)", 2) and figures["values"] == [] and figures["volume"] == []
    assert figures["coverage"]["title"] == (3 / 4, 5 / 6) and figures["coverage"]["directors"] == (1 / 4, 2 / 6)


def test_moments_give_volume_and_slices_of_equal_size(tmp_path):
    lines = "".join(f"u{k % 7},{k % 13},{1_000_000_000 + k * 86_400}\n" for k in range(200))
    read = read_interactions(write(tmp_path / "x.csv", "user,item,time\n" + lines), duplicates="all")
    figures = summarize(read)
    assert sum(count for _, count in figures["volume"]) == 200 and figures["volume"][0][0] == "2001-09"
    slices, labels = slices_of(read)
    assert np.bincount(slices).tolist() == [20] * 10 and labels[0] == "2001-09-09" and len(set(labels)) == 10
    assert figures["drift"]["new"][0][1] == 0  # all 13 items occur in the first slice
    assert len(figures["drift"]["kept"]) == 9


def test_ranks_give_slices_within_each_history(tmp_path):
    lines = "".join(f"{user},{item},{item}\n" for item in range(20) for user in "ab")
    slices, labels = slices_of(read_interactions(write(tmp_path / "x.csv", "user,item,time\n" + lines)))
    assert slices.tolist() == [rank // 2 for rank in range(20) for _ in "ab"] and labels[5] == "50 %"


@pytest.mark.parametrize("rows", ["a,1,5\n", "a,1,1000000000\n", "a,1,1000000000\nb,1,1000000000\n"])
def test_the_smallest_sets_have_a_page(tmp_path, rows):
    page = page_of(read_interactions(write(tmp_path / "x.csv", "user,item,time\n" + rows)), tmp_path)
    assert Tags(page).open == [] and "nan" not in page.lower().replace("finance", "")


def test_a_set_without_rows_is_refused(tmp_path):
    read = read_interactions(seed_folder(tmp_path))
    with pytest.raises(ValueError, match="Expected interactions to report on, got none"):
        write_report(read.select(np.zeros(6, dtype=bool)), tmp_path / "r.html")


def test_gini_and_bins_by_hand():
    assert gini(np.array([3, 3, 3])) == 0 and gini(np.array([0, 0, 0, 8])) == 0.75
    assert log_histogram(np.array([2, 3, 4, 7, 8])) == [("2-3", 2), ("4-7", 2), ("8-15", 1)]


def test_charts_hold_every_point_and_their_labels():
    bars = bar_chart([("a<", 3), ("b", 0)], "x")
    assert bars.count("<rect") == 2 and "a&lt;: 3" in bars
    lines = line_chart({"one": [("p", 0.5), ("q", 1)], "two": [("q", 0.25)]}, "x")
    assert lines.count("<polyline") == 2 and lines.count("<circle") == 3 and lines.count("<li>") == 2
    assert [show(x) for x in (1234567, 0.98765, 12345.6)] == ["1,234,567", "0.988", "12,346"]


def test_the_command_writes_the_page_and_says_so(tmp_path):
    source = write(tmp_path / "clicks.csv", table_text("client,sku,time"))
    out = tmp_path / "page.html"
    arguments = ["report", str(source), "--output", str(out), "--user-column", "client", "--item-column", "sku"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "3 users, 4 items, 6 interactions" in result.output and out.is_file()
    assert "Example: traceformers interactions report" in CliRunner().invoke(app, ["report", "--help"]).output


def test_the_command_reads_a_table_without_a_header(tmp_path):
    source = write(tmp_path / "x.txt", table_text(header=""))
    arguments = ["report", str(source), "--output", str(tmp_path / "x.html")]
    result = CliRunner().invoke(app, [*arguments, "--column-names", "user,item,time", "--format", "table"])
    assert result.exit_code == 0 and "3 users, 4 items, 6 interactions" in result.output
