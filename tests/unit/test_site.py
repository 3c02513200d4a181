"""The documentation site: its pages, its links and its reference are complete before `make docs` builds it."""

import dataclasses
import enum
import inspect
import re
import textwrap
from importlib import import_module
from pathlib import Path

import pytest

from session_scoping.contract import environment, metadata
from session_scoping.contract.errors import SessionScopingError
from session_scoping.verify.reports.findings import NAG_RULES
from session_scoping.verify.reports.rules import RULES
from tests.support import ROOT
from tools import reference, site

REFERENCE = ROOT / "docs" / "reference"
NAMES = [name for name in reference.public_names() if ".aio." not in name]  # that one needs aiobotocore


def _shown(page: str) -> str:
    """Return a page of the reference as the site shows it."""
    return site.page(Path("docs/reference") / page)


def _object(name: str) -> object:
    door, _, last = name.rpartition(".")
    return getattr(import_module(door), last)


def test_every_page_of_the_site_is_in_its_navigation_once() -> None:
    """A page that nobody can find is not written; decisions are listed by their own index."""
    listed = re.findall(r"[\w/.-]+\.md", (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:")[2])
    pages = {path.as_posix() for path in site.sources() if path.suffix == ".md"}
    assert sorted(listed) == sorted(page for page in pages if not re.match(r"docs/decisions/0", page))


def test_every_public_name_is_on_a_page_of_the_reference() -> None:
    """A name of `public_names.txt` has a place in the reference, which mkdocstrings fills from its docstring."""
    shown = re.findall(r"^::: ([\w.]+)$", "".join(_shown(path.name) for path in REFERENCE.glob("*.md")), re.MULTILINE)
    assert set(shown) == set(reference.public_names())


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_documented_with_all_its_fields(name: str) -> None:
    """A class, its fields or members, a function and a constant each have a docstring of their own or a line in one."""
    found = _object(name)
    if isinstance(found, str | tuple | frozenset) or not found.__doc__:
        assert _constant_is_documented(name), "a constant without a docstring"
        return
    if inspect.isclass(found):
        missing = [field for field in _fields(found) if not _field_is_documented(found, field)]
        assert missing == []


def _constant_is_documented(name: str) -> bool:
    """Whether a text follows the assignment, in the module that makes it."""
    last = name.rpartition(".")[2]
    pattern = rf'^{last}\b[^\n]*=(?:(?!^\S).)*?(?:\n[)\]}}][^\n]*)?\n"""'
    paths = (ROOT / "session_scoping").rglob("*.py")
    return any(re.search(pattern, path.read_text("utf-8"), re.MULTILINE | re.DOTALL) for path in paths)


def _fields(found: type) -> list[str]:
    if issubclass(found, enum.Enum):
        return list(found.__members__)
    fields = [field.name for field in dataclasses.fields(found)] if dataclasses.is_dataclass(found) else []
    return [name for name in [*fields, *getattr(found, "_fields", ())] if not name.startswith("_")]


def _field_is_documented(found: type, field: str) -> bool:
    if re.search(rf"^\s*{field}: \S", found.__doc__ or "", re.MULTILINE):
        return True
    source = textwrap.dedent(inspect.getsource(found))
    return re.search(rf'^    {field}\b[^\n]*\n    """', source, re.MULTILINE) is not None


def test_the_tables_of_the_reference_leave_nothing_out() -> None:
    """Each variable, key, rule, command, option and error of the code is on its page."""
    variables = {value for name, value in vars(environment).items() if name.isupper()}
    keys = {value for name, value in vars(metadata).items() if name.isupper() and name != "PREFIX"}
    for page, listed in (
        ("environment.md", variables),
        ("metadata.md", keys),
        ("rules.md", {rule.id for rule in (*RULES, *NAG_RULES)}),
        ("commands.md", {"session-scoping verify", "session-scoping-credentials", "--session-policy", "--lift", "125"}),
    ):
        assert {one for one in listed if one not in _shown(page)} == set(), page
    public = [found for name in NAMES if inspect.isclass(found := _object(name))]
    errors = {kind.__name__ for kind in public if issubclass(kind, SessionScopingError)}
    assert errors == set(re.findall(r"^::: [\w.]+\.(\w+)$", _shown("errors.md"), re.MULTILINE))


def test_a_command_has_its_exit_codes_in_the_reference() -> None:
    """What a script branches on is listed for each command, from the command's own help."""
    codes = {name: [code for there, code, _ in reference.exit_codes() if there == name] for name in reference.helps()}
    assert all(listed for listed in codes.values()), codes
    assert codes["session-scoping verify"] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("[a](../app.py)", "[a](https://github.com/OWNER/session-scoping/blob/main/app.py)"),
        ("[a](../examples#x)", "[a](https://github.com/OWNER/session-scoping/tree/main/examples#x)"),
        ("[a](verify.md#x)", "[a](verify.md#x)"),
        ("`[a](../app.py)`", "`[a](../app.py)`"),
        ("```text\n[a](../app.py)\n```", "```text\n[a](../app.py)\n```"),
    ],
)
def test_a_link_to_a_file_that_is_no_page_leads_to_the_repository(
    text: str, becomes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only prose is changed, and links between pages are left for the strict build to check."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "examples").mkdir()
    (tmp_path / "docs" / "verify.md").touch()
    (tmp_path / "app.py").touch()
    (tmp_path / "docs" / "page.md").write_text(text)
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nurls = {Homepage = "https://github.com/OWNER/session-scoping"}'
    )
    monkeypatch.setattr(site, "ROOT", tmp_path)
    assert site.page(Path("docs/page.md")) == becomes


@pytest.mark.parametrize("text", ["[a](nowhere.py)", "[a](nowhere.md)", "[a](../nowhere/)"])
def test_a_link_to_nowhere_fails_the_site(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is gone is named, with the page that links to it."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text(text)
    monkeypatch.setattr(site, "ROOT", tmp_path)
    with pytest.raises(site.DeadLinkError, match=r"docs/page\.md: a link to .*nowhere"):
        site.page(Path("docs/page.md"))


def test_a_table_that_nothing_makes_fails_the_site() -> None:
    """A misspelled table is no empty page."""
    with pytest.raises(reference.UnknownTableError, match="no table is called `rulez`"):
        reference.filled("<!-- table: rulez -->")
