"""Item ids to token ids. This file stays here; its siblings go to the Hub."""
