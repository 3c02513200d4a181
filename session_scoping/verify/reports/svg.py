"""The picture of `explain`: who makes a session, what it carries, what it reaches. One file, no scripts, no fetches."""

from html import escape
from textwrap import wrap

from session_scoping.verify.reports.role_story import UNLIMITED, RoleStory

_WIDTH, _ROW, _PAD = 1120, 46, 28
_LEFT, _MIDDLE, _RIGHT = 28, 350, 660
_TITLE = "Who makes a session, what it carries, what it reaches"
_STYLE = """
svg { font-family: ui-sans-serif, system-ui, sans-serif; font-size: 13px; }
.paper { fill: #fbfaf7; } .card { fill: #fff; stroke: #d8d4ca; } .ink { fill: #23272e; } .soft { fill: #6b7078; }
.mono { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 12px; } .head { font-weight: 600; }
.tag { fill: #eef3fb; stroke: #9db7dd; } .tagtext { fill: #24508f; }
.line { stroke: #b9b4a8; fill: none; stroke-width: 1.4; }
.good { fill: #1f7a4d; } .bad { fill: #b3261e; } .goodline { stroke: #1f7a4d; } .badline { stroke: #b3261e; }
"""


def as_html(stories: list[RoleStory]) -> str:
    """Return a page with the picture."""
    return (
        "<!doctype html>\n<html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        "<title>Who reaches what</title><style>body{margin:0;background:#fbfaf7}svg{max-width:100%;height:auto}</style>"
        f"\n{as_svg(stories)}</html>\n"
    )


def as_svg(stories: list[RoleStory]) -> str:
    """Return the picture alone."""
    pieces: list[str] = []
    top = 76
    for story in stories:
        drawn, height = _draw(story, top)
        pieces.append(drawn)
        top += height + 34
    if not stories:
        pieces.append(_text(_LEFT, 96, "No role here is assumed with session tags.", "soft"))
        top = 130
    head = _text(_LEFT, 42, _TITLE, "ink head", size=18)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {top}' width='{_WIDTH}' "
        f"height='{top}' role='img'><title>{_TITLE}</title>"
        f"<style>{_STYLE}</style><rect class='paper' width='{_WIDTH}' height='{top}'/>{head}{''.join(pieces)}</svg>\n"
    )


