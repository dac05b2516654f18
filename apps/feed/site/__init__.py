"""The site of the feed: the feed, the player, labelling and health, one NiceGUI app with REST beside it."""
