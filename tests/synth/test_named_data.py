"""Secrets and parameters by name: each use, its near misses, and the proof."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import aws_cdk as cdk
import pytest

from session_scoping import InvalidInputError, TenantParameters, TenantSecrets
from session_scoping.verify import Status, verify
from tests.support import stacks
from tests.support.matrix import TAGS, Case, failures
from tests.support.shared import shared
from tests.support.simulator import Policies, ask, request
from tests.support.verify.mutations import Template, edit, session_role, statements, without_guards
from tests.support.world import ACCOUNT, World, with_broad_allow

EVERY = ("deployed", "allows only", "broad allow", "everything")
SECRET = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:"
PARAMETER = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/"
# Secrets Manager guide, whats-in-a-secret: a hyphen and six random characters end the ARN.
RANDOM = "-AbCdEf"


@cache
def template() -> Template:
    """A session role with secrets under a key, and parameters."""
    made: Template = shared("named data", _synthesize)
    return made


def _synthesize() -> Template:
    stack = stacks.stack()
    key = cdk.aws_kms.Key(stack, "Key")
    stacks.session_role(
        stack,
        secrets=[
            TenantSecrets(["agents/{user_id}/"], ("get", "describe", "put"), encryption_key=key),
            TenantSecrets(["tasks/of-{task_id}"]),
        ],
        parameters=[
            TenantParameters(["/agents/{user_id}/"], ("get", "list", "put")),
            TenantParameters(["tasks/{task_id}/conf"]),
        ],
    )
    return stacks.template(stack)


def _case(action: str, resource: str, *, allowed: bool, **context: Any) -> Case:
    return Case(f"{action} on {resource}", "SessionRole", action, resource, allowed, context)


def _secrets() -> Iterator[Case]:
    words = ("GetSecretValue", "DescribeSecret", "PutSecretValue")
    for name in ("agents/u1/github", "agents/u1/a/b", "tasks/of-T1"):
        for word in words:
            granted = name.startswith("agents/") or word == "GetSecretValue"
            # A session's own secret is not kept from it by a guard that another entry's words open.
            yield (
                replace(_case(f"secretsmanager:{word}", f"{SECRET}{name}{RANDOM}", allowed=granted), guarded=False)
                if not granted
                else _case(f"secretsmanager:{word}", f"{SECRET}{name}{RANDOM}", allowed=True)
            )
        for word in ("DeleteSecret", "PutResourcePolicy", "RotateSecret", "ReplicateSecretToRegions", "UpdateSecret"):
            yield _case(f"secretsmanager:{word}", f"{SECRET}{name}{RANDOM}", allowed=False)
    near = ["agents/u2/github", "agents/u10/x", "agents/u1", "agents/U1/x", "agents/x", "agents/", "tasks/of-T10", "x"]
    near += [
        "tasks/of-T1-more",
        "tasks/of-T",
        "tasks/T1",
        "Agents/u1/x",
        "prod/agents/u1/x",
        "agents/T1/x",
        "tasks/of-u1",
    ]
    for name in near:
        for word in (*words, "ListSecretVersionIds", "DeleteSecret"):
            yield _case(f"secretsmanager:{word}", f"{SECRET}{name}{RANDOM}", allowed=False)
    own = f"{SECRET}agents/u1/github{RANDOM}"
    for elsewhere in (own.replace("us-east-1", "us-west-2"), own.replace(ACCOUNT, "999999999999")):
        yield _case("secretsmanager:GetSecretValue", elsewhere, allowed=False)
    for word in ("ListSecrets", "BatchGetSecretValue"):
        yield _case(f"secretsmanager:{word}", "*", allowed=False)
    vault = f"{SECRET}bedrock-agentcore-identity!default/oauth2/github{RANDOM}"
    yield _case("secretsmanager:GetSecretValue", vault, allowed=False, **{"aws:ViaAWSService": "false"})
    yield _case("secretsmanager:GetSecretValue", vault, allowed=False)


def _parameters() -> Iterator[Case]:
    for name in ("agents/u1/model", "agents/u1/a/b", "tasks/T1/conf"):
        for word in ("GetParameter", "GetParameters"):
            yield _case(f"ssm:{word}", f"{PARAMETER}{name}", allowed=True)
        for word in ("GetParameterHistory", "DeleteParameter", "LabelParameterVersion", "AddTagsToResource"):
            yield _case(f"ssm:{word}", f"{PARAMETER}{name}", allowed=False)
    for path in ("agents/u1", "agents/u1/", "agents/u1/a"):
        yield _case("ssm:GetParametersByPath", f"{PARAMETER}{path}", allowed=True, **{"ssm:Recursive": "true"})
    for path in ("agents", "agents/", "agents/u", "agents/u10", "agents/u2/", "tasks/T1", "tasks/"):
        yield _case("ssm:GetParametersByPath", f"{PARAMETER}{path}", allowed=False, **{"ssm:Recursive": "true"})
    yield _case("ssm:PutParameter", f"{PARAMETER}agents/u1/model", allowed=True)
    for name in ("agents/u2/model", "agents/u10/x", "agents/U1/x", "tasks/T10/conf", "tasks/T1/other", "tasks/T1", "x"):
        for word in ("GetParameter", "GetParameters", "PutParameter", "DeleteParameter"):
            yield _case(f"ssm:{word}", f"{PARAMETER}{name}", allowed=False)
    yield _case("ssm:DescribeParameters", "*", allowed=False)
    yield _case("ssm:GetParameter", f"{PARAMETER}agents/u1/x".replace("us-east-1", "us-west-2"), allowed=False)
    document = f"arn:aws:ssm:us-east-1:{ACCOUNT}:document/AWS-RunShellScript"
    yield _case("ssm:SendCommand", document, allowed=False)


def _lost_tags() -> Iterator[Case]:
    for action, resource in (
        ("secretsmanager:GetSecretValue", f"{SECRET}agents//x{RANDOM}"),
        ("secretsmanager:GetSecretValue", f"{SECRET}agents/u1/x{RANDOM}"),
        ("ssm:GetParameter", f"{PARAMETER}agents/u1/x"),
    ):
        for tags in ({"repo": "r", "task_id": "T1"}, {"user_id": "", "repo": "r", "task_id": "T1"}):
            yield replace(_case(action, resource, allowed=False), tags=tags)
    stepping = {"user_id": "u1/x", "repo": "r", "task_id": "T1"}
    below = _case("secretsmanager:GetSecretValue", f"{SECRET}agents/u1/x/y{RANDOM}", allowed=False)
    yield replace(below, tags=stepping, guard_only=True)


@pytest.mark.parametrize("cases", [_secrets, _parameters, _lost_tags])
def test_a_session_reaches_its_own_names_and_nothing_near(cases: Any) -> None:
    """As deployed, by the Allows alone, and whatever a colleague allows besides."""
    assert not failures(World(template()), cases(), EVERY)


# KMS guide, default key policy: the account's IAM policies decide.
BY_IAM = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}
VIA, CONTEXT = "kms:ViaService", "kms:EncryptionContext:SecretARN"


def test_a_key_opens_a_session_s_own_secrets_only() -> None:
    """By Secrets Manager, for the ARN of an own secret; not by hand, not through another service, not for another's."""
    world = World(template())
    key, role = world.arn("Key", "AWS::KMS::Key"), world.role("SessionRole")
    tags = {f"aws:PrincipalTag/{name}": value for name, value in TAGS.items()}
    own = {VIA: "secretsmanager.us-east-1.amazonaws.com", CONTEXT: f"{SECRET}agents/u1/github{RANDOM}", **tags}
    foreign = {**own, CONTEXT: f"{SECRET}agents/u2/github{RANDOM}"}
    by_hand, unnamed = ({name: value for name, value in own.items() if name != left} for left in (VIA, CONTEXT))
    through = {**own, VIA: "ec2.us-east-1.amazonaws.com"}
    asked = [("Decrypt", own), ("GenerateDataKey", own)]
    asked += [("Decrypt", context) for context in (foreign, by_hand, unnamed, through)] + [("Encrypt", own)]
    requests = [request(f"kms:{word}", key, context, role.session()) for word, context in asked]
    by_iam = {"Version": "2012-10-17", "Statement": [BY_IAM]}
    # Unchecked: the simulator knows no key of an encryption context, and would leave it out.
    verdicts = ask(Policies(role.policies, resource=by_iam), requests, checked=False)
    assert [verdict == "Allowed" for verdict in verdicts] == [True, True, *[False] * 5]
    # Under a colleague's broad Allow the key is still held to the services that use it.
    broad = ask(Policies(with_broad_allow(role.policies), resource=by_iam), requests, checked=False)
    assert [verdict == "Allowed" for verdict in broad[3:6]] == [False, True, False]


