"""Which files of a code folder stay out of its snapshot: rules as people write them in `.amlignore` and `.gitignore`.

Understood is git's own pattern language in one file at the top of the folder: names, `*`, `?`, `[a-z]`, a leading or inner
`/` (relative to the top), a trailing `/` (folders only), `**`, `!` (take back), `#` and blank lines, and a backslash before
a character that would mean something. The last rule that matches decides; what lies in a folder that is left out is not
looked at, so it cannot be taken back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

RULE_FILES = (".amlignore", ".gitignore")
"""The first of these that exists is read, and only that."""

_ALWAYS_LEFT_OUT = ("__pycache__/", "*.pyc", ".git")


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    leaves_out: bool
    folders_only: bool


class IgnoreRules:
    """The rules of one folder."""

    def __init__(self, text: str) -> None:
        """Of the text of a rule file."""
        self._rules = [rule for line in text.split("\n") if (rule := _rule(line.removesuffix("\r"))) is not None]
        self._built_in = [rule for line in _ALWAYS_LEFT_OUT if (rule := _rule(line)) is not None]

    @classmethod
    def of_folder(cls, folder: Path) -> IgnoreRules:
        """The rules that lie in the folder; none but the built-in ones where there is no rule file. OSError when it cannot
        be read."""
        for name in RULE_FILES:
            if (folder / name).is_file():
                return cls((folder / name).read_text(encoding="utf-8-sig", errors="surrogateescape"))
        return cls("")

    def leave_out(self, name: str, is_folder: bool) -> bool:
        """Whether the entry stays out; `name` is its path relative to the top, with `/`."""
        if any(_matches(rule, name, is_folder) for rule in self._built_in):
            return True
        for rule in reversed(self._rules):
            if _matches(rule, name, is_folder):
                return rule.leaves_out
        return False


def _matches(rule: _Rule, name: str, is_folder: bool) -> bool:
    return (is_folder or not rule.folders_only) and rule.pattern.fullmatch(name) is not None


def _rule(line: str) -> _Rule | None:
    if line.startswith("#"):
        return None
    # Trailing spaces do not count unless a backslash keeps them.
    line = re.sub(r"(?<!\\) +$", "", line)
    leaves_out = not line.startswith("!")
    line = line.removeprefix("!")
    folders_only = line.endswith("/")
    line = line.removesuffix("/")
    if not line:
        return None
    anywhere = "" if "/" in line else "(?:.*/)?"
    return _Rule(re.compile(anywhere + _expression(line.removeprefix("/")), re.DOTALL), leaves_out, folders_only)


_TOKEN = re.compile(
    r"(?P<folders>(?:(?<=/)|^)\*\*/)"  # any number of folders, none included
    r"|(?P<all_below>(?<=/)\*\*$)"
    r"|(?P<stars>\*+)"
    r"|(?P<one>\?)"
    r"|\[(?P<negated>[!^]?)(?P<members>\]?(?:\\.|[^\]\\])*)\]"
    r"|\\(?P<escaped>.)"
    r"|(?P<plain>.)",
    re.DOTALL,
)


def _expression(pattern: str) -> str:
    """The regular expression of a pattern."""
    return "".join(_translate(token) for token in _TOKEN.finditer(pattern))


def _translate(token: re.Match[str]) -> str:
    if token["folders"]:
        return "(?:.*/)?"
    if token["all_below"]:
        return ".+"
    if token["stars"]:
        return "[^/]*"
    if token["one"]:
        return "[^/]"
    if token["members"]:
        return _character_class(token["members"], bool(token["negated"]))
    return re.escape(token["escaped"] or token["plain"] or token[0])


def _character_class(members: str, is_negated: bool) -> str:
    # A range keeps its hyphen; everything else that means something inside brackets is taken literally.
    inside = re.sub(r"\\(.)|([\[\]^&~|\\])", lambda match: "\\" + (match[1] or match[2]), members)
    expression = f"(?!/)[{'^' if is_negated else ''}{inside}]"
    try:
        re.compile(expression)
    except re.error:  # "[z-a]": git matches nothing with it
        return "(?!)"
    return expression
