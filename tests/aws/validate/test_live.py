"""`--live` mints one probe session, reads keys nobody has, writes nothing, and believes no ambiguous answer."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from botocore.stub import ANY

from session_scoping import Revocation, TenantTable
from session_scoping.commands.main import main
from session_scoping.commands.validate.live import LiveProbe, TableKeys, table_keys
from session_scoping.commands.validate.matrix import FOREIGN, OWN
from session_scoping.commands.validate.simulation import Answer
from session_scoping.verify.policies.binding import Binding
from session_scoping.verify.scoping.infer import Options, SessionScope, find_session_roles, scope_of
from tests.support import stacks
from tests.support.account import Account, as_expected, deployed
from tests.support.account import cases as matrix
from tests.support.verify.internals import deployment_of

Output = pytest.CaptureFixture[str]
ARN = "arn:aws:iam::123456789012:role/Session"
TAGS = [{"Key": key, "Value": f"ssprobe-7-{key.replace('_', '-')}"} for key in ("repo", "task_id", "user_id")]
CREDENTIALS = {
    "Credentials": {
        "AccessKeyId": "ASIAPLANTEDPLANTED00",
        "SecretAccessKey": "planted-secret",
        "SessionToken": "planted-token",
        "Expiration": "2026-01-01T00:00:00Z",
    }
}
NO_LIST = "User: x is not authorized to perform: s3:ListBucket on resource: y"
NO_GET = "User: x is not authorized to perform: s3:GetObject on resource: y"


def _scoped(template: dict[str, Any]) -> SessionScope:
    deployment = deployment_of(template)
    (role,) = find_session_roles(deployment, Options())
    return scope_of(role, deployment, Options())


def _probe(account: Account, template: dict[str, Any]) -> list[Answer]:
    """Ask the template's role, with the keys the template declares."""
    keys = {f"Template.{key}": table_keys(r.get("Properties", {})) for key, r in template["Resources"].items()}
    known = {key: value for key, value in keys.items() if value}
    probe = LiveProbe(account, lambda _: account, Binding(), known, suffix="7")
    return probe.ask(_scoped(template), ARN)


def _mints(account: Account, *, untagged: str | None = "AccessDenied") -> None:
    """Queue the tagged mint, and the refusal of the one without tags."""
    asked = {"RoleArn": ARN, "RoleSessionName": ANY, "DurationSeconds": 900, "Tags": TAGS}
    account.stubs["sts"].add_response("assume_role", CREDENTIALS, asked)
    bare = {"RoleArn": ARN, "RoleSessionName": ANY, "DurationSeconds": 900}
    if untagged:
        account.stubs["sts"].add_client_error("assume_role", untagged, http_status_code=403, expected_params=bare)
    else:
        account.stubs["sts"].add_response("assume_role", CREDENTIALS, bare)


def _item(value: str) -> dict[str, Any]:
    return {"TableName": ANY, "Key": {"task_id": {"S": value}}}


def _reads_rows(account: Account) -> None:
    """Queue an empty own row, and the refusal of the foreign one."""
    rows = account.stubs["dynamodb"]
    rows.add_response("get_item", {}, _item("ssprobe-7-task-id"))
    rows.add_client_error(
        "get_item", "AccessDeniedException", http_status_code=400, expected_params=_item("ssprobe-7-task-id-other")
    )


def _reads_objects(account: Account, *messages: str) -> None:
    for message in messages:
        account.stubs["s3"].add_client_error("get_object", "AccessDenied", message, http_status_code=403)


def _found(answers: list[Answer]) -> list[tuple[str, str, bool | None, bool]]:
    return [(a.case.title, a.case.action, a.allowed, a.agrees) for a in answers]


def test_a_probe_reads_its_own_keys_and_is_denied_a_neighbours(account: Account, template: dict[str, Any]) -> None:
    """A right deployment: no mint without tags, own row and object reachable, foreign ones denied."""
    _mints(account)
    _reads_rows(account)
    _reads_objects(account, NO_LIST, NO_GET)
    assert sorted(_found(_probe(account, template))) == [
        (FOREIGN, "dynamodb:GetItem", False, True),
        (FOREIGN, "s3:GetObject", False, True),
        (OWN, "dynamodb:GetItem", True, True),
        (OWN, "s3:GetObject", True, True),
        ("minting without tags", "sts:AssumeRole", False, True),
    ]
    account.done()


