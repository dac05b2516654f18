"""The documents of an index: one SQLite file that survives a kill at any moment.

Every row is a document with the number of the generation that added it and, once replaced, of the one that removed it.
Generation g is what the index answers from; a writer adds rows of generation g + 1 until the index moves on, so readers
are undisturbed and a writer that was killed goes on where it stopped. The row number is the number of its vector.
"""

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np

from traceformers.apps.search.search_corpus import Document

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    row INTEGER PRIMARY KEY, id TEXT NOT NULL, sha BLOB NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL,
    added INTEGER NOT NULL, removed INTEGER
);
CREATE INDEX IF NOT EXISTS documents_by_id ON documents (id);
CREATE INDEX IF NOT EXISTS documents_by_sha ON documents (sha);
"""


def content_sha256(document):
    """Returns the SHA-256 (32 bytes) of what a document says, title and text."""
    title = document.title.encode()
    return hashlib.sha256(len(title).to_bytes(8, "little") + title + document.text.encode()).digest()


class DocumentStore:
    """The documents of an index folder.

    Args:
        path (path): the SQLite file; made when missing if `write`.
        write (`bool`): open for changes.
    """

    def __init__(self, path, write=False):
        path = Path(path).resolve()
        if write:
            self.connection = sqlite3.connect(path, timeout=60)
            self.connection.execute("PRAGMA synchronous = FULL")
            self.connection.executescript(_SCHEMA)
            self.connection.execute("CREATE TEMP TABLE seen (id TEXT PRIMARY KEY) WITHOUT ROWID")
        else:
            # "rw", where the folder allows it: a reader may have to roll back what a killed writer began.
            mode = "rw" if os.access(path.parent, os.W_OK) else "ro"
            self.connection = sqlite3.connect(
                f"{path.as_uri()}?mode={mode}", uri=True, timeout=60, check_same_thread=False
            )

    def close(self):
        self.connection.close()

    # --- reading --------------------------------------------------------------------------------------------

    def get(self, rows, generation):
        """Returns {row: Document} of those of `rows` that generation holds; others are left out."""
        found = {}
        for start in range(0, len(rows), 500):  # SQLite limits the parameters of one statement
            part = [int(row) for row in rows[start : start + 500]]
            marks = ",".join("?" * len(part))
            for row, *fields in self.connection.execute(
                f"SELECT row, id, title, text FROM documents WHERE row IN ({marks}) AND added <= ?", (*part, generation)
            ):
                found[row] = Document(*fields)
        return found

    def rows(self, generation):
        """Returns the rows, int64 ascending, that `generation` answers from."""
        cursor = self.connection.execute(
            "SELECT row FROM documents WHERE added <= ?1 AND (removed IS NULL OR removed > ?1) ORDER BY row",
            (generation,),
        )
        return np.fromiter((row for (row,) in cursor), dtype=np.int64)

    def texts(self, generation):
        """Yields the encoded text of each of `rows(generation)`, in their order."""
        with closing(self.connection.cursor()) as cursor:
            for title, text in cursor.execute(
                "SELECT title, text FROM documents WHERE added <= ?1 AND (removed IS NULL OR removed > ?1) "
                "ORDER BY row",
                (generation,),
            ):
                yield Document("", title, text).encoded_text

    def texts_sha256(self, generation):
        """Returns the SHA-256 of all ids and contents in the order of ids, however the documents came in."""
        digest = hashlib.sha256()
        for identity, sha in self.connection.execute(
            "SELECT id, sha FROM documents WHERE added <= ?1 AND (removed IS NULL OR removed > ?1) ORDER BY id",
            (generation,),
        ):
            digest.update(len(identity.encode()).to_bytes(8, "little") + identity.encode() + sha)
        return digest.hexdigest()

    def last_row(self):
        """Returns the highest row number there is, -1 when there is none."""
        return self.connection.execute("SELECT ifnull(max(row), -1) FROM documents").fetchone()[0]

    # --- writing --------------------------------------------------------------------------------------------

    def begin(self, generation):
        """Takes up a change of `generation`: what an earlier one removed goes, what an unfinished one added stays."""
        with self.connection:
            self.connection.execute("DELETE FROM documents WHERE removed <= ?", (generation,))
            self.connection.execute("UPDATE documents SET removed = NULL")
        self.connection.execute("DELETE FROM seen")
        taken = np.fromiter((row for (row,) in self.connection.execute("SELECT row FROM documents")), dtype=np.int64)
        free = np.ones(int(taken.max(initial=-1)) + 1, dtype=bool)
        free[taken] = False
        self._free = np.flatnonzero(free).tolist()[::-1]  # rows of removed documents are used again, lowest first
        self._next = len(free)

    def plan(self, documents, generation):
        """Returns the documents that are not in the store as they are, as [(document, sha, row to copy or None)].

        Args:
            documents (`list[Document]`): a part of the corpus.
            generation (`int`): the one that is answered from now.

        Raises:
            ValueError: an id came before in this change.
        """
        changed = []
        with self.connection:
            for document in documents:
                try:
                    self.connection.execute("INSERT INTO seen VALUES (?)", (document.id,))
                except sqlite3.IntegrityError:
                    raise ValueError(
                        f"Expected each id once in the corpus, got {document.id!r} twice. "
                        "Give documents ids of their own."
                    ) from None
                sha = content_sha256(document)
                # At most two rows: the one answered from, and one that an unfinished change added.
                held = self.connection.execute("SELECT added, sha FROM documents WHERE id = ?", (document.id,))
                held = {added > generation: known for added, known in held}
                if held.get(False) == sha:
                    self._forget(document.id, generation)
                elif held.get(True) != sha:
                    # The same text under another id: a moved file, or the lines below an inserted one.
                    same = self.connection.execute("SELECT row FROM documents WHERE sha = ? LIMIT 1", (sha,)).fetchone()
                    changed.append((document, sha, same and same[0]))
        return changed

    def _forget(self, identity, generation):
        self.connection.execute("DELETE FROM documents WHERE id = ? AND added > ?", (identity, generation))

    def allocate(self, count):
        """Returns `count` free row numbers."""
        rows = [self._free.pop() for _ in range(min(count, len(self._free)))]
        more = count - len(rows)
        rows += range(self._next, self._next + more)
        self._next += more
        return rows

    def insert(self, rows, changed, generation):
        """Adds documents of the generation after `generation`, all or none."""
        with self.connection:
            for row, (document, sha, _) in zip(rows, changed, strict=True):
                self._forget(document.id, generation)
                self.connection.execute(
                    "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, NULL)",
                    (row, document.id, sha, document.title, document.text, generation + 1),
                )

    def settle(self, generation, remove=(), remove_missing=False):
        """Ends a change: decides which rows the generation after `generation` is without.

        Args:
            remove (iterable of `str`): ids that go.
            remove_missing (`bool`): all ids go that `plan` was not given.

        Raises:
            ValueError: an id to remove is not in the index, or in the corpus that is being added.
        """
        gone = "UPDATE documents SET removed = ?1 + 1 WHERE added <= ?1 AND "
        with self.connection:
            # Left by a change that was not finished and is not the one that ends here.
            self.connection.execute(
                "DELETE FROM documents WHERE added > ? AND id NOT IN (SELECT id FROM seen)", (generation,)
            )
            for identity in remove:
                named = self.connection.execute("SELECT 1 FROM seen WHERE id = ?", (identity,)).fetchone()
                if named or not self.connection.execute(gone + "id = ?2", (generation, identity)).rowcount:
                    where = "in the corpus that is added" if named else "not in the index"
                    raise ValueError(
                        f"Expected ids of the index to remove, got {identity!r}, which is {where}. Leave it out."
                    )
            self.connection.execute(gone + "id IN (SELECT id FROM documents WHERE added > ?1)", (generation,))
            if remove_missing:
                self.connection.execute(gone + "id NOT IN (SELECT id FROM seen)", (generation,))

    def counts(self, generation):
        """Returns how many documents the next generation adds and how many rows it removes."""
        (added,) = self.connection.execute("SELECT count(*) FROM documents WHERE added > ?", (generation,)).fetchone()
        (removed,) = self.connection.execute(
            "SELECT count(*) FROM documents WHERE removed > ?", (generation,)
        ).fetchone()
        return added, removed

    def purge(self, generation):
        """Deletes what `generation`, now answered from, has removed."""
        with self.connection:
            self.connection.execute("DELETE FROM documents WHERE removed <= ?", (generation,))
