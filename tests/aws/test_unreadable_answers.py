"""`revoke` and `validate` say in one sentence that what answered is not AWS."""

import json
from collections.abc import Iterator

import pytest

from session_scoping.commands.main import main
from tests.support import stacks
from tests.support.account import STACK
from tests.support.loopback import Handler, serving

XML = '<{0}Response xmlns="https://x/"><{0}Result>{1}</{0}Result></{0}Response>'
NONSENSE = {
    "a page": "<html><body>Sign in to the network</body></html>",
    "a page that is not closed": "<html><body><p>PLANTED",
    "nothing": "",
    "text": "PLANTED",
    "JSON": '{"Arn": "PLANTED"}',
    "another shape": "<ListRolesResponse><ListRolesResult/></ListRolesResponse>",
    "no fields": XML.format("GetCallerIdentity", ""),
    "a role without an ARN": XML.format("GetRole", "<Role><RoleName>PLANTED</RoleName></Role>"),
    "no time": XML.format(
        "GetRole", "<Role><Arn>arn:aws:iam::123456789012:role/R</Arn><CreateDate>x</CreateDate></Role>"
    ),
}
Output = pytest.CaptureFixture[str]


class _Nonsense(Handler):
    said: dict[str, object]

    def respond(self) -> None:
        self.content()
        self.answer(str(self.said["body"]), int(str(self.said["status"])), {"Content-Type": "text/xml"})


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """Run a server in AWS's place; return what it says, to be set."""
    answer: dict[str, object] = {"body": "", "status": 200}
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "planted-key")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with serving(_Nonsense, said=answer) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        yield answer


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A stack with one session role, as a file."""
    stack = stacks.stack()
    stacks.session_role(stack)
    file = tmp_path_factory.mktemp("template") / f"{STACK}.template.json"
    file.write_text(json.dumps(stacks.template(stack)))
    return str(file)


def one_sentence(capsys: Output) -> str:
    """Return what was said: one line on standard error, and nothing from the wire in it."""
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.strip().splitlines()
    assert "PLANTED" not in line
    assert "fix:" in line
    return line


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
@pytest.mark.parametrize("asked", ["--list", "--apply"])
def test_revoke_says_so(asked: str, body: str, said: dict[str, object], capsys: Output) -> None:
    """Exit code 1 and no traceback, whatever comes."""
    said["body"] = body
    options = ["--list"] if asked == "--list" else ["--tag", "task_id=T1", "--apply"]
    assert main(["revoke", "SessionRole", *options]) == 1
    assert "the answer to GetRole cannot be read" in one_sentence(capsys)


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
@pytest.mark.parametrize("stack", [[], ["--stack", STACK], ["--stack", STACK, "--live"]])
def test_validate_says_so(stack: list[str], body: str, said: dict[str, object], template: str, capsys: Output) -> None:
    """STS with --stack, IAM without: each is one sentence that names the operation."""
    said["body"] = body
    assert main(["validate", template, *stack]) == 1
    operation = "GetCallerIdentity" if stack else "SimulateCustomPolicy"
    line = one_sentence(capsys)
    assert f"the answer to {operation} cannot be read" in line
    assert "nothing is validated" in line


@pytest.mark.parametrize("status", [301, 403, 500])
@pytest.mark.parametrize("body", ["<html><body>PLANTED</body></html>", "", "PLANTED", "<Other/>"])
def test_an_error_in_no_form_of_aws_is_one_sentence_too(
    status: int, body: str, said: dict[str, object], template: str, capsys: Output
) -> None:
    """A proxy's error page has no code, and that is no KeyError."""
    said |= {"body": body, "status": status}
    for arguments in (["revoke", "SessionRole", "--list"], ["validate", template, "--stack", STACK]):
        assert main(arguments) == 1
        one_sentence(capsys)


def test_an_endpoint_that_is_no_address_is_one_sentence(
    said: dict[str, object], template: str, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Botocore raises a plain ValueError for it."""
    assert said
    monkeypatch.setenv("AWS_ENDPOINT_URL", "no address")
    for arguments in (
        ["revoke", "SessionRole", "--list"],
        ["validate", template, "--stack", STACK],
        ["validate", template],
    ):
        assert main(arguments) == 1
        assert "AWS_ENDPOINT_URL" in one_sentence(capsys)
