"""One evaluation of several encoders: retrieval sets, fusion, cascade, STS, agreement with the teacher, speed."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from traceformers.datasets_scripts.retrieval.sts_pairs import load_sts_pairs
from traceformers.modeling.ngram_encoder.ngram_runtime import NgramRuntime
from traceformers.training.distillation.teacher import IDENTITY, POOLINGS, load_teacher
from traceformers.training.evaluation.cascade import uncertainty_signals
from traceformers.training.evaluation.cascade_evaluation import CascadeQueries, evaluate_cascade
from traceformers.training.evaluation.document_map import FILE_NAME, DocumentMap
from traceformers.training.evaluation.encoder_monitor import TextFigures
from traceformers.training.evaluation.lexical_search import LexicalIndex
from traceformers.training.evaluation.rank_fusion import tune_fusion
from traceformers.training.evaluation.ranked_evaluation import dense_ranking, evaluate_ranking
from traceformers.training.evaluation.retrieval_encoders import files_size, measure_texts_per_second, open_encoder
from traceformers.training.evaluation.retrieval_report import MAIN, SystemResult, build_report, worst_queries
from traceformers.training.evaluation.sts_agreement import evaluate_sts, sts_spearman, teacher_agreement
from traceformers.training.evaluation.student_doubt import FEWEST_TEXTS, fit_query_doubt, fit_student_doubt
from traceformers.training.evaluation.text_vectors import cached_vectors, settings_fingerprint
from traceformers.training.model_files import model_folder

WORDS = "bm25"
STS_SPLITS = ("dev", "test")
TIMED_QUERIES = 2_000
TIMED_TEACHER_QUERIES = 128


@dataclass
class EvaluationPlan:
    """What is evaluated, and how.

    Attributes:
        models (`list[str]`): names as `open_encoder` takes them, and "bm25".
        teacher (`str`): name as `load_teacher` takes it; None: the one that the first student names.
        teacher_pooling (`str` or None): "from-config", "cls" or "mean"; None: as the student says, else from-config.
        vectors (`str` or None): folder that keeps document vectors.
        sts (`str` or None): folder with the STS Benchmark.
        heldout (`list[str]`): texts for the agreement with the teacher.
        failures (`int`): queries to show for each student.
        timing_seconds (`float`): how long the speed of each system is measured, at least.
    """

    models: list
    teacher: str | None = None
    teacher_revision: str | None = None
    teacher_pooling: str | None = None
    teacher_precision: str = "float32"
    vectors: str | None = None
    sts: str | None = None
    heldout: list = field(default_factory=list)
    device: str | None = None
    precision: str | None = None
    threads: int | None = None
    trust_remote_code: bool = False
    failures: int = 5
    timing_seconds: float = 2.0
    say: object = print


class TeacherVectors:
    """The teacher's vectors of texts, from files where they are there, else encoded now and kept."""

    def __init__(self, plan):
        name, revision = plan.teacher, plan.teacher_revision
        pooling = plan.teacher_pooling or "from-config"
        self.teacher = load_teacher(name, revision, pooling, plan.device, plan.teacher_precision)
        self.name, self.folder = name, plan.vectors
        identity = {key: self.teacher.fingerprint[key] for key in (*IDENTITY, "compute_dtype")}
        self.fingerprint = settings_fingerprint("", **identity)
        self.size_bytes = files_size(model_folder(name, revision))

    def __call__(self, texts, kept_as=None):
        """Returns vectors `float32 (n, D)`, of length 1 for a teacher that is compared by cosine.

        Args:
            kept_as (`str`, *optional*): name of the file, `<kept_as>.safetensors`; not kept if None.
        """
        path = Path(self.folder) / f"{kept_as}.safetensors" if self.folder and kept_as else None
        return cached_vectors(path, list(texts), self.fingerprint, self.encode)

    def encode(self, texts):
        """Returns vectors that are encoded now."""
        vectors = self.teacher.encode(texts)
        if self.teacher.similarity == "cosine":
            vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors


