"""How many labels there are, of which kind and from where, and what is short."""

from dataclasses import dataclass

from traceformers.apps.feed.site.opinion_buttons import WORDS
from traceformers.apps.feed.site.page_elements import tag
from traceformers.datasets_scripts.feed.feed_records import FEEDBACK_SOURCES, HEADS
from traceformers.training.productive_feed.label_needs import RECOMMENDED, RECOMMENDED_SMALLEST

GOAL, GOAL_OF_RAREST = RECOMMENDED, RECOMMENDED_SMALLEST
SOURCES = dict(zip(FEEDBACK_SOURCES, ("Likes", "Dislikes", "Labelling", "Feed", "Imported", "Simulated"), strict=True))


@dataclass(frozen=True)
class LabelBalance:
    """What `FeedDatabase.label_counts` counted: {(source, head, value): number}."""

    counts: dict

    def of(self, head, value=None, source=None):
        """Returns the number of labels of a head, of those with a value and of a source if given."""
        return sum(
            number
            for (where, which, said), number in self.counts.items()
            if which == head and source in (None, where) and (value is None or (said >= 0.5) == (value >= 0.5))
        )

    def lines(self):
        """Returns [(head, source, yes, no)] of what there is, most labels first."""
        pairs = {(head, source) for source, head, _ in self.counts}
        lines = [(head, source, self.of(head, 1.0, source), self.of(head, 0.0, source)) for head, source in pairs]
        return sorted(lines, key=lambda line: (HEADS.index(line[0]), -line[2] - line[3], line[1]))

    def short(self, head):
        """Returns what a head needs for a good start, in words; "" if nothing."""
        yes, no = self.of(head, 1.0), self.of(head, 0.0)
        missing = []
        if yes + no < GOAL:
            missing.append(f"{GOAL - yes - no} more in all")
        for value, number in ((1.0, yes), (0.0, no)):
            if number < GOAL_OF_RAREST:
                missing.append(f"{GOAL_OF_RAREST - number} more “{WORDS[head, value]}”")
        return ", ".join(missing)


def show_balance(balance):
    """Shows the labels by head and source.

    Args:
        balance (`LabelBalance`)
    """
    with tag("div", "balance"):
        for head, source, yes, no in balance.lines():
            with tag("div", "line", data_balance=f"{head} {source}"):
                kind = WORDS[head, 1.0]
                tag("span", "", f"{kind} · {SOURCES.get(source, source)}")
                tag("span", "", f"{yes} yes, {no} no")
                with tag("div", "two", aria_hidden="true"):
                    tag("div").style(f"flex: {yes}")
                    tag("div").style(f"flex: {no}")
        if not balance.counts:
            tag("p", "facts", "No labels yet.")