def test_compute_roles_reach_no_session_s_names() -> None:
    """Whatever is granted to them later."""
    arns = [f"{SECRET}agents/u1/x{RANDOM}", f"{SECRET}tasks/of-T1{RANDOM}"]
    arns += [arn.replace("us-east-1", "eu-west-1") for arn in arns]
    cases = [replace(_case("secretsmanager:GetSecretValue", arn, allowed=False), role="Compute") for arn in arns]
    cases += [
        replace(_case(f"ssm:{word}", f"{PARAMETER}{name}", allowed=False), role="Compute")
        for word, name in (("GetParameter", "agents/u1/x"), ("GetParameterHistory", "tasks/T1/conf"))
    ]
    # Who may read a path may read all below it, also what is denied.
    above = ("agents", "agents/", "agents/u1", "agents/u1/", "tasks", "tasks/", "tasks/T1", "tasks/T1/")
    cases += [
        replace(_case("ssm:GetParametersByPath", f"{PARAMETER}{name}", allowed=False), role="Compute") for name in above
    ]
    assert not failures(World(template()), cases, EVERY)
    by_path = stacks.by_sid(stacks.policy(template(), "SessionComputeGuards"))["DenyPathsAboveTenants"]
    # The root, which the simulator takes for no parameter.
    assert by_path["Resource"][0] == stacks.arn("ssm", "parameter/", region="*")


