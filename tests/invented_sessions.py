"""Small rrweb sessions made by hand: a page with some elements, and what somebody did on it."""

import json


def element(node_id, tag, text=None, **attributes):
    """Returns the rrweb node of an element; its text, if any, is the node `node_id + 1`."""
    children = [] if text is None else [{"type": 3, "id": node_id + 1, "textContent": text}]
    return {"type": 2, "id": node_id, "tagName": tag, "attributes": attributes, "childNodes": children}


def session(buttons, clicks=(), typed=None, paragraph=None):
    """Returns the events of a visit to a page with buttons.

    Args:
        buttons: their texts; button i is node 10 + 2 * i.
        clicks: numbers of the buttons that are clicked, 0.7 s apart.
        typed: what is typed into the page's one text field, node 6, or None.
        paragraph: text of a paragraph, node 4.
    """
    nodes = [element(10 + 2 * number, "button", text) for number, text in enumerate(buttons)]
    body = element(3, "body")
    body["childNodes"] = [element(4, "p", paragraph or "Welcome"), element(6, "input", type="text"), *nodes]
    html = element(2, "html", lang="en")
    html["childNodes"] = [body]
    visit = {"href": "https://shop.example/cart", "width": 1280, "height": 720}
    snapshot = {"node": {"type": 0, "id": 1, "childNodes": [html]}, "initialOffset": {"left": 0, "top": 0}}
    events = [
        {"type": 4, "timestamp": 1000, "data": visit},
        {"type": 2, "timestamp": 1010, "data": snapshot},
    ]
    if typed is not None:
        data = {"source": 5, "id": 6, "text": typed, "isChecked": False}
        events.append({"type": 3, "timestamp": 1500, "data": data})
    for number, button in enumerate(clicks):
        data = {"source": 2, "type": 2, "id": 10 + 2 * button, "x": 10, "y": 10 * button}
        events.append({"type": 3, "timestamp": 2000 + 700 * number, "data": data})
    return events


def write_recordings(folder, number):
    """Writes `number` different recordings into `folder`, as <n>.json."""
    names = ["Pay now", "Back to the shop", "Remove", "Help", "Add another one"]
    for n in range(number):
        buttons = names[n % 5 :] + names[: n % 5]
        clicks = [(n * k) % 5 for k in range(1, 4 + n % 3)]
        events = session(buttons, clicks, typed="x" * (n % 7), paragraph=f"Order {n} of today")
        (folder / f"{n}.json").write_text(json.dumps(events))