def _draw(story: RoleStory, top: int) -> tuple[str, int]:
    groups = _grouped(story)
    right = sum(_height(rows) + 14 for _, rows in groups) - 14 if groups else 60
    role_height = 80 + 26 * len(story.tags) + _facts_height(story) + 17 * len(_words(story))
    left = max(1, len(story.minters)) * 60
    height = max(right, role_height, left)
    role_top = top + (height - role_height) // 2
    centre = role_top + role_height // 2
    pieces: list[str] = []
    start = top + (height - left) // 2
    for index, minter in enumerate(story.minters):
        y = start + index * 60
        pieces.append(_curve(_LEFT + 240, y + 23, _MIDDLE, centre))
        pieces.append(_card(_LEFT, y, 240, _ROW, "badline" if minter.is_open else ""))
        pieces.append(_text(_LEFT + 14, y + 20, _cut(minter.name, 28), "ink head"))
        pieces.append(_text(_LEFT + 14, y + 37, minter.caption, "bad" if minter.is_open else "soft"))
    y = top + (height - right) // 2
    for place, rows in groups:
        box = _height(rows)
        pieces.append(_curve(_MIDDLE + 230, centre, _RIGHT, y + box // 2))
        pieces.append(
            _card(_RIGHT, y, _WIDTH - _RIGHT - _LEFT, box) + _text(_RIGHT + 14, y + 21, _cut(place, 50), "ink head")
        )
        line = y + 42
        for actions, scopes in rows:
            for scope in scopes:
                unlimited = scope in UNLIMITED and story.verdict != "PROVED"
                kind = "bad mono" if unlimited else "ink mono"
                pieces.append(_text(_RIGHT + 14, line, _cut(scope, 56), kind))
                line += 17
            for words in _wrapped(actions):
                pieces.append(_text(_RIGHT + 14, line - 2, words, "soft"))
                line += 16
            line += 4
        y += box + 14
    return "".join([*pieces, _role(story, role_top, role_height)]), height


def _role(story: RoleStory, top: int, height: int) -> str:
    proved = story.verdict == "PROVED"
    pieces = [_card(_MIDDLE, top, 230, height, "goodline" if proved else "badline")]
    pieces.append(_text(_MIDDLE + 14, top + 24, _cut(story.name, 25), "ink head"))
    pieces.append(_text(_MIDDLE + 14, top + 46, "each session carries" if story.tags else "it carries no tags", "soft"))
    for index, tag in enumerate(story.tags):
        y = top + 56 + index * 26
        pieces.append(f"<rect class='tag' x='{_MIDDLE + 14}' y='{y}' width='202' height='21' rx='10'/>")
        pieces.append(_text(_MIDDLE + 26, y + 15, _cut(tag, 26), "tagtext mono"))
    line = top + 73 + 26 * len(story.tags)
    for kind, lines in _facts(story):
        pieces.append(_text(_MIDDLE + 14, line, kind, "soft"))
        for text in lines:
            line += 17
            pieces.append(_text(_MIDDLE + 14, line, text, "ink"))
        line += 22
    words = _words(story)
    for index, word in enumerate(words):
        line = top + height - 15 - 17 * (len(words) - 1 - index)
        colour = "good" if proved else "bad"
        # The verdict stands out; below it a rule and its status must fit in the card.
        pieces.append(_text(_MIDDLE + 14, line, word, colour if index else f"{colour} head", 12 if index else None))
    return "".join(pieces)


def _facts(story: RoleStory) -> list[tuple[str, list[str]]]:
    """Return each kind of fact once, with the lines under it."""
    found: dict[str, list[str]] = {}
    for fact in story.facts:
        found.setdefault(fact.kind, []).extend(wrap(fact.text, 26, break_on_hyphens=False))
    return list(found.items())


def _facts_height(story: RoleStory) -> int:
    return sum(22 + 17 * len(lines) for _, lines in _facts(story))


_Rows = list[tuple[tuple[str, ...], list[str]]]
"""Actions, and the scopes they are allowed on."""


def _grouped(story: RoleStory) -> list[tuple[str, _Rows]]:
    found: dict[str, _Rows] = {}
    for (store, actions), scopes in story.grouped().items():
        found.setdefault(store, []).append((actions, scopes))
    return list(found.items())


def _height(rows: _Rows) -> int:
    return 34 + sum(17 * len(scopes) + 16 * len(_wrapped(actions)) + 4 for actions, scopes in rows)


def _wrapped(actions: tuple[str, ...]) -> list[str]:
    return wrap(", ".join(actions), 54)


def _words(story: RoleStory) -> list[str]:
    if story.verdict == "PROVED":
        return ["PROVED", "it stays in its own data" if story.tags else "it cannot act unnamed"]
    return ["NOT PROVED", *(_cut(failure.strip(), 28) for failure in story.verdict.split(","))]


def _card(x: int, y: int, width: int, height: int, extra: str = "") -> str:
    return f"<rect class='card {extra}' x='{x}' y='{y}' width='{width}' height='{height}' rx='8'/>"


def _curve(x1: int, y1: int, x2: int, y2: int) -> str:
    middle = (x1 + x2) // 2
    return f"<path class='line' d='M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}'/>"


def _text(x: int, y: int, text: str, kind: str, size: int | None = None) -> str:
    sized = f" style='font-size:{size}px'" if size else ""
    return f"<text class='{kind}' x='{x}' y='{y}'{sized}>{escape(text)}</text>"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