def test_a_foreign_row_that_answers_is_a_difference(account: Account, template: dict[str, Any]) -> None:
    """The one answer that must never come is reported, and so is a mint without tags that succeeds."""
    _mints(account, untagged=None)
    account.stubs["dynamodb"].add_response("get_item", {})
    account.stubs["dynamodb"].add_response("get_item", {"Item": {"task_id": {"S": "x"}}})
    _reads_objects(account, NO_LIST, NO_LIST)
    wrong = [(title, action) for title, action, _, agrees in _found(_probe(account, template)) if not agrees]
    assert sorted(wrong) == [
        (FOREIGN, "dynamodb:GetItem"),
        (FOREIGN, "s3:GetObject"),
        ("minting without tags", "sts:AssumeRole"),
    ]


def test_a_bare_403_of_s3_proves_nothing(account: Account, template: dict[str, Any]) -> None:
    """S3 answers 403 for a missing object as well, where listing is not allowed: without a reason it stays open."""
    _mints(account)
    _reads_rows(account)
    _reads_objects(account, "Access Denied", "Access Denied")
    answers = [answer for answer in _probe(account, template) if answer.case.action == "s3:GetObject"]
    assert [answer.allowed for answer in answers] == [None, None]
    assert not any(answer.agrees for answer in answers)


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "ProvisionedThroughputExceededException"])
def test_another_fault_is_no_answer(account: Account, template: dict[str, Any], code: str) -> None:
    """A missing table or a throttled read is neither allowed nor denied."""
    _mints(account)
    for _ in range(2):
        account.stubs["dynamodb"].add_client_error("get_item", code, http_status_code=400)
    _reads_objects(account, NO_LIST, NO_GET)
    answers = [answer for answer in _probe(account, template) if answer.case.action == "dynamodb:GetItem"]
    assert {(answer.allowed, answer.note) for answer in answers} == {(None, f"AWS answered {code}")}


def test_a_missing_object_and_a_found_one_are_both_reachable(account: Account, template: dict[str, Any]) -> None:
    """404 says the read was allowed; so does an object that somebody left there, whose content is not read."""
    _mints(account)
    _reads_rows(account)
    objects = account.stubs["s3"]
    objects.add_client_error("get_object", "NoSuchKey", http_status_code=404)
    objects.add_client_error("get_object", "AccessDenied", NO_GET, http_status_code=403)
    answers = [answer for answer in _probe(account, template) if answer.case.action == "s3:GetObject"]
    assert [(answer.allowed, answer.note) for answer in answers] == [(True, "no such object"), (False, "")]


def test_a_role_that_may_only_query_is_asked_by_query(account: Account) -> None:
    """Where the grant is Query and not GetItem, the probe queries one item of its own partition."""
    stack = stacks.stack()
    stacks.session_role(stack, tables=[TenantTable(stacks.table(stack), access="query")])
    _mints(account)
    asked = {
        "TableName": ANY,
        "KeyConditionExpression": "#k = :v",
        "ExpressionAttributeNames": {"#k": "task_id"},
        "ExpressionAttributeValues": {":v": {"S": "ssprobe-7-task-id"}},
        "Limit": 1,
    }
    account.stubs["dynamodb"].add_response("query", {"Items": []}, asked)
    account.stubs["dynamodb"].add_client_error("get_item", "AccessDeniedException")
    answers = _found(_probe(account, stacks.template(stack)))
    assert answers[1] == (OWN, "dynamodb:Query", True, True)
    assert answers[2][3]


@pytest.mark.parametrize(
    ("kind", "value"), [("STRING", {"S": "session-scoping-probe"}), ("NUMBER", {"N": "0"}), ("BINARY", {"B": b"0"})]
)
def test_a_row_with_a_sort_key_is_read_by_both_keys(account: Account, kind: str, value: dict[str, Any]) -> None:
    """DynamoDB takes no key that lacks a part or has one of another type."""
    stack = stacks.stack()
    sort = dynamodb.Attribute(name="step", type=dynamodb.AttributeType[kind])
    stacks.session_role(stack, tables=[TenantTable(stacks.table(stack, sort_key=sort))])
    _mints(account)
    own = {"TableName": ANY, "Key": {"task_id": {"S": "ssprobe-7-task-id"}, "step": value}}
    account.stubs["dynamodb"].add_response("get_item", {}, own)
    account.stubs["dynamodb"].add_client_error("get_item", "AccessDeniedException")
    assert _found(_probe(account, stacks.template(stack)))[1] == (OWN, "dynamodb:GetItem", True, True)


