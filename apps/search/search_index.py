"""A search index on disk: vectors in FAISS, words in BM25, documents in SQLite, and what made them in index.json.

index = SearchIndex.build("index", "corpus.jsonl", "user/encoder", mode="hybrid")
index.query(["how a folded table works"], top_k=3)[0]

    index.json           model, teacher, hashes of their files, mode, kind, hash of the texts, names of the files below
    documents.sqlite     documents; the number of a row is that of its vector
    vectors.bin          vectors as encoded, so that nothing is encoded twice
    vectors-3.faiss      the FAISS index of generation 3
    words-3/             the BM25 index, where the mode is hybrid

A change writes a new generation beside the one that is answered from and then replaces index.json. Killed at any
moment, the old generation stands, and the same command goes on from the documents encoded so far.
"""

import re
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from traceformers.apps.search import search_vectors
from traceformers.apps.search.search_change import change_index
from traceformers.apps.search.search_corpus import PASSAGE_WORDS
from traceformers.apps.search.search_documents import DocumentStore
from traceformers.apps.search.search_manifest import FORMAT, check_model, check_teacher, read_manifest, write_manifest
from traceformers.apps.search.search_model import SearchModel

MODES = ("symmetric", "asymmetric", "hybrid")
DTYPES = ("float32", "float16")
FUSED_DEPTH = 100  # ranks of each side that hybrid search joins
WORD_WEIGHT = 0.5
SNIPPET_CHARACTERS = 200
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class SearchResult:
    """One answer to a query: similarity, and the document it is.

    Where rankings by vectors and by words are joined, the score is the sum of their reciprocal ranks. `encoded_by` says
    who encoded the query, "student" (the index's model) or "teacher".
    """

    score: float
    id: str
    title: str
    snippet: str
    encoded_by: str = "student"

    def to_dict(self):
        """Returns the fields, JSON-safe."""
        return asdict(self)


