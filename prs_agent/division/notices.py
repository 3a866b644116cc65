"""Notices: what a person should know about a division, each said once with a count and an example."""

from __future__ import annotations


class Notices:
    """Collects notices; equal ones are counted, so that a million odd entries make one line."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, str] = {}

    def add(self, text: str, example: str = "") -> None:
        """Note `text`; the first `example` of it is shown."""
        self._counts[text] = self._counts.get(text, 0) + 1
        self._examples.setdefault(text, example)

    def lines(self) -> list[str]:
        """One line per distinct notice, in the order of their first occurrence."""
        return [self._line(text) for text in self._counts]

    def _line(self, text: str) -> str:
        count, example = self._counts[text], self._examples[text]
        if not example:
            return text
        return f"{text}: {example}" if count == 1 else f"{text}: {example} and {count - 1} more"
