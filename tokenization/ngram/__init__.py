"""Text to n-gram ids. This file stays here; its siblings go to the Hub."""
