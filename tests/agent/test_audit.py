"""The audit: which constructions it finds, and that what it cannot tell is a problem."""

from pathlib import Path

import pytest

from session_scoping import InvalidInputError
from session_scoping.agent.audit import Report, audit
from session_scoping.commands.main import main

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
    "variable": 'session = TaskSession(tags)\nsession.client("dynamodb")',
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
