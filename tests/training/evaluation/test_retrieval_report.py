import json

import numpy as np
import pytest
from tiny_retrieval import write_retrieval_folder

from traceformers.datasets_scripts.retrieval.retrieval_folder import load_retrieval_set
from traceformers.training.evaluation.ranked_evaluation import Ranking, evaluate_ranking
from traceformers.training.evaluation.retrieval_report import SystemResult, build_report, retention, worst_queries
from traceformers.training.evaluation.retrieval_tables import draw_cascade, draw_quality, report_markdown, table

CURVE = [
    {"share": s, "value": 0.5 + 0.2 * s, "retention": (0.5 + 0.2 * s) / 0.7, "recovered": s, "random": 0.5 + 0.2 * s}
    | {"random_deviation": 0.01}
    for s in (0.0, 0.2, 1.0)
]

CASCADE = {"signal": "margin", "share": 0.2, "recovered": 0.4, "recovered_error": 0.1, "curve": CURVE}


@pytest.fixture
def sets(tmp_path):
    return [load_retrieval_set(write_retrieval_folder(tmp_path / name)) for name in ("tiny", "small")]


def result(sets, system, mode, order, **facts):
    rankings = {}
    for one in sets:
        best = [[*grades, *(p for p in range(6) if p not in grades)] for grades in one.judged]
        positions = np.array(best)[:, ::order]
        rankings[one.name] = Ranking(np.tile(-np.arange(6.0, dtype=np.float32), (len(one), 1)), positions)
    return SystemResult(system, mode, {s.name: evaluate_ranking(s, rankings[s.name]) for s in sets}, rankings, facts)


@pytest.fixture
def report(sets):
    teacher = result(sets, "teacher", "teacher", 1, texts_per_second=100.0, size_bytes=9e7, sts={"dev": 0.8})
    words = result(sets, "bm25", "words", -1)
    student = result(sets, "student", "asymmetric", -1, texts_per_second=1e5, size_bytes=4e7)
    student.facts |= {"agreement": {"cosine": 0.9, "cosine_short": None, "cosine_long": 0.9, "pair_spearman": 0.8}}
    report = build_report(sets, teacher, [words, student], reference=words)
    report["sts_sets"] = ["dev"]
    report["failures"] = {student.label: worst_queries(sets, teacher, student, 3)}
    report["cascades"] = {student.label: CASCADE}
    return report


def test_retention_is_the_ratio_of_means_with_an_error_that_drawing_agrees_with():
    draw = np.random.default_rng(0)
    teacher = draw.random(4_000)
    ours = 0.8 * teacher + 0.1 * draw.random(4_000)
    ratio, error = retention(ours, teacher)
    assert ratio == pytest.approx(ours.mean() / teacher.mean())
    drawn = [(ours[i].mean() / teacher[i].mean()) for i in draw.integers(0, 4_000, (600, 4_000))]
    assert np.std(drawn) == pytest.approx(error, rel=0.15)
    assert retention(np.array([1.0]), np.array([0.0])) == (None, None)


def test_the_mean_over_sets_is_of_retentions_and_not_of_queries(sets, report):
    student = report["systems"][2]
    for part in ("all", "dev", "test"):
        rows = student["parts"].get(part)
        if rows:
            kept = [rows[one.name]["retention"] for one in sets]
            assert rows["mean"]["retention"] == pytest.approx(np.mean(kept))
    assert student["parts"]["all"]["tiny"]["queries"] == 5


def test_the_teacher_keeps_all_of_itself_and_equal_systems_do_not_differ(report):
    teacher, words, student = (system["parts"]["all"]["mean"] for system in report["systems"])
    assert teacher["retention"] == 1 and teacher["minus_teacher"] == teacher["minus_teacher_error"] == 0
    assert student["minus_reference"] == student["minus_reference_error"] == 0
    assert words["minus_teacher"] < 0 < words["minus_teacher_error"]


def test_a_system_is_compared_with_its_base_in_each_set(sets):
    teacher, dense = result(sets, "teacher", "teacher", 1), result(sets, "student", "symmetric", -1)
    hybrid = result(sets, "student + bm25", "hybrid", 1)
    hybrid.base = dense
    made = build_report(sets, teacher, [dense, hybrid])["systems"]
    for name in ("tiny", "small", "mean"):
        assert made[2]["parts"]["all"][name]["minus_base"] == -made[1]["parts"]["all"][name]["minus_teacher"] > 0
        assert "minus_base" not in made[1]["parts"]["all"][name]


def test_lengths_count_all_queries(report):
    for system in report["systems"]:
        assert sum(row["queries"] for row in system["lengths"].values()) == 10
        assert set(system["lengths"]) == {"1-3", "4-6"} or set(system["lengths"]) == {"4-6"}


def test_failures_show_both_answers_worst_first(report):
    (cases,) = report["failures"].values()
    lost = [case["teacher_ndcg@10"] - case["ndcg@10"] for case in cases]
    assert len(cases) == 3 and lost == sorted(lost, reverse=True) and lost[-1] > 0
    assert cases[0]["teacher"][0]["grade"] >= 1 and len(cases[0]["system"]) == 3


def test_two_sets_of_one_name_are_an_error(sets):
    teacher = result(sets, "teacher", "teacher", 1)
    with pytest.raises(ValueError, match=r"\['tiny'\] twice"):
        build_report([sets[0], sets[0]], teacher, [])


def test_the_report_is_json_and_every_system_is_in_the_text(report):
    text = report_markdown(json.loads(json.dumps(report, allow_nan=False)))
    for words in ("| student, asymmetric |", "| bm25 |", "100,000", "Uncertainty by margin"):
        assert words in text
    assert all(f"**{case['query']}**" in text for case in report["failures"]["student, asymmetric"])
    for block in text.split("\n\n"):
        if block.startswith("|"):
            assert len({line.count("|") - line.count("\\|") for line in block.splitlines()}) == 1


def test_a_table_keeps_its_columns_whatever_a_text_holds():
    lines = table(["a", "b"], [["x | y", "two\nlines"]])
    assert lines[2] == "| x \\| y | two lines |"


def test_pictures_are_written(report, tmp_path):
    draw_quality(report, tmp_path / "quality.png")
    draw_cascade(report["cascades"], tmp_path / "cascade.png")
    for name in ("quality.png", "cascade.png"):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"
