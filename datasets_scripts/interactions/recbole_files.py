"""RecBole's atomic files (github.com/RUCAIBox/RecBole): .inter, .item, and a knowledge graph in .kg and .link.

Tab-separated, with headers like "user_id:token" and "class:token_seq"; a sequence has spaces between its parts.
Directors and writers come from the graph of Freebase that .link ties the items to: ids of that graph, not names.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from traceformers.datasets_scripts.interactions.interaction_columns import find_column, raw_from_table, read_table
from traceformers.datasets_scripts.interactions.interaction_ids import id_texts
from traceformers.datasets_scripts.interactions.interaction_text import find_file
from traceformers.datasets_scripts.interactions.item_columns import make_items_table, split_names

# Relation: whether its head is the film (else its tail is).
DIRECTORS = {"film.film.directed_by": True, "film.director.film": False}
WRITERS = {"film.film.written_by": True, "film.writer.film": False}


def read_recbole(path, asked=None):
    """Returns the `RawInteractions` of a RecBole data set; .item, .kg and .link may be absent.

    Args:
        path (`Path`): the .inter file, or a folder that holds one.
        asked (`dict`, *optional*): {role: column}, with or without its type.

    Raises:
        FileNotFoundError: if there is no .inter file.
        ValueError: if there are several, or a file cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        found = sorted({*path.glob("*.inter"), *path.glob("*.inter.gz")})
        if not found:
            raise FileNotFoundError(f"Expected a file .inter in {path}, found none. Name another folder, or a format.")
        if len(found) > 1:
            listed = ", ".join(file.name for file in found)
            raise ValueError(f"Expected one file .inter in {path}, got {listed}. Name one of them.")
        path = found[0]
    stem = path.name.removesuffix(".gz").removesuffix(".inter")
    raw = raw_from_table(read_table(path, "\t"), str(path), asked, files=[path])
    item, graph, link = (find_file(path.parent, f"{stem}.{kind}") for kind in ("item", "kg", "link"))
    facts = _read_items(item) if item is not None else {}
    if item is not None:
        raw.files.append(item)
    if graph is not None and link is not None:
        raw.files += [graph, link]
        entity_of = _read_links(link)
        facts.setdefault("items", list(entity_of))
        directors, writers = _read_graph(graph, set(entity_of.values()))
        facts["directors"] = [directors.get(entity_of.get(item), []) for item in facts["items"]]
        facts["writers"] = [writers.get(entity_of.get(item), []) for item in facts["items"]]
    raw.items = make_items_table(**facts) if facts else None
    return raw


def _read_items(path):
    table = read_table(path, "\t")
    names = table.column_names
    item = find_column(names, "item", None, str(path))
    facts = {"items": _ids(table.column(item))}
    for role, field in (("title", "titles"), ("year", "years"), ("genres", "genres")):
        found = find_column([name for name in names if name != item], role, None, str(path), required=False)
        if found is not None:
            column = table.column(found)
            facts[field] = split_names(column, " ") if role == "genres" else column
    if "years" in facts:  # its ML-100K has "V" and "unkonwn" among the years
        dated = pc.match_substring_regex(facts["years"], r"^\s*\d{4}(\.0)?\s*$")
        facts["years"] = pc.if_else(dated, facts["years"], pa.scalar(None, pa.string()))
    return facts


def _read_links(path):
    table = read_table(path, "\t")
    if len(table.column_names) != 2:
        raise ValueError(f"{path}: expected the columns item and entity, got {table.column_names}. Correct the file.")
    return dict(zip(_ids(table.column(0)), table.column(1).to_pylist(), strict=True))


def _read_graph(path, entities):
    table = read_table(path, "\t")
    if len(table.column_names) != 3:
        raise ValueError(f"{path}: expected the columns head, relation and tail, got {table.column_names}. Correct it.")
    found = []
    for relations in (DIRECTORS, WRITERS):
        rows = table.filter(pc.is_in(table.column(1), pa.array(list(relations))))
        people = {}
        for head, relation, tail in zip(*(column.to_pylist() for column in rows.columns), strict=True):
            film, person = (head, tail) if relations[relation] else (tail, head)
            if film in entities:
                people.setdefault(film, {})[person] = None
        found.append({film: list(names) for film, names in people.items()})
    return found


def _ids(column):
    return id_texts(column, "item").cast(pa.string()).to_pylist()
