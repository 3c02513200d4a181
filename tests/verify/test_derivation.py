"""What the verifier says of tool roles and session policies, and that every weakening is caught."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from session_scoping import SessionRole, TenantObjects, TenantTable, ToolScopedRole
from session_scoping.commands.main import main
from session_scoping.verify import Result, Status, verify
from tests.support import stacks
from tests.support.verify.corpus import results_of
from tests.support.verify.mutations import without_guards

TAGS = ("user_id", "repo", "task_id")
Template = dict[str, Any]


@pytest.fixture(scope="module")
def template() -> Template:
    """A session role with one tool, and a second session role of its own data; no guards hide a weakened Allow."""
    stack = stacks.stack()
    session = stacks.session_role(
        stack,
        transitive_tag_keys=TAGS,
        tables=[TenantTable(stacks.table(stack), access=("get", "put"))],
        objects=[TenantObjects.artifacts(stacks.bucket(stack))],
    )
    notes = TenantTable(stacks.table(stack, "Notes"), access="get")
    ToolScopedRole(stack, "Tool", session_role=session, tool="search", tables=[notes])
    other_table = TenantTable(stacks.table(stack, "Elsewhere"), access="get")
    SessionRole(stack, "Other", minting=session._minting, tables=[other_table], deny_tenant_data_to_compute_roles=False)
    return stacks.template(stack)


def logical(template: Template, prefix: str) -> str:
    """Return the logical id of a role."""
    return stacks.ref(template, prefix)


def trust_of(template: Template, prefix: str) -> list[dict[str, Any]]:
    """Return a role's trust statements."""
    role = template["Resources"][logical(template, prefix)]
    statements: list[dict[str, Any]] = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    return statements


def results(template: Template, rule: str, **scope: tuple[str, ...]) -> list[Result]:
    """Return the results of one rule."""
    found = results_of(template, rule, **scope)
    assert found, rule
    return found


def weakened(template: Template, change: Callable[[Template], object]) -> Template:
    """Return a changed copy without its guards."""
    changed = without_guards(template)
    change(changed)
    return changed


@pytest.mark.parametrize("guards", [True, False])
def test_a_tool_role_and_its_session_role_are_proved(template: Template, guards: bool) -> None:
    """The Allows and the trust isolate with guards and without, and the one sanctioned chain is accepted."""
    report = verify(template if guards else without_guards(template))
    assert report.proved, [(result.rule, result.detail) for result in report.failures()]
    (derivation,) = (result for result in report.results if result.rule == "derivation")
    assert "each with its own tags, named by its task" in derivation.detail


def _all_conditions(template: Template) -> list[dict[str, Any]]:
    return [statement["Condition"] for statement in trust_of(template, "ToolRole")]


def _no_tag_equality(template: Template, key: str) -> None:
    for condition in _all_conditions(template):
        condition["StringEquals"].pop(f"aws:RequestTag/{key}", None)


def _open_tag_keys(template: Template) -> None:
    for condition in _all_conditions(template):
        condition.pop("ForAllValues:StringEquals", None)


def _another_principal(template: Template, prefix: str) -> None:
    other = {"Fn::GetAtt": [logical(template, prefix), "Arn"]}
    for statement in trust_of(template, "ToolRole"):
        statement["Principal"] = {"AWS": [statement["Principal"]["AWS"], other]}


WEAKENINGS: dict[str, Callable[[Template], object]] = {
    **{f"no equality of {key}": lambda t, key=key: _no_tag_equality(t, key) for key in TAGS},  # type: ignore[misc]
    "open tag keys": _open_tag_keys,
    "no condition at all": lambda t: [statement.pop("Condition") for statement in trust_of(t, "ToolRole")],
    "another session role in the trust": lambda t: _another_principal(t, "OtherRole"),
    "a compute role in the trust": lambda t: _another_principal(t, "Compute"),
    "anybody in the trust": lambda t: [s.update(Principal={"AWS": "*"}) for s in trust_of(t, "ToolRole")],
    "no session name": lambda t: trust_of(t, "ToolRole")[0]["Condition"]["StringEquals"].pop("sts:RoleSessionName"),
    "a session name of the client's": lambda t: trust_of(t, "ToolRole")[0]["Condition"]["StringEquals"].update(
        {"sts:RoleSessionName": "search"}
    ),
}


