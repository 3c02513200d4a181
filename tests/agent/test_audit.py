"""The audit: which constructions it finds, and that what it cannot tell is a problem."""

from pathlib import Path
from textwrap import indent

import pytest

from session_scoping import InvalidInputError
from session_scoping.agent.audit import Report, audit
from session_scoping.commands.main import main
from tests.clients.page import sections

HEAD = """
import boto3
import botocore.session
from session_scoping.agent import TaskSession, unsafe_ambient_session
"""


def of(tmp_path: Path, code: str, head: str = HEAD) -> Report:
    """Audit one module."""
    file = tmp_path / "agent.py"
    file.write_text(head + code)
    return audit(file)


AMBIENT = {
    "plain": 'boto3.client("s3")',
    "resource": 'boto3.resource("dynamodb")',
    "keyword": 'boto3.client(service_name="s3", region_name="x")',
    "module alias": 'import boto3 as b\nb.client("s3")',
    "name alias": 'from boto3 import client as make\nmake("s3")',
    "variable": 'make = boto3.client\nmake("s3")',
    "walrus": '(make := boto3.client)("s3")\nmake("s3")',
    "tuple": 'make, other = boto3.client, boto3.resource\nmake("s3")',
    "session": 'boto3.Session().client("s3")',
    "session module": 'boto3.session.Session(region_name="x").resource("s3")',
    "session variable": 'aws = boto3.Session()\ndef f():\n    return aws.client("s3")',
    "session subclass": 'class Mine(boto3.Session):\n    pass\nMine().client("s3")',
    "default session": 'boto3.DEFAULT_SESSION.client("s3")',
    "botocore": 'botocore.session.get_session().create_client("s3")',
    "botocore class": 'from botocore.session import Session\nSession().create_client("s3")',
    "from botocore": 'from botocore import session\nsession.get_session().create_client("s3")',
    "partial": 'import functools\nfunctools.partial(boto3.client, "s3")()',
    "partial alias": 'from functools import partial\nmake = partial(boto3.client, config=1)\nmake("s3")',
    "f-string": 'boto3.client(f"s3")',
    "f-string of a constant": 'NAME = "s3"\nboto3.client(f"{NAME}")',
    "constant": 'NAME = "s3"\ndef f():\n    boto3.client(NAME)',
    "concatenation": 'boto3.client("dynamo" + "db")',
    "either": 'boto3.client("s3" if True else "logs")',
    "getattr": 'getattr(boto3, "client")("s3")',
    "import_module": 'import importlib\nimportlib.import_module("boto3").client("s3")',
    "__import__": '__import__("boto3").client("s3")',
    "attribute": "class A:\n    def __init__(self):\n        self.make = boto3.client\n"
    '    def g(self):\n        self.make("s3")',
    "class attribute": 'class A:\n    aws = boto3.Session()\n    def g(self):\n        self.aws.client("s3")',
    "default argument": 'def f(make=boto3.client):\n    pass\nboto3.client("s3")',
    "lambda": 'make = lambda: boto3.client("s3")',
    "comprehension": '[boto3.client("s3") for _ in range(2)]',
    "try": 'try:\n    import boto3\nexcept ImportError:\n    boto3 = None\nboto3.client("s3")',
    "unsafe": 'unsafe_ambient_session().client("s3")',
    "aio": 'import aioboto3\nasync def f():\n    async with aioboto3.Session().client("s3"):\n        pass',
    "global": 'def f():\n    global aws\n    aws = boto3.Session()\ndef g():\n    aws.client("s3")',
    "keys": 'boto3.client("s3", aws_access_key_id="x", aws_secret_access_key="y")',
}


@pytest.mark.parametrize("case", AMBIENT)
def test_an_ambient_construction_is_found(case: str, tmp_path: Path) -> None:
    """Every way of naming boto3's own factories leads to a problem."""
    report = of(tmp_path, AMBIENT[case])
    services = {found.service for found in report.problems}
    assert services & {"s3", "dynamodb"}
    # Whatever is followed is reported once; a factory that an object keeps could be called from elsewhere.
    assert (None in services) == (case == "attribute")
    assert all(found.credentials == "ambient" for found in report.problems if found.service)


