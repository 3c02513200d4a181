"""The layout of the package: no circles, no arrows back, nothing too large; and each check finds a planted fault."""

from pathlib import Path

import pytest

from tools.house import EXEMPT, FILE_MAX, FUNCTION_MAX, PACKAGE, arrows, circle, sizes


def test_no_module_imports_what_imports_it() -> None:
    """Data flows one way: each module can be read, and moved, without those that import it."""
    assert circle(PACKAGE, EXEMPT) == []


@pytest.mark.parametrize(
    "back",
    [
        "from planted.first import NAME",
        "import planted.first",
        "from planted import first",
        "def later():\n    from planted.first import NAME",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from planted.first import NAME",
    ],
)
def test_a_planted_circle_is_found(tmp_path: Path, back: str) -> None:
    """A circle of three is found, however the import that closes it is written."""
    package = tmp_path / "planted"
    (package / "inner").mkdir(parents=True)
    files = {
        "__init__": "",
        "inner/__init__": "",
        "first": "from planted.inner import second",
        "inner/second": "from planted.third import NAME",
        "third": "",
    }
    for name, text in files.items():
        (package / f"{name}.py").write_text(text)
    assert circle(package) == []
    (package / "third.py").write_text(back)
    assert set(circle(package)) == {"planted.first", "planted.inner.second", "planted.third"}
    assert circle(package, exempt="inner") == []


def test_the_rooms_are_in_order() -> None:
    """No file, function or folder is too large, and no room imports one that it may not know."""
    assert [*sizes(PACKAGE), *arrows(PACKAGE)] == []


def test_what_is_planted_in_a_room_is_found(tmp_path: Path) -> None:
    """A long file, a long function, an arrow back and an unknown room are each named."""
    package = tmp_path / "planted"
    for room in ("contract", "agent", "attic"):
        (package / room).mkdir(parents=True)
        (package / room / "__init__.py").write_text("")
    (package / "contract" / "back.py").write_text("def later():\n    from planted.agent import session\n")
    (package / "agent" / "session.py").write_text("\n" * (FILE_MAX + 1))
    (package / "agent" / "long.py").write_text("def long():\n" + "    print()\n" * (FUNCTION_MAX + 1))
    assert sorted([*sizes(package), *arrows(package)]) == [
        f"agent/long.py: long has {FUNCTION_MAX + 1} lines without its docstring, at most {FUNCTION_MAX}",
        f"agent/session.py: {FILE_MAX + 1} lines, at most {FILE_MAX}",
        "planted.attic: a room that tools/house.py does not list",
        "planted.contract.back imports planted.agent.session: contract may not know agent",
    ]