def teacher_of(models):
    """Returns `(name, revision, pooling)` of the teacher that the first student among local folders names.

    Raises:
        ValueError: if none names one.
    """
    for model in models:
        config = student_config(model)
        if config.get("teacher_name"):
            pooling = config.get("teacher_pooling")
            return config["teacher_name"], config.get("teacher_revision"), pooling if pooling in POOLINGS else None
    raise ValueError(
        f"Expected --teacher, or a student whose config.json names its teacher, got neither in {', '.join(models)}."
    )


def student_config(name):
    """Returns what config.json of a local folder holds, {} for any other name; `runtime:` may stand before it."""
    path = Path(name.rpartition(":")[2]) / "config.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def evaluate_systems(sets, plan):
    """Returns the report of `build_report`, with `cascades`, `failures` and `sts_sets`, JSON-safe.

    Args:
        sets (`list[RetrievalSet]`): with all their queries.
        plan (`EvaluationPlan`): what to evaluate on them.

    Raises:
        ValueError: if a name is unknown, or a student's width is not the teacher's.
    """
    if plan.teacher is None:
        plan.teacher, plan.teacher_revision, pooling = teacher_of(plan.models)
        plan.teacher_pooling = plan.teacher_pooling or pooling
    teacher = TeacherVectors(plan)
    documents = {one.name: teacher(one.documents, f"{one.name}.documents") for one in sets}
    queries = {one.name: teacher(one.queries, f"{one.name}.queries") for one in sets}
    top = _result(teacher.name, "teacher", sets, {n: dense_ranking(queries[n], documents[n]) for n in documents})
    top.facts = _facts(plan, sets, teacher.encode, teacher.size_bytes, TIMED_TEACHER_QUERIES)
    words = _words_result(sets) if WORDS in plan.models else None
    results, cascades = [words] if words else [], {}
    pairs = {split: load_sts_pairs(plan.sts, split) for split in STS_SPLITS} if plan.sts else {}
    _teacher_agreement(plan, teacher, top, pairs)
    for name in (model for model in plan.models if model != WORDS):
        plan.say(f"{name} ...")
        encoder = open_encoder(
            name,
            device=plan.device,
            precision=plan.precision,
            threads=plan.threads,
            trust_remote_code=plan.trust_remote_code,
        )
        facts = _facts(plan, sets, encoder.encode_queries, encoder.size_bytes, TIMED_QUERIES)
        facts |= _agreement(plan, teacher, encoder, pairs)
        asked = {one.name: encoder.encode_queries(one.queries) for one in sets}
        found = {one.name: dense_ranking(asked[one.name], _own_documents(plan, encoder, one)) for one in sets}
        ours = [_result(name, "symmetric", sets, found, facts)]
        if encoder.is_student:
            stored = _mapped(name, documents)
            _check_width(name, asked, stored)
            found = {one.name: dense_ranking(asked[one.name], stored[one.name]) for one in sets}
            ours.append(_result(name, "asymmetric", sets, found, facts, base=ours[0]))
            doubt = _doubt(plan, teacher, encoder, name)
            cascades |= _cascade(sets, top, ours[-1], encoder, words, asked, doubt)
        results += ours
        if words:
            results += [_hybrid(sets, one, words) for one in ours]
    students = [result for result in results if result.mode == "asymmetric"]
    report = build_report(sets, top, results, reference=words)
    report["sts_sets"] = list(pairs)
    report["cascades"] = cascades
    report["failures"] = {one.label: worst_queries(sets, top, one, plan.failures) for one in students if plan.failures}
    return report


def _result(name, mode, sets, rankings, facts=None, base=None):
    figures = {one.name: evaluate_ranking(one, rankings[one.name]) for one in sets}
    return SystemResult(name, mode, figures, rankings, dict(facts or {}), base)


def _words_result(sets):
    return _result(WORDS, "words", sets, {one.name: LexicalIndex(one.documents).search(one.queries) for one in sets})