@pytest.mark.parametrize(
    ("module", "maker"),
    [
        ("boto3", "boto3.Session()"),
        ("boto3.session", "boto3.session.Session()"),
        ("boto3", "boto3._get_default_session()"),
        ("botocore.session", "botocore.session.Session()"),
        ("botocore.session", "botocore.session.get_session()"),
        ("aioboto3", "aioboto3.Session()"),
        ("aioboto3.session", "aioboto3.session.Session()"),
        ("aiobotocore.session", "aiobotocore.session.AioSession()"),
        ("aiobotocore.session", "aiobotocore.session.get_session()"),
        ("session_scoping.agent", "session_scoping.agent.unsafe_ambient_session()"),
        ("session_scoping.agent.session.ambient", "session_scoping.agent.session.ambient.unsafe_ambient_session()"),
    ],
)
@pytest.mark.parametrize("factory", ["client", "resource", "create_client", "boto3_session.client"])
def test_every_maker_of_an_ambient_session_is_known(module: str, maker: str, factory: str, tmp_path: Path) -> None:
    """What it makes is ambient for certain, and not only of unknown credentials."""
    report = of(tmp_path, f'import {module}\n{maker}.{factory}("s3")', head="")
    assert [(found.line, found.service, found.credentials) for found in report.problems] == [(2, "s3", "ambient")]


