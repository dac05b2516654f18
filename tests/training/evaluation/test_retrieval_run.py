import json
import shutil

import numpy as np
import pytest
from tiny_retrieval import write_retrieval_folder
from tiny_student import change_config, tiny_student
from tiny_teacher import tiny_teacher

from traceformers.run_scripts.run_retrieval_eval import main
from traceformers.training.evaluation.document_map import FILE_NAME, DocumentMap
from traceformers.training.evaluation.retrieval_run import EvaluationPlan, teacher_of


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("evaluation")
    queries = {f"q{i}": ("the moon and the earth", "mice eat cheese", "birds sing")[i % 3] for i in range(24)}
    grades = {name: {f"d{1 + i % 6}": 1} for i, name in enumerate(queries)}
    write_retrieval_folder(home / "tiny", queries=queries, grades=grades)
    write_retrieval_folder(home / "small")
    tiny_student(home / "student", teacher=tiny_teacher(home / "teacher"))
    for split in ("dev", "test"):
        lines = [f"g\tf\t2020\t{i}\t{i}\tthe cat {'sat ' * i}\tthe dog\n" for i in range(4)]
        (home / f"sts-{split}.csv").write_text("".join(lines))
    (home / "heldout.txt").write_text("cats chase mice\nbirds sing at dawn\nthe moon\n")
    return home


def evaluate(home, output, *options):
    words = ["--model", f"runtime:{home}/student", "--data", str(home / "tiny"), "--output-dir", str(output)]
    words += ["--timing-seconds", "0"]
    return main([*words, *options, "--device", "cpu"])


@pytest.fixture(scope="module")
def report(home):
    options = ["--model", "bm25", "--model", str(home / "teacher"), "--data", str(home / "small"), "--sts", str(home)]
    options += ["--heldout", str(home / "heldout.txt"), "--document-vectors", str(home / "vectors"), "--threads", "1"]
    return evaluate(home, home / "out", *options)


def test_one_table_has_every_system_in_every_mode(home, report):
    modes = [system["mode"] for system in report["systems"]]
    hybrids = ["hybrid", "hybrid"]
    assert modes == ["teacher", "words", "symmetric", "asymmetric", *hybrids, "symmetric", "hybrid"]
    text = (home / "out" / "retrieval_report.md").read_text()
    assert all(system["label"] in text for system in report["systems"])
    assert json.loads((home / "out" / "retrieval_report.json").read_text()) == report
    for name in ("retrieval_quality.png", "retrieval_cascade.png"):
        assert (home / "out" / name).read_bytes()[:4] == b"\x89PNG"


def test_the_teacher_as_a_system_keeps_all_and_agrees_with_itself(home, report):
    itself = next(
        one for one in report["systems"] if one["system"] == str(home / "teacher") and one["mode"] == "symmetric"
    )
    assert itself["parts"]["all"]["mean"]["retention"] == pytest.approx(1, abs=1e-6)
    assert itself["agreement"]["cosine"] == pytest.approx(1, abs=1e-5)
    assert itself["sts"] == pytest.approx(report["systems"][0]["sts"], abs=1e-6)


def test_vectors_are_kept_and_read_again(home, report):
    kept = {path.name: path.stat().st_mtime_ns for path in (home / "vectors").rglob("*.safetensors")}
    assert {"tiny.documents.safetensors", "tiny.queries.safetensors", "heldout.safetensors"} <= set(kept)
    again = evaluate(home, home / "again", "--document-vectors", str(home / "vectors"))
    assert kept == {path.name: path.stat().st_mtime_ns for path in (home / "vectors").rglob("*.safetensors")}
    first, second = (next(s for s in r["systems"] if s["mode"] == "asymmetric") for r in (report, again))
    assert first["parts"]["all"]["tiny"] | {"minus_reference": 0, "minus_reference_error": 0} == (
        second["parts"]["all"]["tiny"] | {"minus_reference": 0, "minus_reference_error": 0}
    )


def test_vectors_of_another_teacher_are_refused(home, report, tmp_path):
    other = tiny_teacher(tmp_path / "teacher", seed=9)
    with pytest.raises(ValueError, match="Expected vectors of the encoder"):
        evaluate(home, tmp_path / "out", "--teacher", other, "--document-vectors", str(home / "vectors"))


def test_a_students_map_moves_the_teachers_documents(home, tmp_path):
    student = tiny_student(tmp_path / "student", teacher=str(home / "teacher"))
    options = ["--model", f"runtime:{student}", "--data", str(home / "tiny"), "--output-dir", str(tmp_path / "out")]
    options += ["--timing-seconds", "0", "--device", "cpu"]
    plain = main(options)
    turned = -np.eye(16, dtype=np.float32)
    DocumentMap(turned, np.zeros(16, np.float32)).save(tmp_path / "student" / FILE_NAME)
    assert main(options)["systems"][2]["parts"] == plain["systems"][2]["parts"]  # its config names no map
    change_config(student, document_map=True)
    mapped = main(options)
    symmetric, asymmetric = ([r["systems"][i]["parts"]["all"]["tiny"] for r in (plain, mapped)] for i in (1, 2))
    assert symmetric[0] == symmetric[1] and asymmetric[0] != asymmetric[1]


def test_a_student_of_another_width_is_an_error(home, tmp_path):
    student = tiny_student(tmp_path / "wide", dimension=8, teacher=str(home / "teacher"))
    plan = ["--model", f"runtime:{student}", "--data", str(home / "tiny"), "--output-dir", str(tmp_path / "out")]
    with pytest.raises(ValueError, match=r"as wide as the teacher's \(16\) from .*, got 8"):
        main(plan)


def test_no_teacher_at_all_is_an_error(home):
    assert teacher_of(["bm25", f"runtime:{home}/student"]) == (str(home / "teacher"), None, None)
    with pytest.raises(ValueError, match="Expected --teacher, or a student"):
        teacher_of(["bm25", str(home / "teacher")])
    assert EvaluationPlan(["bm25"]).teacher is None


def test_a_plain_bert_is_evaluated_with_the_pooling_that_its_student_records(home, tmp_path):
    without = shutil.ignore_patterns("modules.json", "*_Pooling", "*_Normalize")
    plain = str(shutil.copytree(home / "teacher", tmp_path / "bert", ignore=without))
    student = tiny_student(tmp_path / "student", teacher=plain)
    options = ["--model", f"runtime:{student}", "--data", str(home / "tiny"), "--output-dir", str(tmp_path / "out")]
    options += ["--timing-seconds", "0", "--device", "cpu"]
    with pytest.raises(ValueError, match="--teacher-pooling cls"):
        main(options)
    asked = main([*options, "--teacher-pooling", "cls"])["systems"][0]["parts"]
    change_config(student, teacher_pooling="cls")
    assert main(options)["systems"][0]["parts"] == asked