class SearchIndex:
    """An index folder, open for questions.

    Args:
        folder (path): what `SearchIndex.build` made.
        model (`str`, *optional*): folder or Hub id of the encoder, where it is no longer at the recorded place.
        revision (`str`, *optional*): of `model`.
        device (`str`, *optional*), threads (`int`), precision (`str`, *optional*): as for `SearchModel`.

    Raises:
        FileNotFoundError: there is no index in the folder.
        ValueError: the index is unfinished, or the model is not the one it was built with.
    """

    def __init__(self, folder, model=None, revision=None, device=None, threads=1, precision=None):
        self.folder = Path(folder)
        manifest = read_manifest(self.folder)
        name, revision = (model, revision) if model else (manifest["model"], revision or manifest["revision"])
        self.model = SearchModel(name, revision, device, threads, precision)
        check_model(manifest, self.model, self.folder)
        # Only when it is needed: a query to the student is right whatever became of the teacher's files.
        self.model.check_teacher = partial(check_teacher, manifest, self.model, self.folder)
        search_vectors.use_threads(threads)
        self._open()

    def _open(self):
        self.manifest = read_manifest(self.folder)
        if not self.manifest["generation"]:
            raise ValueError(
                f"Expected a finished index in {self.folder}, got one whose build was interrupted. "
                "Run the same `traceformers search build` again; it goes on where it stopped."
            )
        self.vectors = search_vectors.read_index(self.folder / self.manifest["files"]["vectors"])
        self.words = None
        if self.manifest["mode"] == "hybrid":
            from traceformers.apps.search.search_words import WordIndex

            self.words = WordIndex(self.folder / self.manifest["files"]["words"], self.manifest["language"])
        self.documents = DocumentStore(self.folder / "documents.sqlite")

    def __len__(self):
        return self.manifest["documents"]

    def query(self, texts, top_k=10, word_weight=None, teacher_share=0.0):
        """Returns for each query a list of at most `top_k` `SearchResult`, best first.

        Args:
            texts (`list[str]`): queries.
            top_k (`int`): answers for each.
            word_weight (`float`, *optional*): weight of the ranking by words in hybrid search, 0 to 1, by default
                what the index records; the ranking by vectors has the rest.
            teacher_share (`float`): share of queries, 0 to 1, that the teacher encodes in place of the student, for an
                index whose documents are the teacher's: those of most doubt, by `student_doubt.safetensors` of the
                student's repository. The teacher is loaded with the first of them.

        Raises:
            ValueError: for values out of range, a weight of words where the index has no words, or a share for the
                teacher where the documents are not the teacher's or the repository holds no doubt.
        """
        if isinstance(texts, str) or top_k < 1:
            raise ValueError(
                f"Expected a list of queries and top_k of at least 1, got {type(texts).__name__}, {top_k}."
            )
        if word_weight is not None and (self.words is None or not 0 <= word_weight <= 1):
            raise ValueError(
                f"Expected a weight of words of 0 to 1 for a hybrid index, got {word_weight} for an index of mode "
                f"{self.manifest['mode']}. Leave it out, or build with --mode hybrid."
            )
        if not texts:
            return []
        vectors, by_teacher = self._encode(texts, teacher_share)
        depth = top_k if self.words is None else max(top_k, FUSED_DEPTH)
        scores, rows = self._nearest(vectors, depth)
        if self.words is not None:
            from traceformers.training.evaluation.rank_fusion import Fusion
            from traceformers.training.evaluation.ranked_evaluation import Ranking

            weight = self.manifest.get("word_weight", WORD_WEIGHT) if word_weight is None else word_weight
            fused = Fusion(weight)(Ranking(scores, rows), self.words.nearest(texts, depth), depth)
            scores, rows = fused.scores, fused.positions
        answers = []
        for text, taught, found, near in zip(texts, by_teacher, scores, rows, strict=True):
            ranked = [(int(row), float(score)) for row, score in zip(near, found, strict=True) if row >= 0][:top_k]
            held = self.documents.get([row for row, _ in ranked], self.manifest["generation"])
            answers.append([_result(text, score, held[row], taught) for row, score in ranked if row in held])
        return answers

    def _encode(self, texts, teacher_share):
        """Returns the vectors of queries float32 (Q, D), and which of them the teacher made, bool (Q,)."""
        if teacher_share and self.manifest["documents_by"] != "teacher":
            raise ValueError(
                f"Expected an index whose documents the teacher encoded, to compare its queries with, got one by the "
                f"student in {self.folder}. Leave the share for the teacher out, or build with --mode asymmetric."
            )
        by_teacher = self.model.to_teacher(texts, teacher_share)
        vectors = np.empty((len(texts), self.manifest["dimension"]), dtype=np.float32)
        for chosen, encode in (
            (~by_teacher, self.model.encode_queries),
            (by_teacher, self.model.encode_queries_by_teacher),
        ):
            if chosen.any():
                vectors[chosen] = encode([text for text, one in zip(texts, chosen, strict=True) if one])
        return vectors, by_teacher

    def _nearest(self, vectors, depth):
        """Returns scores (Q, k) and rows (Q, k) of the nearest documents; of codes, by their whole vectors."""
        if self.manifest["index"] != "ivfpq":
            return search_vectors.nearest(self.vectors, vectors, depth)
        _, rows = search_vectors.nearest(self.vectors, vectors, search_vectors.REFINED * depth)
        file = search_vectors.VectorFile(
            self.folder / "vectors.bin", self.manifest["dimension"], self.manifest["dtype"]
        )
        return search_vectors.refined(rows, file.open(self.documents.last_row() + 1), vectors, depth)

    def close(self):
        """Closes the files."""
        self.documents.close()

    @classmethod
    def build(
        cls,
        folder,
        corpus,
        model,
        revision=None,
        index="flat",
        mode="symmetric",
        dtype="float32",
        language="english",
        passage_words=PASSAGE_WORDS,
        word_weight=None,
        device=None,
        threads=1,
        precision=None,
        progress=False,
    ):
        """Returns the index of a corpus, made in `folder`.

        An unfinished build of the same settings goes on; a finished one is brought to the corpus as it is now, and only
        what is new or changed is encoded.

        Args:
            folder (path): where the index is kept.
            corpus (path): as for `iterate_documents`.
            model (`str`): folder or Hub id of the encoder; revision (`str`): of a Hub id.
            index (`str`): "flat" (exact), "ivfpq" (small) or "hnsw" (fast).
            mode (`str`): "symmetric", documents by the student; "asymmetric", documents by the teacher that the
                repository names; "hybrid", joined with BM25, documents by the teacher if the repository leaves them to
                it.
            dtype (`str`): of `vectors.bin`, "float32" or "float16".
            language (`str`): whose stop words and endings BM25 drops, or "none".
            passage_words (`int`): of passages of files in a folder.
            word_weight (`float`, *optional*): weight of the ranking by words in answers of a hybrid index, 0 to 1, by
                default 0.5, or what the index that is there records; recorded, and may be changed by another build.
            device, threads, precision: as for `SearchModel`.
            progress (`bool`): show a progress bar.

        Raises:
            ValueError: for unknown settings, an index of other settings or of another model in the folder, or a corpus
                that cannot be read.
        """
        for name, value, choices in (
            ("mode", mode, MODES),
            ("dtype", dtype, DTYPES),
            ("index", index, search_vectors.KINDS),
        ):
            if value not in choices:
                raise ValueError(f"Expected {name} to be one of {', '.join(choices)}, got {value!r}. Choose one.")
        if mode == "hybrid":
            from traceformers.apps.search.search_words import check_language

            check_language(language)
        if word_weight is not None and (mode != "hybrid" or not 0 <= word_weight <= 1):
            raise ValueError(
                f"Expected a weight of words of 0 to 1 for mode hybrid, got {word_weight} for mode {mode}. "
                "Leave it out, or build with --mode hybrid."
            )
        folder, encoder = Path(folder), SearchModel(model, revision, device, threads, precision)
        by_teacher = mode == "asymmetric" or (mode == "hybrid" and encoder.documents_by_teacher)
        settings = {
            "mode": mode,
            "index": index,
            "dtype": dtype,
            "passage_words": passage_words,
            "language": language if mode == "hybrid" else None,
            "documents_by": "teacher" if by_teacher else "student",
        }
        if (folder / "index.json").is_file():
            held = read_manifest(folder)
            check_model(held, encoder, folder)
            check_teacher(held, encoder, folder)
            for key, value in settings.items():
                if held[key] != value:
                    raise ValueError(
                        f"Expected an index with {key} {value!r} in {folder}, found one with {held[key]!r}. "
                        "Name another folder, or give the settings of the index that is there."
                    )
        elif folder.is_dir() and any(folder.iterdir()):
            raise ValueError(
                f"Expected an empty folder or an index at {folder}, found other files. Name another folder."
            )
        else:
            dimension = encoder.encode_queries([""]).shape[1]
            width = encoder.encode_documents([""], by_teacher).shape[1]
            if width != dimension:
                raise ValueError(
                    f"Expected documents of the width of queries, {dimension}, got {width} from the teacher "
                    f"{encoder.teacher}. Name the teacher that {encoder.name} was distilled from."
                )
            folder.mkdir(parents=True, exist_ok=True)
            made_from = {
                "format": FORMAT,
                "generation": 0,
                "model": encoder.name,
                "revision": encoder.revision,
                "sha256": encoder.hashes,
                "teacher": encoder.teacher if by_teacher else None,
                "teacher_revision": encoder.teacher_revision if by_teacher else None,
                "teacher_pooling": encoder.teacher_pooling if by_teacher else None,
                "teacher_sha256": encoder.teacher_sha256 if by_teacher else None,
                "document_map_sha256": encoder.document_map_sha256 if by_teacher else None,
                "similarity": encoder.similarity,
                "dimension": dimension,
            }
            weight = WORD_WEIGHT if mode == "hybrid" else None
            write_manifest(folder, {**made_from, **settings, "word_weight": weight, "documents": 0, "files": {}})
        search_vectors.use_threads(threads)
        change_index(folder, encoder, corpus, remove_missing=True, progress=progress, word_weight=word_weight)
        return cls(folder, model, revision, device, threads, precision)

    def add(self, corpus=None, remove=(), remove_missing=False, progress=False):
        """Adds new documents, replaces changed ones, and returns {"added": n, "removed": m, "encoded": k}.

        A document is known by its id and the hash of what it says; a text that is there already, even under another
        id, is not encoded again.

        Args:
            corpus (path, *optional*): as for `iterate_documents`.
            remove (iterable of `str`): ids to remove.
            remove_missing (`bool`): remove what the corpus does not hold.
            progress (`bool`): show a progress bar.

        Raises:
            ValueError: the corpus cannot be read, or an id to remove is not there.
        """
        done = change_index(self.folder, self.model, corpus, remove, remove_missing, progress)
        self.close()
        self._open()
        return done


def _result(query, score, document, by_teacher):
    encoded_by = "teacher" if by_teacher else "student"
    return SearchResult(score, document.id, document.title, snippet(document.text, query), encoded_by)


def snippet(text, query, characters=SNIPPET_CHARACTERS):
    """Returns the part of a text where most words of the query stand close together, on one line.

    >>> snippet("one " * 60 + "the walrus sleeps", "walrus", 20)
    '... one one the walrus sleeps'
    """
    text = " ".join(text.split())
    if len(text) <= characters:
        return text
    asked = {word.lower() for word in _WORD.findall(query)}
    places = [match.start() for match in _WORD.finditer(text) if match[0].lower() in asked]
    best, end = 0, 0
    start = 0
    for first, place in enumerate(places):
        end = max(end, first)
        while end < len(places) and places[end] < place + characters:
            end += 1
        if end - first > best:
            best, start = end - first, place
    if start + characters > len(text):
        start = len(text) - characters
    elif best:
        start = max(0, start - characters // 4)
    if start:
        start = text.find(" ", start - 1) + 1 or start
    stop = start + characters
    if stop < len(text):
        stop = max(text.rfind(" ", start, stop), start + 1)
    return ("... " if start else "") + text[start:stop] + (" ..." if stop < len(text) else "")