UNKNOWN = {
    "variable service": 'import os\nboto3.client(os.environ["SERVICE"])',
    "parameter": "def f(name):\n    boto3.client(name)",
    "f-string": 'def f(name):\n    boto3.client(f"dyn{name}")',
    "reassigned": 'NAME = "logs"\nNAME = "s3"\nboto3.client(NAME)',
    "arguments": "def f(*names, **options):\n    boto3.client(*names, **options)",
    "no argument": "boto3.client()",
    "unknown object": 'def f(aws):\n    aws.client("dynamodb")',
    "unknown object and service": "def f(aws, name):\n    aws.client(name)",
    "annotated otherwise": 'def f(aws: boto3.Session):\n    aws.client("s3")',
    "imported object": 'from mine import aws\naws.client("s3")',
    "either session": 'def f(s: TaskSession | boto3.Session):\n    s.client("s3")',
    "rebound session": 'def f(s: TaskSession):\n    s = s or boto3.Session()\n    s.client("s3")',
    "handed on": "def f(g):\n    g(boto3.client)",
    "module handed on": "def f(g):\n    g(boto3)",
    "session handed on": "def f(g):\n    g(session=boto3.Session())",
    "kept in a list": "makers = [boto3.client]",
    "kept in a dictionary": 'makers = {"s3": boto3.client}',
    "returned": "def f():\n    return boto3.client",
    "getattr of a variable": "def f(name):\n    getattr(boto3, name)",
    "partial with arguments nobody knows": (
        "from functools import partial\ndef f(**options):\n    partial(boto3.client, **options)"
    ),
    "star import": "from boto3 import *",
    "namespace": 'boto3.__dict__["client"]("s3")',
    "namespace of an alias": 'import boto3 as b\nb.__dict__.get("client")("s3")',
    "namespace kept": 'names = boto3.__dict__\nnames["client"]("s3")',
    "namespace of a class": 'boto3.Session.__dict__["client"](x, "s3")',
    "namespace of a module": 'botocore.session.__dict__["Session"]()',
    "namespace by getattr": 'getattr(boto3, "__dict__")["client"]("s3")',
    "namespace by vars": 'vars(boto3)["client"]("s3")',
    "another object's attribute": (
        "class A:\n    def f(self, other, s: TaskSession):\n        other.aws = s\n"
        '    def g(self):\n        self.aws.client("s3")'
    ),
    "self-reference": 'def f(s):\n    s = s.copy()\n    s.client("s3")',
    "field of another type": "class C:\n    s: boto3.Session\ndef f(c: C):\n    c.s.client('s3')",
    "field of either type": "class C:\n    s: TaskSession | boto3.Session\ndef f(c: C):\n    c.s.client('s3')",
    "field with an ambient default": (
        "class C:\n    s: TaskSession = boto3.Session()\ndef f(c: C):\n    c.s.client('s3')"
    ),
    "parameter with an ambient default": "def f(s: TaskSession = boto3.Session()):\n    s.client('s3')",
    "field that is assigned from outside": (
        "class C:\n    s: TaskSession\ndef f(c: C):\n    c.s = boto3.Session()\n    c.s.client('s3')"
    ),
    "field that somebody assigns": (
        "class C:\n    s: TaskSession\ndef f(c: C, other):\n    c.s = other\n    c.s.client('s3')"
    ),
    "field that does not exist": "class C:\n    s: TaskSession\ndef f(c: C):\n    c.aws.client('s3')",
    "list of sessions": "def f(many: list[TaskSession | boto3.Session]):\n    many[0].client('s3')",
    "class of two bases": (
        "class A:\n    s: TaskSession\nclass B:\n    s: boto3.Session\nclass C(A, B):\n    pass\n"
        "def f(c: C):\n    c.s.client('s3')"
    ),
    "classes that hold each other": (
        "class A:\n    b: 'B'\nclass B:\n    a: A\ndef f(a: A):\n    a.b.a.b.aws.client('s3')"
    ),
    "classes that inherit from each other": (
        "class A(B):\n    pass\nclass B(A):\n    pass\ndef f(a: A):\n    a.s.client('s3')"
    ),
    "entered, but ambient": 'with boto3.Session() as s:\n    s.client("s3")',
    "another session for aioboto3": 'import aioboto3\naioboto3.Session(botocore_session=x).client("s3")',
    "derived by somebody else": 'def f(s):\n    s.derive().client("s3")',
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_the_source_does_not_show_is_a_problem(case: str, tmp_path: Path) -> None:
    """A service or session that the source does not settle is reported, not passed over."""
    problems = of(tmp_path, UNKNOWN[case]).problems
    assert problems
    assert {found.credentials for found in problems} <= {"unknown", "ambient"}


def test_a_session_that_may_be_either_is_unknown(tmp_path: Path) -> None:
    """One that may be the process's own is not called so for certain."""
    assert [found.credentials for found in of(tmp_path, UNKNOWN["rebound session"]).problems] == ["unknown"]


SCOPED = {
    "constructed": 'TaskSession(tags).client("s3")',
    "name": 'session = TaskSession(tags)\nsession.client("dynamodb")',
    "boto3_session": 'TaskSession(tags).boto3_session.resource("s3")',
    "parameter": 'def f(session: TaskSession):\n    session.client("s3")',
    "optional": 'def f(session: TaskSession | None = None):\n    session.client("s3")',
    "text annotation": 'def f(session: "TaskSession"):\n    session.client("s3")',
    "any service": "def f(session: TaskSession, name):\n    session.client(name)",
    "attribute": "class A:\n    def __init__(self, session: TaskSession):\n        self.s = session\n"
    '    def g(self):\n        self.s.client("s3")',
    "field": 'class A:\n    s: TaskSession\n    def g(self):\n        self.s.client("s3")',
    "bound method": 'def f(session: TaskSession):\n    make = session.client\n    make("s3")',
    "maker": 'def make() -> TaskSession: ...\nmake().client("s3")',
    "alias": 'from session_scoping import agent\nagent.TaskSession(tags).client("s3")',
    "door": 'import session_scoping\nsession_scoping.TaskSession(tags).client("s3")',
    "own module": 'from session_scoping.agent.session.task_session import TaskSession\nTaskSession(tags).client("s3")',
    "create_client": 'TaskSession(tags).create_client("s3")',
    "subclass": 'class Mine(TaskSession):\n    pass\nMine(tags).client("s3")',
    "entered": 'with TaskSession(tags) as session:\n    session.client("s3")',
    "kept between requests": (
        "from session_scoping.agent import TaskSessions\nkept = TaskSessions(max=9)\n"
        'def f(tags):\n    kept.get(tags).client("s3")'
    ),
    "kept by a parameter": (
        "from session_scoping.agent import TaskSessions\n"
        'def f(kept: TaskSessions):\n    with kept.get(tags) as s:\n        s.client("s3")'
    ),
    "from a token": 'TaskSession.from_token().client("s3")',
    "derived": 'TaskSession(tags).derive(session_policy=p).client("s3")',
    "scoped": 'TaskSession(tags).scoped(policy=p).client("s3")',
    "asynchronous": (
        "from session_scoping.agent.aio import AioTaskSession\n"
        'async def f(s: AioTaskSession):\n    async with s.client("s3") as c:\n        pass'
    ),
    "aioboto3": (
        "import aioboto3\nfrom session_scoping.agent.aio import AioTaskSession\n"
        "aws = aioboto3.Session(botocore_session=AioTaskSession(s).aiobotocore_session)\n"
        'async def f():\n    async with aws.client("s3") as c:\n        pass'
    ),
    "field of a parameter": "class C:\n    s: TaskSession\ndef f(c: C):\n    c.s.client('s3')",
    "field with a default": "class C:\n    s: TaskSession | None = None\ndef f(c: C):\n    c.s.client('s3')",
    "field made by a factory": "class C:\n    s: TaskSession = field(init=False)\ndef f(c: C):\n    c.s.client('s3')",
    "field of a field": (
        "class B:\n    s: TaskSession\nclass C:\n    b: B\n"
        "class D:\n    def __init__(self, c: C):\n        self.c = c\n    def g(self):\n        self.c.b.s.client('s3')"
    ),
    "field of a base": "class B:\n    s: TaskSession\nclass C(B):\n    def g(self):\n        self.s.client('s3')",
    "field of an object made here": "class C:\n    s: TaskSession\nc = C(s=x)\nc.s.client('s3')",
    "key of a typed dictionary": "class C(TypedDict):\n    s: TaskSession\ndef f(c: C):\n    c['s'].client('s3')",
    "property": ("class C:\n    @property\n    def s(self) -> TaskSession: ...\ndef f(c: C):\n    c.s.client('s3')"),
    "method": "class C:\n    def s(self) -> TaskSession: ...\ndef f(c: C):\n    c.s().client('s3')",
    "maker of an object": "class C:\n    s: TaskSession\ndef make() -> C: ...\nmake().s.client('s3')",
    "dependency": "from typing import Annotated\ndef f(s: Annotated[TaskSession, Depends(x)]):\n    s.client('s3')",
    "dependency as a default": "def f(s: TaskSession = Depends(x)):\n    s.client('s3')",
    "union": "from typing import Union\ndef f(s: Union[TaskSession, None]):\n    s.client('s3')",
    "variable": "s: TaskSession = make()\ns.client('s3')",
    "final": "from typing import Final\nclass C:\n    s: Final[TaskSession]\ndef f(c: C):\n    c.s.client('s3')",
}


@pytest.mark.parametrize("case", SCOPED)
def test_a_task_session_is_recognized(case: str, tmp_path: Path) -> None:
    """Constructions on a TaskSession are listed as the session's and are no problem."""
    report = of(tmp_path, SCOPED[case])
    assert [found.credentials for found in report.constructions] == ["session"]
    assert report.problems == ()


@pytest.mark.parametrize(
    "code",
    [
        'boto3.client("logs")',
        'self.__dict__["client"]("s3")',
        'router.resource("/path")',
        "docker.client()",
        'import http.client\nhttp.client("s3")',
    ],
)
def test_other_services_and_objects_are_no_problem(code: str, tmp_path: Path) -> None:
    """A non-tenant service on the compute role is fine, and so is what only sounds like a client."""
    assert of(tmp_path, code).problems == ()


@pytest.mark.parametrize("service", ["dynamodb", "dynamodbstreams", "s3", "s3control"])
def test_a_service_that_holds_tenant_data_is_a_tenant_service(service: str, tmp_path: Path) -> None:
    """Rows, objects, a table's changes, and s3control, which says who reaches the tenants' buckets."""
    assert [found.service for found in of(tmp_path, f'boto3.client("{service}")').problems] == [service]


def test_tenant_services_are_the_adopter_s(tmp_path: Path) -> None:
    """Another service can be named as one that holds tenant data."""
    file = tmp_path / "agent.py"
    file.write_text('import boto3\nboto3.client("sqs")\nboto3.client("s3")\n')
    assert [found.service for found in audit(file, tenant_services=["sqs"]).problems] == ["sqs"]


@pytest.mark.parametrize(
    "use",
    [
        'from one import make\nmake("s3")',
        'import one\none.make("s3")',
        'from one import *\nmake("s3")',
        'from one import aws\naws.client("s3")',
        'from .one import Session\nSession().client("s3")',
    ],
)
def test_an_alias_from_another_module_is_found(use: str, tmp_path: Path) -> None:
    """A factory or session that one module names and another uses is found where it is used."""
    (tmp_path / "one.py").write_text(
        "import boto3\nmake, aws, Session = boto3.client, boto3.Session(), boto3.Session\n"
    )
    (tmp_path / "two.py").write_text(use)
    assert [found.path.name for found in audit(tmp_path).problems] == ["two.py"]


@pytest.mark.parametrize("maker", ["boto3.Session", "botocore.session.get_session"])
def test_a_maker_that_another_module_names_makes_ambient_sessions(maker: str, tmp_path: Path) -> None:
    """What it makes signs with the process's own credentials for certain."""
    (tmp_path / "one.py").write_text(f"import boto3\nimport botocore.session\nmake = {maker}\n")
    (tmp_path / "two.py").write_text('from one import make\nmake().create_client("s3")')
    assert [found.credentials for found in audit(tmp_path).problems] == ["ambient"]


def test_an_import_in_one_module_says_nothing_of_names_in_another(tmp_path: Path) -> None:
    """Only what a module makes goes by the same name elsewhere: another library's `client` is not boto3's."""
    (tmp_path / "one.py").write_text("from boto3 import client\n")
    (tmp_path / "two.py").write_text("import docker\ndocker.client()\n")
    assert audit(tmp_path).constructions == ()


def test_a_factory_on_an_object_is_a_problem(tmp_path: Path) -> None:
    """A factory kept in an attribute can be called from anywhere: keeping it is reported."""
    for code in ("ctx.make = boto3.client", "class A:\n    make = boto3.client"):
        assert of(tmp_path, code).problems


def test_a_broken_file_is_a_problem(tmp_path: Path) -> None:
    """What cannot be parsed was not audited, and says so."""
    assert of(tmp_path, "def (", head="").problems


def test_a_broken_file_is_reported_where_it_is_broken(tmp_path: Path) -> None:
    """The line is the one Python stops at, and the first one where it names none."""
    assert [found.line for found in of(tmp_path, "a = 1\nb = 2\ndef (", head="").problems] == [3]
    assert [found.line for found in of(tmp_path, "a = '\0'", head="").problems] == [1]


def test_nothing_to_audit_is_an_error(tmp_path: Path) -> None:
    """An empty folder or a wrong path does not pass."""
    for source in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InvalidInputError, match="nothing to audit"):
            audit(source)