@pytest.mark.parametrize("name", WEAKENINGS)
def test_every_weakening_of_the_tools_trust_is_violated(template: Template, name: str) -> None:
    """Whatever lets in another session, another task or another name is VIOLATED, not merely not proved."""
    changed = weakened(template, WEAKENINGS[name])
    assert [result.status for result in results(changed, "derivation")] == [Status.VIOLATED], name


def test_one_statement_that_keeps_the_equality_is_enough(template: Template) -> None:
    """AWS asks for AssumeRole and TagSession both: equality in either one holds, and the proof knows it."""

    def change(changed: Template) -> None:
        for key in TAGS:
            trust_of(changed, "ToolRole")[1]["Condition"]["StringEquals"].pop(f"aws:RequestTag/{key}")

    assert [result.status for result in results(weakened(template, change), "derivation")] == [Status.PROVED]


def _chain_statement(template: Template) -> dict[str, Any]:
    (policy,) = (resource for key, resource in template["Resources"].items() if key.startswith("ToolChain"))
    statement: dict[str, Any] = policy["Properties"]["PolicyDocument"]["Statement"][0]
    return statement


def test_a_chain_to_any_role_is_violated(template: Template) -> None:
    """Where the session's own Allow names every role, it can become roles that are no tools of it."""
    changed = weakened(template, lambda t: _chain_statement(t).update(Resource="*"))
    session = next(r for r in results(changed, "no-chaining") if "SessionRole" in r.subject and "Tool" not in r.subject)
    assert session.status is not Status.PROVED


def test_a_guard_with_every_role_excepted_lets_a_broad_allow_through(template: Template) -> None:
    """Under a colleague's sts:* the exact NotResource is what keeps a session from other roles."""
    changed = copy.deepcopy(template)
    (guard,) = (r for key, r in changed["Resources"].items() if key.startswith("SessionToolsGuard"))
    _chain_statement(changed).update(Action="sts:*", Resource="*")
    before = results(changed, "no-chaining")
    assert all(result.status is Status.PROVED for result in before)
    statement = guard["Properties"]["PolicyDocument"]["Statement"][0]
    statement["NotResource"] = "*"
    after = [result.status for result in results(changed, "no-chaining") if "SessionRole" in result.subject]
    assert Status.PROVED not in after


def test_tags_that_nobody_hands_on_make_the_tool_vacuous(template: Template) -> None:
    """Where the session role's trust admits no transitive tag, no session can become the tool."""

    def change(changed: Template) -> None:
        condition = trust_of(changed, "SessionRole")[0]["Condition"]
        condition["ForAllValues:StringEquals"].pop("sts:TransitiveTagKeys")
        condition["Null"]["sts:TransitiveTagKeys"] = "true"

    assert [result.status for result in results(weakened(template, change), "derivation")] == [Status.VACUOUS]


def test_undeclared_transitive_tags_stay_violated(template: Template) -> None:
    """A session role whose trust no longer pins which tags are handed on is VIOLATED, tools or not."""

    def change(changed: Template) -> None:
        condition = trust_of(changed, "SessionRole")[0]["Condition"]
        condition["ForAllValues:StringEquals"].pop("sts:TransitiveTagKeys")
        condition["Null"].pop("sts:TransitiveTagKeys")

    found = {result.subject: result.status for result in results(weakened(template, change), "session-tags")}
    assert next(status for subject, status in found.items() if "SessionRole" in subject) is Status.VIOLATED


def test_the_promise_excuses_no_other_role(template: Template) -> None:
    """Without `session-scoping:tool-of` the same chain is an ordinary one: VIOLATED."""
    changed = weakened(template, lambda t: t["Resources"][logical(t, "ToolRole")].pop("Metadata"))
    statuses = {r.status for r in results(changed, "no-chaining") if "/SessionRole" in r.subject}
    assert statuses == {Status.VIOLATED}


