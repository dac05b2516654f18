"""The keys of each page, as the help shows them. Keys press the buttons that carry them, see site_keys.js."""

EVERYWHERE = (
    ("?", "This list"),
    ("D", "Dark, light, or as the system"),
    ("Z", "Undo the last thing said or hidden"),
    ("Tab, Enter", "Walk through everything, and press it"),
)
OPINIONS = (("I", "Interest"), ("U", "Uninterest"), ("R", "Right now"), ("N", "Not now"))
KEYS = {
    "feed": (
        ("J, K", "Next, previous video"),
        ("Enter", "Open the video"),
        *OPINIONS,
        ("W", "Why this video"),
        ("X", "Hide the video"),
        ("C", "Hide the channel"),
        ("M", "Load more"),
        ("G", "Show the new feed"),
        ("/", "Search (Escape leaves the field)"),
        ("F", "Filters"),
        ("O", "Order"),
    ),
    "watch": (("P", "Play"), *OPINIONS, ("B", "Back to the feed")),
    "label": (
        ("P", "Play"),
        *OPINIONS,
        ("S or →", "Skip"),
        ("←", "Previous"),
        ("V or Ctrl+S", "Save the position"),
    ),
    "health": (),
}
