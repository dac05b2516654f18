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
from pathlib import Path

from traceformers.apps.search import search_vectors
from traceformers.apps.search.search_change import change_index
from traceformers.apps.search.search_corpus import PASSAGE_WORDS
from traceformers.apps.search.search_documents import DocumentStore
from traceformers.apps.search.search_manifest import FORMAT, check_model, read_manifest, write_manifest
from traceformers.apps.search.search_model import SearchModel

MODES = ("symmetric", "asymmetric", "hybrid")
DTYPES = ("float32", "float16")
FUSED_DEPTH = 100  # ranks of each side that hybrid search joins
WORD_WEIGHT = 0.5
SNIPPET_CHARACTERS = 200
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class SearchResult:
    """One answer to a query: similarity (of hybrid: fused reciprocal ranks), and the document it is."""

    score: float
    id: str
    title: str
    snippet: str

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

    def query(self, texts, top_k=10, word_weight=None):
        """Returns for each query a list of at most `top_k` `SearchResult`, best first.

        Args:
            texts (`list[str]`): queries.
            top_k (`int`): answers for each.
            word_weight (`float`, *optional*): weight of the ranking by words in hybrid search, 0 to 1, by default
                0.5; the ranking by vectors has the rest.

        Raises:
            ValueError: for values out of range, or a weight of words where the index has no words.
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
        depth = top_k if self.words is None else max(top_k, FUSED_DEPTH)
        scores, rows = search_vectors.nearest(self.vectors, self.model.encode_queries(texts), depth)
        answers = []
        for text, found, near in zip(texts, scores, rows, strict=True):
            ranked = [(int(row), float(score)) for row, score in zip(near, found, strict=True) if row >= 0]
            if self.words is not None:
                from traceformers.apps.search.search_words import fuse_rankings

                by_words = self.words.nearest(text, depth)
                weight = WORD_WEIGHT if word_weight is None else word_weight
                ranked = fuse_rankings([row for row, _ in ranked], by_words, weight)
            ranked = ranked[:top_k]
            held = self.documents.get([row for row, _ in ranked], self.manifest["generation"])
            answers.append([self._result(text, score, held[row]) for row, score in ranked if row in held])
        return answers

    def _result(self, query, score, document):
        return SearchResult(score, document.id, document.title, snippet(document.text, query))

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
                "similarity": encoder.similarity,
                "dimension": dimension,
            }
            write_manifest(folder, {**made_from, **settings, "documents": 0, "files": {}})
        search_vectors.use_threads(threads)
        change_index(folder, encoder, corpus, remove_missing=True, progress=progress)
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
