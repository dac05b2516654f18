"""A tokenizer small enough to learn in a test, and rrweb events made by hand.

Builders take node ids and give what rrweb 2 emits; `page(...)` is the Meta and the FullSnapshot of one page.
"""

import tempfile
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

from traceformers.tokenization.rrweb.learn_rrweb_vocabulary import (
    count_words,
    learn_bpe,
    structural_vocabulary,
    write_vocabulary,
)
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer

GOLDEN = Path(__file__).parent / "golden" / "wrapped"
SOURCE = GOLDEN / "source.json.gz"
START = 1_700_000_000_000

_folder = tempfile.TemporaryDirectory(prefix="tiny-rrweb-")


@cache
def tokenizer_folder(text_vocab_size=400, **options):
    """Returns a folder with a tokenizer whose text vocabulary is learned from the golden session."""
    folder = Path(_folder.name) / "-".join(map(str, (text_vocab_size, *sorted(options))))
    counter, _ = count_words([SOURCE], structural_vocabulary())
    write_vocabulary(folder, learn_bpe(counter.counts, text_vocab_size))
    files = (folder / "structural_vocab.json", folder / "text_bpe.json")
    RRWebTokenizer(*files, **options).save_pretrained(folder)
    return folder


@cache
def tiny_tokenizer(text_vocab_size=400, **options):
    """Returns the tokenizer of `tokenizer_folder`."""
    return RRWebTokenizer.from_pretrained(tokenizer_folder(text_vocab_size, **options))


# -- nodes ------------------------------------------------------------------------------------------------


def text(node_id, content):
    return {"type": 3, "id": node_id, "textContent": content}


def element(node_id, tag, *children, **attributes):
    """Returns an element; a child that is a `str` becomes the text node `1000 + node_id`."""
    attributes = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    nodes = [text(1000 + node_id, child) if isinstance(child, str) else child for child in children]
    return {"type": 2, "id": node_id, "tagName": tag, "attributes": attributes, "childNodes": nodes}


def document(*children, node_id=1):
    """Returns a document whose body (id 3) holds `children`."""
    body = element(3, "body", *children)
    return {"type": 0, "id": node_id, "childNodes": [{"type": 1, "id": 900, "name": "html"}, element(2, "html", body)]}


# -- events -----------------------------------------------------------------------------------------------


def event(event_type, data, time=0):
    return {"type": event_type, "data": data, "timestamp": START + time}


def meta(href="https://shop.test/cart", time=0, width=1280, height=800):
    return event(4, {"href": href, "width": width, "height": height}, time)


def snapshot(*children, time=10, top=0):
    return event(2, {"node": document(*children), "initialOffset": {"left": 0, "top": top}}, time)


def page(*children, href="https://shop.test/cart", time=0):
    """Returns the Meta and the FullSnapshot of one page."""
    return [meta(href, time), snapshot(*children, time=time + 10)]


def incremental(source, time=100, **data):
    return event(3, {"source": source, **data}, time)


def mutation(time=100, adds=(), removes=(), texts=(), attributes=(), **more):
    lists = {"adds": list(adds), "removes": list(removes), "texts": list(texts), "attributes": list(attributes)}
    return incremental(0, time, **lists, **more)


def add(parent_id, node, next_id=None):
    return {"parentId": parent_id, "nextId": next_id, "node": node}


def remove(parent_id, node_id):
    return {"parentId": parent_id, "id": node_id}


def text_change(node_id, value):
    return {"id": node_id, "value": value}


def attribute_change(node_id, **attributes):
    return {"id": node_id, "attributes": {k.rstrip("_").replace("_", "-"): v for k, v in attributes.items()}}


def interaction(kind, node_id, time=100, x=640, y=400, **more):
    return incremental(2, time, type=kind, id=node_id, x=x, y=y, **more)


def click(node_id, time=100, **more):
    return interaction(2, node_id, time, **more)


def typed(node_id, value, time=100, checked=False, **more):
    return incremental(5, time, id=node_id, text=value, isChecked=checked, **more)


def moved(points, time=100, source=1):
    positions = [{"x": x, "y": y, "id": node_id, "timeOffset": 0} for x, y, node_id in points]
    return incremental(source, time, positions=positions)


# -- reading the result -----------------------------------------------------------------------------------


def names(ids, tok=None):
    """Returns the tokens of ids; a run of text ids as one string in quotes."""
    tok = tok or tiny_tokenizer()
    found, run = [], []
    for i in [*map(int, ids), None]:
        if i is not None and i >= tok.structural_vocab_size:
            run.append(i)
            continue
        if run:
            found.append(f'"{tok.decode(run)}"')
            run = []
        if i is not None:
            found.append(tok.id_to_token[i])
    return found


def event_names(events, index=-1, tok=None):
    """Returns the tokens (see `names`) of one event of a session, its gap first."""
    tok = tok or tiny_tokenizer()
    session = tok.tokenize_session(events)
    offsets = session.event_offsets.tolist()
    index = index % (len(offsets) - 1)
    return names(session.ids[offsets[index] : offsets[index + 1]], tok)


def mirror_tree(mirror, root_id):
    """Returns `(id, [children ...])` of what a `DomMirror` holds below a node."""
    return root_id, [mirror_tree(mirror, child["id"]) for child in mirror.children(root_id)]


# -- generated sessions -----------------------------------------------------------------------------------

WORDS = ["Buy now", "milk", "Cart", "Größe", "東京", "", " ", "a" * 300, "sign in " * 40, "[MASK]", "***"]


@st.composite
def sessions(draw, largest_event=12):
    """Generates sessions of one or two pages with all kinds of events on known and unknown nodes."""
    tags = st.sampled_from(["div", "p", "button", "input", "li", "my-widget", "section", "style"])
    words = st.sampled_from(WORDS)
    time, events, next_id = 0, [], 10
    for _ in range(draw(st.integers(1, 2))):
        n_nodes = draw(st.integers(0, largest_event))
        nodes = [element(next_id + i, draw(tags), draw(words), title=draw(words)) for i in range(n_nodes)]
        next_id += n_nodes
        events += page(*nodes, href=draw(st.sampled_from(["https://a.test/", "https://b.test/x?q=1#top"])), time=time)
        time += 20
        for _ in range(draw(st.integers(0, 6))):
            time += draw(st.sampled_from([0, 1, 30, 400, 5000]))
            node_id = draw(st.integers(0, next_id + 2))
            kind = draw(st.integers(0, 8))
            if kind == 0:
                children = [element(next_id + i, draw(tags), draw(words)) for i in range(draw(st.integers(0, 4)))]
                next_id += len(children)
                events.append(mutation(time, adds=[add(3, child) for child in children]))
            elif kind == 1:
                events.append(mutation(time, removes=[remove(3, node_id)], texts=[text_change(node_id, draw(words))]))
            elif kind == 2:
                change = attribute_change(node_id, class_=draw(words), title=draw(words))
                events.append(mutation(time, attributes=[change]))
            elif kind == 3:
                events.append(interaction(draw(st.integers(0, 11)), node_id, time))
            elif kind == 4:
                events.append(typed(node_id, draw(words), time))
            elif kind == 5:
                events.append(incremental(3, time, id=node_id, x=0, y=draw(st.integers(0, 3000))))
            elif kind == 6:
                events.append(moved([(5, 5, node_id)] * draw(st.integers(0, 5)), time))
            elif kind == 7:
                events.append(event(5, {"tag": draw(words), "payload": {"k": [1, draw(words), None]}}, time))
            else:
                events.append(incremental(draw(st.integers(0, 20)), time, id=node_id))
    return events
