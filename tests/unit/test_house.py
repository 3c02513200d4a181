"""The layout of the package: no circles, no arrows back, nothing too large; and each check finds a planted fault."""

from pathlib import Path

import pytest

from tools.house import (
    ALSO_SIZED,
    FILE_MAX,
    FOLDER_MAX,
    FUNCTION_MAX,
    PACKAGE,
    ROOT,
    arrows,
    circle,
    folders,
    private_names,
    sizes,
    splinters,
)


def test_no_module_imports_what_imports_it() -> None:
    """Data flows one way: each module can be read, and moved, without those that import it."""
    assert circle(PACKAGE) == []


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


def test_the_rooms_are_in_order() -> None:
    """Nothing is too large or a splinter, no room imports one that it may not know, and what is private stays so."""
    assert [*arrows(PACKAGE), *splinters(PACKAGE), *private_names(PACKAGE), *folders(PACKAGE)] == []
    assert [line for path in (PACKAGE, *(ROOT / name for name in ALSO_SIZED)) for line in sizes(path)] == []


def test_a_splinter_is_found(tmp_path: Path) -> None:
    """A short file belongs to its one importer; with a second one it may stay."""
    package = tmp_path / "planted"
    package.mkdir()
    (package / "short.py").write_text("NAME = 1\n")
    (package / "one.py").write_text("from planted.short import NAME\nfrom planted import short\n" + "\n" * FILE_MAX)
    assert [*splinters(package)] == ["planted.short: 1 lines and one importer; it belongs there"]
    (package / "two.py").write_text("import planted.short")
    assert [*splinters(package)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from planted.other import _name", ["_name"]),
        ("thing._name", ["_name"]),
        ("make()._name()", ["_name"]),
        ("self._name, cls._name, super()._name(), thing.__name__, fields._replace()", []),
        ("def _name(self): pass\nthing._name()", []),
        ("self._name = 1\nother._name", []),
    ],
)
def test_a_private_name_of_another_file_is_found(tmp_path: Path, text: str, found: list[str]) -> None:
    """What a file does not define itself it may use through its base class only."""
    package = tmp_path / "planted"
    package.mkdir()
    (package / "file.py").write_text(text)
    assert [*private_names(package)] == [f"planted.file uses {name} of another file" for name in found]


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
        "planted.attic: a room that tools/house.py does not list",
        "planted.contract.back imports planted.agent.session: contract may not know agent",
        f"planted/agent/long.py: long has {FUNCTION_MAX + 1} lines without its docstring, at most {FUNCTION_MAX}",
        f"planted/agent/session.py: {FILE_MAX + 1} lines, at most {FILE_MAX}",
    ]


def test_a_full_folder_is_found(tmp_path: Path) -> None:
    """One file more than a reader can take in at a glance."""
    package = tmp_path / "planted"
    package.mkdir()
    for number in range(FOLDER_MAX + 1):
        assert [*folders(package)] == []
        (package / f"{number}.py").write_text("")
    assert [*folders(package)] == [f"planted: {FOLDER_MAX + 1} files, at most {FOLDER_MAX}"]
