"""HTML elements by name: the text is text, attributes are values, nothing is parsed."""

from nicegui.elements.mixins.text_element import TextElement


class Tag(TextElement):
    """An HTML element; use it as a context manager to put others into it.

    Args:
        name (`str`): such as "p". text (`str`): shown as it is, never as markup.
    """

    def __init__(self, name, text):
        super().__init__(tag=name, text=text)


def tag(name, classes="", text="", **attributes):
    """Returns an HTML element.

    Args:
        name, classes, text (`str`)
        attributes: "_" at the end of a name (`for_`) is left out, inside it becomes "-" (`aria_label`).
    """
    element = Tag(name, text)
    if classes:
        element.classes(classes)
    for key, value in attributes.items():
        element._props[key.rstrip("_").replace("_", "-")] = value
    return element


def button(text, on_click=None, classes="", key=None, name=None, **attributes):
    """Returns a button.

    Args:
        text (`str`), on_click (callable, *optional*), classes (`str`)
        key (`str`, *optional*): keys that press it, several with spaces between.
        name (`str`, *optional*): what tests and style sheets find it by, `data-do`.
    """
    named = {label: value for label, value in (("data_key", key), ("data_do", name)) if value}
    element = tag("button", classes, text, type="button", **named, **attributes)
    if on_click:
        element.on("click", on_click, args=[])
    return element


def select(choices, value, on_change, label, key=None, name=None):
    """Returns a select element.

    Args:
        choices (`dict[str, str]`): value → what is shown. value (`str`): the chosen one.
        on_change (callable): takes the new value. label (`str`): for those who do not see it.
        key, name (`str`, *optional*): as in `button`.
    """
    named = {prop: given for prop, given in (("data_key", key), ("data_do", name)) if given}
    with tag("select", aria_label=label, **named) as element:
        for choice, text in choices.items():
            tag("option", "", text, value=choice, **({"selected": True} if choice == value else {}))
    element.on("change", lambda event: on_change(event.args), js_handler="(event) => emit(event.target.value)")
    return element
