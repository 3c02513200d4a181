"""The public function: proves a deployment, or shows who reaches what they must not."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from session_scoping.contract.errors import InvalidInputError, MissingExtraError, SessionScopingError

if TYPE_CHECKING:
    from session_scoping.verify.files.source import Source
    from session_scoping.verify.options.stated import SessionPolicy, StatedOption
    from session_scoping.verify.proving import Progress
    from session_scoping.verify.reports.report import Report


def verify(
    source: "Source",
    *,
    session_roles: Iterable[str] = (),
    compute_roles: Iterable[str] = (),
    stores: Iterable[str] = (),
    tags: Iterable[str] = (),
    shared_by: Iterable[str] = (),
    allow: Iterable[str] = (),
    trusted: Iterable[str] = (),
    shared_data: Iterable[str] = (),
    session_policies: "SessionPolicy | Iterable[SessionPolicy]" = (),
    parameters: Mapping[str, str] | None = None,
    masked_grants: bool = False,
    configuration: "Path | str | bool | Iterable[StatedOption] | None" = None,
    only: Iterable[str] = (),
    stop_at_first: bool = False,
    progress: "Progress | None" = None,
) -> "Report":
    """
    Prove that no session reaches another session's data.

    Where several words are taken, one `str` is one word. A role, table or bucket is named by its logical id, with or
    without CDK's hash, or by its construct path or the end of it.

    Args:
        source: A path of a template or of a cdk.out directory, a template as `dict` or as text, or anything with
            `to_json()` such as `aws_cdk.assertions.Template`. A `str` with a newline, or that begins with `{` after
            blanks, is the text of a template; any other `str` is a path.
        session_roles: The session roles. Default: roles that use session tags.
        compute_roles: Roles that agent code runs with. Default: who may mint, and agent runtimes.
        stores: Tables and buckets that hold tenant data. Default: those a session role is granted.
        tags: Tag keys every session must carry. Default: those the policies use.
        shared_by: By which tags sessions may share data, such as `user_id` or `repo,user_id`. Default: what the role's
            Metadata says.
        allow: Further action patterns a session role may hold. Default: none.
        trusted: Principals outside the templates that policies may name, spelled as the report spells them. Default:
            none.
        shared_data: Tables and buckets that every session may read, or keys in them, such as `Files:models/*`. Default:
            what their Metadata says.
        session_policies: Session policies to hold against every session role, each as text or `dict`. Default: none.
        parameters: Values of template parameters. Default: a parameter may hold anything.
        masked_grants: Whether a grant may reach too far as long as a Deny stops it. Default: it may not.
        configuration: A file with further options, or `True` for that of the working directory; or what
            `read_configuration` made of one. Default: no file is read.
        only: Ids of the rules to ask. Default: all. A report that leaves a property out is `partial`, never `proved`.
        stop_at_first: Whether to ask nothing more once a property fails. Default: everything is asked.
        progress: Told the name of each step. Default: nobody is told.

    Returns:
        A report. Without a session role it holds one result that is VACUOUS: nothing to check is not a pass.

    Raises:
        InvalidInputError: The source or an option cannot be read, or a word names nothing in the templates. Nothing
            else is raised for an input, whatever is in it.
        MissingExtraError: The extra `verify` is not installed.
    """
    require_extra()
    from session_scoping.verify.options.stated import StatedOption, stated_parameters, stated_policies, stated_words
    from session_scoping.verify.proving import prove, read_subject

    lists = {
        "session_roles": session_roles,
        "compute_roles": compute_roles,
        "stores": stores,
        "tags": tags,
        "shared_by": shared_by,
        "allow": allow,
        "trusted": trusted,
        "shared_data": shared_data,
    }
    with no_traceback(source):
        stated = [
            *_configured(configuration),
            *(word for option, words in lists.items() for word in stated_words(option, words)),
            *stated_policies(session_policies),
            *stated_parameters({} if parameters is None else parameters),
            *([StatedOption("masked_grants", "true", "masked_grants")] if masked_grants else []),
        ]
        rules = tuple(word.value for word in stated_words("only", only))
        return prove(read_subject(source, tuple(stated)), progress, only=rules, stop_at_first=stop_at_first)


def _configured(configuration: "Path | str | bool | Iterable[StatedOption] | None") -> "Iterable[StatedOption]":
    from session_scoping.verify.options.stated import OWN, SHARED, find_configuration, read_configuration

    if configuration is None or configuration is False:
        return ()
    if isinstance(configuration, Path | str):
        return read_configuration(Path(configuration))
    if configuration is not True:
        return _as_words(configuration)
    if (file := find_configuration(Path())) is None:
        raise InvalidInputError(
            "there is no file that states options",
            got="`configuration=True`",
            expected=f"`{OWN}`, or `[tool.session-scoping]` in `{SHARED}`, in the working directory",
            why="what it was meant to state would be lost",
            fix="run from the directory of the file, or pass its path",
        )
    return read_configuration(file)


def _as_words(configuration: "Iterable[StatedOption]") -> "list[StatedOption]":
    from session_scoping.verify.options.stated import StatedOption

    found = list(configuration) if isinstance(configuration, Iterable) else [configuration]
    if all(isinstance(word, StatedOption) for word in found):
        return found
    raise InvalidInputError(
        "`configuration` cannot be read",
        got=f"a {type(configuration).__name__}",
        expected="a path, `True`, or what `read_configuration` returns",
        why="what it was meant to state would be lost",
        fix='write configuration=Path("session-scoping.toml")',
    )


def require_extra(*modules: str) -> None:
    """
    Check that the verifier's dependencies are installed.

    Args:
        modules: Those needed besides the solver.

    Raises:
        MissingExtraError: They are not.
    """
    try:
        for module in ("z3", *modules):
            import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"the verifier needs {error.name}: got an installation without it, expected the extra `verify`;"
            " nothing is proved without it; fix: pip install 'session-scoping[verify]'"
        ) from error


@contextmanager
def no_traceback(source: object = None) -> Iterator[None]:
    """
    Turn what nobody foresaw in an input into a sentence.

    Raises:
        InvalidInputError: In place of any exception that is not one of ours.
    """
    try:
        yield
    except SessionScopingError:
        raise
    except Exception as error:
        raise InvalidInputError(
            f"cannot verify `{source}`" if isinstance(source, Path) else "cannot verify these templates",
            got=f"{type(error).__name__} on the way",
            expected="templates as `cdk synth` writes them",
            why="nothing is proved about it",
            fix="verify its templates one by one to find the one, and report it",
        ) from error