def test_a_tool_of_a_role_that_is_not_here_is_unknown(template: Template) -> None:
    """A promise about a role outside the templates proves nothing."""
    changed = copy.deepcopy(template)
    metadata = changed["Resources"][logical(changed, "ToolRole")]["Metadata"]
    metadata["session-scoping:tool-of"] = "arn:aws:iam::111122223333:role/elsewhere"
    assert [result.status for result in results(changed, "derivation")] == [Status.UNKNOWN]


# --- session policies ----------------------------------------------------------------------------------------------


def policy(*statements: dict[str, Any]) -> str:
    """Return a session policy as JSON."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


READ = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"}


def test_a_policy_is_proved_to_take_away_and_says_what_is_left(template: Template) -> None:
    """Reading rows is left and writing is gone, on the role that had both."""
    found = results(template, "session-policy", session_policies=(policy(READ),))
    assert {result.status for result in found if "Other" not in result.subject} == {Status.PROVED}
    session = next(result for result in found if "/SessionRole" in result.subject)
    left, gone = session.detail.split("; takes away ")
    assert "dynamodb:GetItem" in left
    assert "dynamodb:PutItem" in gone
    assert "s3:PutObject" in gone


@pytest.mark.parametrize(
    "statements",
    [
        [{**READ, "Action": "sqs:SendMessage"}],
        [READ, {"Effect": "Deny", "Action": "*", "Resource": "*"}],
        [{**READ, "Condition": {"StringEquals": {"aws:PrincipalTag/task_id": "somebody-else"}}}],
    ],
)
def test_a_policy_that_leaves_nothing_is_vacuous(template: Template, statements: list[dict[str, Any]]) -> None:
    """Narrower than the role, and useless: that is not PROVED."""
    found = results(template, "session-policy", session_policies=(policy(*statements),))
    assert {result.status for result in found} == {Status.VACUOUS}


def test_a_wider_policy_gives_nothing_the_role_lacks(template: Template) -> None:
    """Allowing everything is PROVED to add nothing, because STS intersects."""
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    found = results(template, "session-policy", session_policies=(policy(everything),))
    assert {result.status for result in found} == {Status.PROVED}
    assert all("takes nothing away" in result.detail for result in found)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ({"Effect": "Deny", "Action": "sts:GetScopedCredentials", "Resource": "*"}, "the role denies"),
        ({"Effect": "Deny", "Action": "sts:*", "Resource": "*"}, "the role denies"),
        ({"Effect": "Allow", "Action": "sts:GetScopedCredentials", "Resource": "*"}, ""),
        ({"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}, "may not be able"),
    ],
)
def test_it_says_who_can_apply_the_policy(template: Template, statement: dict[str, Any], said: str) -> None:
    """A role that denies GetScopedCredentials leaves the policy to its minter; one that allows it says nothing."""
    changed = without_guards(template)
    role = {"Roles": [{"Ref": logical(changed, "SessionRole")}], "PolicyDocument": json.loads(policy(statement))}
    changed["Resources"]["Added"] = {"Type": "AWS::IAM::ManagedPolicy", "Properties": role}
    found = results(changed, "session-policy", session_policies=(policy(READ),))
    session = next(result for result in found if "/SessionRole" in result.subject)
    assert session.status is Status.PROVED
    assert ("GetScopedCredentials" in session.detail) == bool(said)
    assert said in session.detail


def test_the_command_reads_a_policy_file(
    template: Template, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`verify --session-policy FILE` adds its result, and refuses what is no policy."""
    (tmp_path / "t.template.json").write_text(json.dumps(template))
    (tmp_path / "policy.json").write_text(policy(READ))
    path = str(tmp_path / "t.template.json")
    assert main(["verify", path, "--json", "--session-policy", str(tmp_path / "policy.json")]) == 0
    assert "session-policy" in capsys.readouterr().out
    for broken in ("missing.json", "t.template.json"):
        assert main(["verify", path, "--session-policy", str(tmp_path / broken)]) == 2