def test_a_revoked_time_ahead_is_expected_to_deny_the_probe(account: Account) -> None:
    """The probe knows when it was minted: under a revocation that lies ahead it expects to be denied."""
    stack = stacks.stack()
    stacks.session_role(stack, restrictions=[Revocation.issued_before("2999-01-01T00:00:00Z")])
    _mints(account)
    for _ in range(2):
        account.stubs["dynamodb"].add_client_error("get_item", "AccessDeniedException")
    answers = _found(_probe(account, stacks.template(stack)))
    assert [allowed for _, _, allowed, _ in answers] == [False, False, False]
    assert all(agrees for *_, agrees in answers)


@pytest.mark.parametrize(
    ("schema", "types", "expected"),
    [
        ([("id", "HASH")], {"id": "S"}, TableKeys("id")),
        ([("id", "HASH"), ("at", "RANGE")], {"id": "S", "at": "N"}, TableKeys("id", ("at", "N"))),
        ([("id", "HASH")], {"id": "N"}, None),
        ([("id", "HASH"), ("at", "RANGE")], {"id": "S"}, None),
        ([], {}, None),
    ],
)
def test_the_key_of_a_probe_follows_the_tables_schema(
    schema: list[tuple[str, str]], types: dict[str, str], expected: TableKeys | None
) -> None:
    """A probe names the whole primary key, and leaves out tables whose key no tag can be."""
    properties = {
        "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in schema],
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in types.items()],
    }
    assert table_keys(properties) == expected


def test_a_probes_tags_are_new_each_time() -> None:
    """Two runs never share a probe key, and none is a tenant's."""
    client = boto3.Session(region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    names = {LiveProbe(client, lambda _: client, Binding(), {})._suffix for _ in range(2)}
    assert len(names) == 2
    assert all(len(name) == 16 for name in names)


def test_the_command_adds_the_live_answers_and_shows_no_credential(
    account: Account, template: dict[str, Any], path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--live` asks simulator and deployment, and prints neither keys nor what was read."""
    monkeypatch.setattr("secrets.token_hex", lambda _: "7")
    binding = deployed(account, template)
    account.simulates(matrix(template, binding), "simulate_principal_policy", as_expected)
    sts = account.stubs["sts"]
    sts.add_response(
        "assume_role", CREDENTIALS, {"RoleArn": ANY, "RoleSessionName": ANY, "DurationSeconds": 900, "Tags": TAGS}
    )
    sts.add_client_error("assume_role", "AccessDenied", http_status_code=403)
    _reads_rows(account)
    _reads_objects(account, NO_LIST, NO_GET)
    assert main(["validate", str(path), "--stack", "deployed", "--live", "--json", "--profile", "mine"]) == 0
    out, err = capsys.readouterr()
    account.done()
    callers, tasks = account.sessions
    assert callers["profile_name"] == "mine"
    kept = [tasks[f"aws_{name}"] for name in ("access_key_id", "secret_access_key", "session_token")]
    assert kept == [CREDENTIALS["Credentials"][name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
    assert "planted" not in out + err
    live = [
        row
        for row in json.loads(out)["results"]
        if row["context"].get("aws:PrincipalTag/task_id", "").startswith("ssprobe")
    ]
    assert len(live) == 4


def test_a_caller_that_may_not_mint_gets_one_clear_line(
    account: Account, template: dict[str, Any], path: Path, capsys: Output
) -> None:
    """AccessDenied on the mint says whose permission is missing."""
    binding = deployed(account, template)
    account.simulates(matrix(template, binding), "simulate_principal_policy", as_expected)
    account.stubs["sts"].add_client_error("assume_role", "AccessDenied", http_status_code=403)
    assert main(["validate", str(path), "--stack", "deployed", "--live"]) == 1
    assert "must admit the profile" in capsys.readouterr().err