def _hybrid(sets, dense, words):
    sides = [[result.rankings[one.name] for one in sets] for result in (dense, words)]
    fusion, score = tune_fusion(sets, *sides)
    rankings = {one.name: fusion(d, w) for one, d, w in zip(sets, *sides, strict=True)}
    facts = {"fusion": {**fusion.to_dict(), f"dev_{MAIN}": score}}
    facts |= {key: dense.facts[key] for key in ("texts_per_second", "size_bytes") if key in dense.facts}
    return _result(f"{dense.label} + {WORDS}", "hybrid", sets, rankings, facts, base=dense)


def _doubt(plan, teacher, encoder, name):
    """Returns (queries, their vectors) -> guessed distances, fitted on held-out texts, of which no figure is reported.

    Of a folder that the runtime reads, what `search query --teacher-share` asks; of others a guess from vectors alone.
    """
    if not plan.heldout:
        return None
    theirs = teacher(plan.heldout, "heldout")
    config = student_config(name)
    readable = config.get("model_type") == "ngram_encoder" and config.get("folded")
    if readable and len(plan.heldout) >= FEWEST_TEXTS:
        figures = TextFigures(NgramRuntime.from_pretrained(name.removeprefix("runtime:")))
        doubt = fit_query_doubt(figures, plan.heldout, theirs)
        return lambda queries, vectors: doubt.ask(figures, queries)[1]
    doubt = fit_student_doubt(encoder.encode_queries(plan.heldout), theirs)
    return lambda queries, vectors: doubt(vectors)


def _cascade(sets, top, student, encoder, words, asked, doubt):
    queries = {}
    for one in sets:
        unknown = encoder.unknown_share(one.queries) if encoder.unknown_share else None
        other = words.rankings[one.name] if words else None
        guessed = doubt(one.queries, asked[one.name]) if doubt else None
        signals = uncertainty_signals(student.rankings[one.name], unknown, other, guessed)
        figures = (result.figures[one.name][MAIN] for result in (student, top))
        queries[one.name] = CascadeQueries(signals, *figures, one.part("dev"))
    try:
        return {student.label: evaluate_cascade(queries)}
    except ValueError:  # too few queries to choose a signal on: no cascade in the report
        return {}


def _facts(plan, sets, encode, size_bytes, most):
    texts = list(dict.fromkeys(query for one in sets for query in one.queries))[:most]
    return {
        "texts_per_second": measure_texts_per_second(encode, texts, plan.timing_seconds),
        "size_bytes": size_bytes,
    }


def _teacher_agreement(plan, teacher, top, pairs):
    sts = {}
    for split, one in pairs.items():
        vectors = teacher(one.sentences, f"stsb-{split}.sentences")
        place = {sentence: i for i, sentence in enumerate(one.sentences)}
        first, second = ([place[sentence] for sentence in side] for side in (one.first, one.second))
        sts[split] = sts_spearman(vectors[first], vectors[second], one.scores)
    if sts:
        top.facts["sts"] = sts


def _agreement(plan, teacher, encoder, pairs):
    facts = {}
    if pairs:
        facts["sts"] = {split: evaluate_sts(encoder.encode_queries, one) for split, one in pairs.items()}
    if plan.heldout:
        theirs = teacher(plan.heldout, "heldout")
        facts["agreement"] = teacher_agreement(encoder.encode_queries(plan.heldout), theirs, plan.heldout)
    return facts


def _own_documents(plan, encoder, one):
    path = None
    if plan.vectors:
        path = Path(plan.vectors) / encoder.fingerprint[:16] / f"{one.name}.documents.safetensors"
    return cached_vectors(path, one.documents, encoder.fingerprint, encoder.encode_documents)


def _mapped(name, documents):
    folder = Path(name.rpartition(":")[2])
    if not student_config(name).get("document_map"):
        return documents
    document_map = DocumentMap.load(folder / FILE_NAME)
    return {key: document_map(vectors) for key, vectors in documents.items()}


def _check_width(name, asked, stored):
    ours, theirs = (next(iter(vectors.values())).shape[1] for vectors in (asked, stored))
    if ours != theirs:
        raise ValueError(
            f"Expected vectors as wide as the teacher's ({theirs}) from {name}, got {ours}. "
            "Name the teacher it was distilled from with --teacher."
        )