def test_many_rebindings_end(tmp_path: Path) -> None:
    """Names that refer to each other in a circle do not keep the audit busy."""
    lines = [f"n{one} = n{other}" for one in range(15) for other in range(15)]
    assert of(tmp_path, "\n".join([*lines, 'n0.client("s3")'])).problems


def test_a_name_is_followed_through_many_others(tmp_path: Path) -> None:
    """Through more than forty, an audit says that it cannot tell, which is a problem as well."""
    for count, credentials in ((35, "ambient"), (45, "unknown")):
        # In reverse, so that each name is asked for before the one that it refers to is known.
        names = reversed([f"n{one + 1} = n{one}" for one in range(count)])
        lines = ["def f():", f'    n{count}.client("s3")', *names, "n0 = boto3.Session()"]
        assert [found.credentials for found in of(tmp_path, "\n".join(lines)).problems] == [credentials]


def test_a_long_construction_is_cut(tmp_path: Path) -> None:
    """A line shows 120 characters of the code."""
    for length, shown in ((120, 120), (121, 123)):
        start = 'boto3.client(service_name="s3", region_name='
        report = of(tmp_path, f"""{start}'{"x" * (length - len(start) - 3)}')""")
        (found,) = report.problems
        assert (len(found.text), found.text.endswith("...")) == (shown, length > 120)


