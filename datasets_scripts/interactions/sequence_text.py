"""Text files of histories in order of time, without times: SASRec's (a pair a line) and S3Rec's (a user a line).

SASRec (W.-C. Kang, J. McAuley 2018, arXiv:1808.09781) and BERT4Rec's data: "user item". S3Rec (K. Zhou et al. 2020,
arXiv:2008.07873): "user item item ...", and `<name>_item2attributes.json`, {item: [attribute, ...]}. The attributes are
numbers whose names are not published; they are read as genres, "17" for 17.
"""

import json
import re

import pyarrow as pa

from traceformers.datasets_scripts.interactions.interaction_columns import RawInteractions
from traceformers.datasets_scripts.interactions.interaction_text import find_file, read_text
from traceformers.datasets_scripts.interactions.item_columns import make_items_table

NOT_A_PAIR = re.compile(r"^[^\S\n]*+(?:\S++[^\S\n]*+$|\S++[^\S\n]++\S++[^\S\n]++\S.*$)", re.MULTILINE)


def has_pairs(text):
    """Returns whether every line of a text has two parts: SASRec's form, and not S3Rec's."""
    return NOT_A_PAIR.search(text) is None


def read_pairs(path, encoding=None):
    """Returns the `RawInteractions` of a file in SASRec's form.

    Raises:
        ValueError: if a line has not two parts.
    """
    text = read_text(path, encoding)
    wrong = NOT_A_PAIR.search(text)
    if wrong is not None:
        number, line = text.count("\n", 0, wrong.start()) + 1, wrong[0]
        raise ValueError(
            f"{path}:{number}: expected a user and an item with a space between, got {line[:80]!r}. Correct the "
            "line, or name the format: 's3rec' for a user with all items in a line, 'table' for more columns."
        )
    parts = text.split()
    columns = {"user": pa.array(parts[0::2], pa.string()), "item": pa.array(parts[1::2], pa.string())}
    return RawInteractions(columns, files=[path], time="order")


def sequence_files(folder):
    """Returns the texts of a folder in S3Rec's form that have attributes beside them, sorted list of `Path`."""
    texts = sorted([*folder.glob("*.txt"), *folder.glob("*.txt.gz")])
    return [text for text in texts if find_file(folder, _attributes_of(text))]


def sequence_file(folder):
    """Returns the one text of a folder in S3Rec's form, `Path`.

    Raises:
        ValueError: there are several.
    """
    files = sequence_files(folder)
    if len(files) != 1:
        raise ValueError(
            f"Expected in {folder} one text with its attributes, got {', '.join(file.name for file in files)}. Name "
            "one of these files."
        )
    return files[0]


def _attributes_of(path):
    return path.name.removesuffix(".gz").removesuffix(".txt") + "_item2attributes.json"


def read_lines(path, attributes=None, encoding=None):
    """Returns the `RawInteractions` of a file in S3Rec's form; a user of two lines has the items of both.

    Args:
        path (`Path`): Beauty.txt, for instance.
        attributes (`Path`, *optional*): JSON; by default <name>_item2attributes.json beside it, if it is there.
        encoding (`str`, *optional*): UTF-8 by default.

    Raises:
        ValueError: if a line has a user and no item, or the attributes are no JSON object.
    """
    users, items = [], []
    for number, line in enumerate(read_text(path, encoding).splitlines(), 1):
        parts = line.split()
        if len(parts) == 1:
            raise ValueError(
                f"{path}:{number}: expected a user and items, got {line[:80]!r}. Remove users without items."
            )
        users += parts[:1] * (len(parts) - 1)
        items += parts[1:]
    attributes = attributes or find_file(path.parent, _attributes_of(path))
    raw = RawInteractions({"user": pa.array(users), "item": pa.array(items)}, files=[path], time="order")
    if attributes is not None:
        raw.files.append(attributes)
        raw.items = read_attributes(attributes)
    return raw


def read_attributes(path):
    """Returns the items table of {item: [attribute, ...]} in JSON, the attributes as genres.

    Raises:
        ValueError: if it is something else.
    """
    try:
        held = json.loads(read_text(path))
        if not all(isinstance(names, list) for names in held.values()):
            raise TypeError("a value that is no list")
        return make_items_table(list(held), genres=[[str(name) for name in names] for names in held.values()])
    except (json.JSONDecodeError, AttributeError, TypeError) as error:
        raise ValueError(
            f"{path}: expected JSON as {{item: [attribute, ...]}}, got {error}. Correct the file."
        ) from error