def test_what_is_synthesized_is_proved() -> None:
    """Names, keys, and the Allows alone."""
    for one in (template(), without_guards(template())):
        report = verify(one)
        assert report.proved, [(result.rule, result.detail) for result in report.failures()]


def test_a_policy_on_a_secret_is_a_doubt() -> None:
    """It may open a session's own to anybody; one that only denies may not."""
    for effect, expected in (("Allow", {Status.UNKNOWN}), ("Deny", set())):
        changed = copy.deepcopy(template())
        statement = {"Effect": effect, "Principal": "*", "Action": "secretsmanager:*", "Resource": "*"}
        changed["Resources"]["Policy"] = {
            "Type": "AWS::SecretsManager::ResourcePolicy",
            "Properties": {"SecretId": "agents/u1/x", "ResourcePolicy": {"Statement": [statement]}},
        }
        found = [one for one in verify(changed).failures() if one.rule == "name-isolation"]
        assert {one.status for one in found} == expected


USER, TASK = "${aws:PrincipalTag/user_id}", "${aws:PrincipalTag/task_id}"


def _renamed(old: str, new: str) -> Any:
    def change(changed: Template) -> None:
        for statement in statements(changed, session_role(changed), "Allow"):
            for part in statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]:
                pieces = part.get("Fn::Join", ["", []])[1]
                pieces[:] = [piece.replace(old, new) if isinstance(piece, str) else piece for piece in pieces]

    return change


WEAKER = {
    "secrets without the slash": _renamed(f":secret:agents/{USER}/*", f":secret:agents/{USER}*"),
    "secrets of everybody": _renamed(f":secret:agents/{USER}/*", ":secret:agents/*"),
    "secrets that end alike": _renamed(f":secret:agents/{USER}/*", f":secret:*/{USER}/*"),
    "a secret's suffix of any length": _renamed("-??????", "-*"),
    "parameters without the slash": _renamed(f":parameter/agents/{USER}/*", f":parameter/agents/{USER}*"),
    "the path above": _renamed(f":parameter/agents/{USER}/*", ":parameter/agents"),
    "the path above, by a tag": _renamed(f":parameter/tasks/{TASK}/conf", f":parameter/agents/{TASK}"),
    "every parameter": _renamed(f":parameter/agents/{USER}/*", ":parameter/*"),
}


@pytest.mark.parametrize("name", WEAKER)
def test_no_wider_name_is_proved(name: str) -> None:
    """Whoever writes the policy by hand."""
    changed = edit(without_guards(template()), name, WEAKER[name]).template
    assert changed != without_guards(template())
    assert {result.status for result in verify(changed).failures()} & {Status.VIOLATED, Status.UNKNOWN}


BAD: dict[str, tuple[Any, str]] = {
    "no list": (TenantSecrets("agents/{user_id}/"), "not a list"),
    "no name": (TenantParameters([]), "not a list"),
    "no tag": (TenantSecrets(["agents/"]), "names no session tag"),
    "a tag nobody has": (TenantSecrets(["agents/{tenant}/"]), "unknown tag"),
    "a tag first": (TenantSecrets(["{user_id}/"]), "begins with a tag"),
    "a wildcard": (TenantSecrets(["agents/{user_id}/*"]), "wildcard"),
    "a path step": (TenantParameters(["/agents/../{user_id}/"]), "not a plain path"),
    "tags side by side": (TenantParameters(["a/{user_id}-{task_id}/"]), "ambiguous boundary"),
    "a character no secret has": (TenantSecrets(["agents:{user_id}/"]), "names no secret"),
    "a character no parameter has": (TenantParameters(["agents@{user_id}/"]), "names no parameter"),
    "another word": (TenantSecrets(["agents/{user_id}/"], "list"), "one or more of get, describe, put;"),
    "another word for parameters": (TenantParameters(["a/{user_id}/"], "delete"), "one or more of get, list, put;"),
    "a list of an exact name": (TenantParameters(["a/{user_id}"], "list"), "an exact parameter name"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_names_are_refused(name: str) -> None:
    """In one line, before anything is synthesized."""
    entry, complaint = BAD[name]
    given: dict[str, Any] = {"secrets" if isinstance(entry, TenantSecrets) else "parameters": [entry]}
    with pytest.raises(InvalidInputError, match=complaint):
        stacks.session_role(stacks.stack(), **given)


def test_names_that_meet_are_refused() -> None:
    """A user called `shared` would have everybody's; two kinds never meet."""
    meeting = [TenantSecrets(["a/{user_id}/"]), TenantSecrets(["a/shared/{task_id}/"])]
    with pytest.raises(InvalidInputError, match="can name the same secret"):
        stacks.session_role(stacks.stack(), secrets=meeting)
    stacks.session_role(stacks.stack(), secrets=meeting[:1], parameters=[TenantParameters(["a/shared/{task_id}/"])])


def test_another_kind_in_the_wrong_place_is_refused() -> None:
    """Parameters are no secrets."""
    with pytest.raises(InvalidInputError, match="`secrets` is not what a SessionRole takes"):
        stacks.session_role(stacks.stack(), secrets=[TenantParameters(["a/{user_id}/"])])
