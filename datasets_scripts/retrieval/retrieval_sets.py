"""A retrieval set as a `datasets` builder: its corpus, its queries or its grades, for streaming, Parquet and the Hub.

    builder = RetrievalSets(name="queries", folder="data/scifact")
    builder.download_and_prepare()
    dataset = builder.as_dataset(split="test")                           # or builder.as_streaming_dataset()

Three configurations, by `name`: "corpus" (one split, "corpus"), "queries" and "grades" (the split of the qrels).
"""

from dataclasses import dataclass

import datasets

from traceformers.datasets_scripts.retrieval.retrieval_folder import load_retrieval_set, query_part

TEXT, NUMBER = datasets.Value("string"), datasets.Value("int32")
COLUMNS = {
    "corpus": {"id": TEXT, "text": TEXT},
    "queries": {"id": TEXT, "text": TEXT, "part": TEXT},
    "grades": {"query_id": TEXT, "document_id": TEXT, "grade": NUMBER},
}


@dataclass
class RetrievalSetsConfig(datasets.BuilderConfig):
    """Settings of `RetrievalSets`.

    Attributes:
        folder (`str`): folder in the layout of BEIR.
        qrels (`str`): name of the file of grades, without `.tsv`.
    """

    folder: str | None = None
    qrels: str = "test"


class RetrievalSets(datasets.GeneratorBasedBuilder):
    """One row a document, a query or a grade; "part" of a query is "dev" or "test", see `query_part`."""

    BUILDER_CONFIG_CLASS = RetrievalSetsConfig
    BUILDER_CONFIGS = [RetrievalSetsConfig(name=name, version=datasets.Version("1.0.0")) for name in COLUMNS]  # noqa: RUF012

    def _info(self):
        return datasets.DatasetInfo(
            description="A corpus, queries and grades.", features=datasets.Features(COLUMNS[self.config.name])
        )

    def _split_generators(self, dl_manager):
        if not self.config.folder:
            raise ValueError("Expected folder=, the path of a folder in the layout of BEIR, got none.")
        split = "corpus" if self.config.name == "corpus" else self.config.qrels
        return [datasets.SplitGenerator(name=split, gen_kwargs={"folder": self.config.folder})]

    def _generate_examples(self, folder):
        loaded = load_retrieval_set(folder, self.config.qrels)
        if self.config.name == "corpus":
            rows = ({"id": i, "text": text} for i, text in zip(loaded.document_ids, loaded.documents, strict=True))
        elif self.config.name == "queries":
            pairs = zip(loaded.query_ids, loaded.queries, strict=True)
            rows = ({"id": i, "text": text, "part": query_part(i)} for i, text in pairs)
        else:
            rows = (
                {"query_id": query, "document_id": loaded.document_ids[document], "grade": grade}
                for query, grades in zip(loaded.query_ids, loaded.judged, strict=True)
                for document, grade in grades.items()
            )
        yield from enumerate(rows)