def test_a_report_counts_what_it_found(tmp_path: Path) -> None:
    """The summary says how many constructions sign with what, and how many are problems."""
    code = 'TaskSession(tags).client("s3")\nboto3.client("s3")\nboto3.client("logs")\ndef f(aws):\n    aws.client("s3")'
    lines = str(of(tmp_path, code)).splitlines()
    assert lines[-2:] == ["4 constructions: 1 session, 2 ambient, 1 unknown", "2 problems"]
    assert [line.partition(": ")[2].partition(": ")[0] for line in lines[:-2]] == [
        "s3, signed by the task's session",
        "PROBLEM s3, signed by the process's own credentials",
        "logs, signed by the process's own credentials",
        "PROBLEM s3, signed by credentials that the source does not show",
    ]


def test_hidden_folders_are_left_out(tmp_path: Path) -> None:
    """Environments and caches are not the agent."""
    for folder in (".venv", "src"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.py").write_text('import boto3\nboto3.client("s3")')
    assert [found.path.parent.name for found in audit(tmp_path).problems] == ["src"]


def test_the_command_reports_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`session-scoping audit` prints each construction with its line, and fails for a problem only."""
    file = tmp_path / "agent.py"
    file.write_text('import boto3\nboto3.client("s3")\n')
    assert main(["audit", str(tmp_path)]) == 1
    assert f"{file}:2: PROBLEM s3" in capsys.readouterr().out
    assert main(["audit", str(tmp_path), "--tenant-service", "dynamodb"]) == 0
    assert main(["audit", str(tmp_path / "missing")]) == 2


def written(folder: Path, **modules: str) -> Report:
    """Audit a package; a module's name has `__` for each folder."""
    for name, code in modules.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    return audit(folder)


CONTEXT = "from session_scoping.agent import TaskSession\nclass Context:\n    session: TaskSession\n"
USE = "def f(c: Context):\n    c.session.client('s3')\n"


@pytest.mark.parametrize(
    "use",
    [
        "from app.context import Context\n",
        "from .context import Context\n",
        "from .context import Context as C\nContext = C\n",
        "import app.context\nContext = app.context.Context\n",
        "from app import Context\n",
        "from . import Context\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .context import Context\n",
    ],
)
def test_a_field_of_a_class_in_another_module_is_followed(use: str, tmp_path: Path) -> None:
    """However the class is imported, and through a package that passes it on."""
    written(tmp_path, app__context=CONTEXT, app__use=use + USE)
    (tmp_path / "app" / "__init__.py").write_text("from .context import Context\n")
    report = audit(tmp_path)
    assert [found.credentials for found in report.constructions] == ["session"]


def test_a_class_of_the_same_name_elsewhere_says_nothing(tmp_path: Path) -> None:
    """Another package's Context, or one of another folder, is not the one whose field is a session."""
    for use in ("from lib.context import Context\n", "from ..context import Context\n", "from .other import Context\n"):
        report = written(tmp_path, app__context=CONTEXT, app__use=use + USE, app__other="from lib import Context\n")
        assert [found.credentials for found in report.problems] == ["unknown"]


def test_an_assignment_in_another_module_makes_a_field_unknown(tmp_path: Path) -> None:
    """A field that any module sets to something else than a task's session may be anything."""
    report = written(
        tmp_path,
        context=CONTEXT,
        use="from context import Context\n" + USE,
        other="import boto3\ndef f(c):\n    c.session = boto3.Session()\n",
    )
    assert [(found.path.name, found.credentials) for found in report.problems] == [("use.py", "unknown")]


# --- libraries that make their own clients --------------------------------------------------------------------------

OWN_CLIENTS = {
    "class T(Model)": ("from pynamodb.models import Model\nclass T(Model):\n    pass", "dynamodb"),
    "s3fs.S3FileSystem()": ("import s3fs\ns3fs.S3FileSystem()", "s3"),
    "fsspec.filesystem('s3')": ("import fsspec\nfsspec.filesystem('s3')", "s3"),
    "open('s3://b/k')": ("from smart_open import open\nopen('s3://b/k')", "s3"),
    "open(f's3://{b}/k', transport_params={})": (
        "from smart_open import open\nopen(f's3://{b}/k', transport_params={})",
        "s3",
    ),
    "wr.s3.read_parquet(x)": ("import awswrangler as wr\nwr.s3.read_parquet(x)", "s3"),
    "pd.read_csv('s3://b/k')": ("import pandas as pd\npd.read_csv('s3://b/k')", "s3"),
    "frame.to_parquet('s3://' + key)": ("def f(frame, key):\n    frame.to_parquet('s3://' + key)", "s3"),
    "idempotency.DynamoDBPersistenceLayer('t')": (
        "from aws_lambda_powertools.utilities import idempotency\nidempotency.DynamoDBPersistenceLayer('t')",
        "dynamodb",
    ),
    "DynamoDBSaver('t', session=None)": (
        "from langgraph_checkpoint_aws import DynamoDBSaver\nDynamoDBSaver('t', session=None)",
        "dynamodb",
    ),
    "DynamoDBSaver('t', session=boto3.Session())": (
        "import boto3\nfrom langgraph_checkpoint_aws import DynamoDBSaver\nDynamoDBSaver('t', session=boto3.Session())",
        "dynamodb",
    ),
    "S3SessionManager(bucket='b')": (
        "from strands.session.s3_session_manager import S3SessionManager\nS3SessionManager(bucket='b')",
        "s3",
    ),
}


@pytest.mark.parametrize("text", OWN_CLIENTS)
def test_a_library_that_makes_its_own_client_is_found(text: str, tmp_path: Path) -> None:
    """Without a task's session or client its calls are signed by the process's own credentials."""
    code, service = OWN_CLIENTS[text]
    [found] = of(tmp_path, code, head="").problems
    assert (found.service, found.credentials, found.text) == (service, "ambient", text)


MODELS = "import boto3\nfrom langchain_aws import ChatBedrockConverse\nfrom session_scoping.agent import TaskSession\n"
BEDROCK = "s.client('bedrock')"
RUNTIME = "s.client('bedrock-runtime')"


@pytest.mark.parametrize(
    ("arguments", "credentials"),
    [
        (f"client={RUNTIME}, bedrock_client={BEDROCK}", "session"),
        (f"client={RUNTIME}", "ambient"),
        (f"bedrock_client={BEDROCK}", "ambient"),
        (f"client={RUNTIME}, bedrock_client=None", "ambient"),
        (f"client={RUNTIME}, bedrock_client=boto3.Session()", "ambient"),
        (f"client={RUNTIME}, bedrock_client=other", "unknown"),
        ("**options", "unknown"),
        (RUNTIME, "ambient"),
    ],
)
def test_a_model_needs_both_of_its_clients(arguments: str, credentials: str, tmp_path: Path) -> None:
    """With one of them the other one is made with the process's own credentials."""
    file = tmp_path / "agent.py"
    file.write_text(f"{MODELS}def f(s: TaskSession, other, options):\n    ChatBedrockConverse({arguments})\n")
    found = audit(file, tenant_services=["bedrock-runtime"]).constructions
    assert [one.credentials for one in found if "Chat" in one.text] == [credentials]


@pytest.mark.parametrize(
    "code",
    [
        "from langgraph_checkpoint_aws import DynamoDBSaver\nDynamoDBSaver('t', session=s.boto3_session)",
        "from langgraph_checkpoint_aws import DynamoDBSaver\nDynamoDBSaver('t', s.boto3_session)",
        "from smart_open import open\nopen('s3://b/k', transport_params={'client': s.client('s3')})",
        "import awswrangler as wr\nwr.s3.read_parquet('s3://b/k', boto3_session=s.boto3_session)",
        "import strands\nstrands.Agent(model=strands.models.BedrockModel(boto_session=s.boto3_session))",
        (
            "from session_scoping.agent.aio import AioTaskSession\nimport s3fs\n"
            "s3fs.S3FileSystem(session=AioTaskSession(s).aiobotocore_session)"
        ),
        "import pandas as pd\npd.read_csv('s3://b/k', storage_options={'session': s.aiobotocore_session})",
        (
            "from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer as Layer\n"
            "Layer('t', boto3_session=s.boto3_session)"
        ),
    ],
)
def test_a_library_that_is_given_the_session_is_no_problem(code: str, tmp_path: Path) -> None:
    """The line that docs/your-library.md shows for it."""
    code = "def f(s: TaskSession):\n    " + code.replace("\n", "\n    ")
    file = tmp_path / "agent.py"
    file.write_text(HEAD + code)
    report = audit(file, tenant_services=["s3", "dynamodb", "bedrock-runtime"])
    assert report.constructions
    assert report.problems == ()


@pytest.mark.parametrize(
    "heading",
    [
        "LangChain",
        "LangGraph checkpointers",
        "Strands",
        "Powertools",
        "AgentCore SDK",
        "smart_open",
        "awswrangler",
        "s3fs",
    ],
)
def test_the_page_s_lines_are_no_problem_and_are_seen(heading: str, tmp_path: Path) -> None:
    """What docs/your-library.md shows is listed as the session's, for every service it reaches."""
    code = "def f(session: TaskSession):\n" + indent(sections()[heading], "    ")
    file = tmp_path / "agent.py"
    file.write_text(HEAD + code)
    services = ["s3", "dynamodb", "bedrock", "bedrock-runtime", "bedrock-agentcore", "bedrock-agent-runtime"]
    report = audit(file, tenant_services=services)
    assert report.signed_by("session") == report.constructions != ()


@pytest.mark.parametrize(
    "code",
    [
        "from smart_open import open\nopen('/tmp/file')",
        "import pandas as pd\npd.read_csv('file.csv')",
        "import pandas as pd\ndef f(path):\n    pd.read_csv(path)",
        "import fsspec\nfsspec.filesystem('file')",
        "print('s3://b/k')",
        "import awswrangler as wr\nwr.config.s3_endpoint_url = 'x'\nwr.exceptions.NoFilesFound()",
        "class Model:\n    pass\nclass T(Model):\n    pass",
    ],
)
def test_a_library_that_reaches_no_tenant_service_is_no_problem(code: str, tmp_path: Path) -> None:
    """Other addresses, other classes of the same name."""
    assert of(tmp_path, code).constructions == ()


# --- what is allowed, and what is not read ---------------------------------------------------------------------------


def test_a_construction_is_allowed_on_its_line_with_a_reason(tmp_path: Path) -> None:
    """It is listed with the reason, counted, and no problem; the next line is one all the same."""
    report = of(tmp_path, 'boto3.client("s3")  # session-scoping: allow public bucket\nboto3.client("s3")')
    first, second = report.constructions
    assert (first.allowed, first.problem, second.problem) == ("public bucket", False, True)
    assert "allowed (public bucket): s3" in str(report)
    assert "1 allowed on purpose" in str(report)


@pytest.mark.parametrize(
    "code",
    [
        'boto3.client("s3")  # session-scoping: allow',
        'boto3.client("s3")  # session-scoping: allow:  ',
        '# session-scoping: allow public bucket\nboto3.client("s3")',
        'boto3.client("s3", "# session-scoping: allow public bucket")',
        'boto3.client("s3")  # session-scoping: allowed public bucket',
        'boto3.client("s3")  # noqa',
    ],
)
def test_what_allows_nothing_changes_nothing(code: str, tmp_path: Path) -> None:
    """A reason is needed, on the construction's own line, in a comment."""
    report = of(tmp_path, code)
    assert [found.service for found in report.problems if found.service] == ["s3"]
    assert not any(found.allowed for found in report.constructions)


@pytest.mark.parametrize("line", ['TaskSession(t).client("s3")', 'boto3.client("logs")', "x = 1"])
def test_an_allowance_of_nothing_is_a_problem(line: str, tmp_path: Path) -> None:
    """One that is left behind would hide what comes to its line later."""
    report = of(tmp_path, f"{line}  # session-scoping: allow it was needed once")
    assert [found.text for found in report.problems] == ["an allowance of nothing: take it away"]


def test_environments_and_node_modules_are_left_out_and_named(tmp_path: Path) -> None:
    """What is installed is not the agent; the report says which folders were not read."""
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "pyvenv.cfg").write_text("home = x")
    (tmp_path / "conda" / "conda-meta").mkdir(parents=True)
    for folder in ("env/lib", "node_modules/x", "conda/lib", "vendored/site-packages", "src"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.py").write_text('import boto3\nboto3.client("s3")')
    report = audit(tmp_path)
    assert [found.path.parent.name for found in report.problems] == ["src"]
    assert [folder.name for folder in report.skipped] == ["conda", "env", "node_modules", "site-packages"]
    assert f"not read: {tmp_path / 'env'}" in str(report)
    assert len(audit(tmp_path / "env").problems) == 1  # named by itself, it is read
