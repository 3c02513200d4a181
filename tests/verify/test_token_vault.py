"""The `token-vault` property: PROVED on what the construct writes, VIOLATED on each way of weakening it."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from session_scoping import TokenFlow, UserBinding, grant_dispatch
from session_scoping.contract.metadata import TOKEN_VAULT
from session_scoping.verify import Result, Status, verify
from tests.support import stacks
from tests.support.reference import synthesize_reference
from tests.support.vault_stack import BY_JWT, DIRECTORY, PLACE, VAULT, Vault, session_stack
from tests.support.verify.corpus import results_of
from tests.support.verify.mutations import statements

Statement = dict[str, Any]
ANYWHERE = f"{PLACE}*"


def results(template: dict[str, Any], rule: str = "token-vault") -> list[Result]:
    """Return what is said of one rule."""
    return results_of(template, rule)


def session_role(template: dict[str, Any]) -> str:
    """Return the logical id of the session role."""
    return stacks.ref(template, "SessionRole")


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    """A session role bound by its tag."""
    return session_stack()


@pytest.fixture(scope="module")
def bare(good: dict[str, Any]) -> dict[str, Any]:
    """The same without its guards."""
    template = copy.deepcopy(good)
    del template["Resources"][stacks.ref(template, "VaultGuards")]
    return template


def changed(template: dict[str, Any], change: Callable[[dict[str, Statement]], object]) -> dict[str, Any]:
    """Return the template with the session's Allows of the vault changed, by Sid."""
    found = copy.deepcopy(template)
    allows = statements(found, session_role(found), "Allow")
    change({one["Sid"]: one for one in allows})
    return found


def with_allow(template: dict[str, Any], statement: Statement) -> dict[str, Any]:
    """Return the template with one more Allow on the session role."""
    found = copy.deepcopy(template)
    document = {"Version": "2012-10-17", "Statement": [{"Sid": "Careless", "Effect": "Allow", **statement}]}
    found["Resources"]["Careless"] = {
        "Type": "AWS::IAM::Policy",
        "Properties": {"PolicyName": "c", "PolicyDocument": document, "Roles": [{"Ref": session_role(found)}]},
    }
    return found


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"user_binding": BY_JWT},
        {"flows": [TokenFlow.USER_FEDERATION], "user_binding": None},
        {"flows": [TokenFlow.M2M], "user_binding": None},
        {"user_binding": UserBinding.session_tag("task_id")},
    ],
)
def test_what_the_construct_writes_is_proved(options: dict[str, Any]) -> None:
    """With each binding the grant is proved, and the session role's other properties stay so."""
    report = verify(session_stack(**options))
    assert [one.rule for one in report.results if one.status is not Status.PROVED] == []
    assert len([one for one in report.results if one.rule == "token-vault"]) == 1


def test_the_reference_stack_is_proved_with_its_callback() -> None:
    """The session role and the consent callback are each spoken of, and without the switch neither is."""
    found = results(synthesize_reference(tokenVault="on"))
    assert [one.status for one in found] == [Status.PROVED] * 2
    assert any("agent code does not run with it" in one.detail for one in found)
    assert results(synthesize_reference()) == []


def test_a_dispatcher_takes_no_tokens() -> None:
    """Invoking a runtime is no vending, so nothing is said of the orchestrator."""
    stack = stacks.stack()
    stacks.session_role(stack)
    grant_dispatch(stacks.role(stack, "Orchestrator"), f"{PLACE}runtime/agent-AbCdEfGhIj", for_user=True)
    assert results(stacks.template(stack)) == []


@pytest.mark.parametrize(
    "statement",
    [
        {"Action": "bedrock-agentcore:*", "Resource": "*"},
        {"Action": "bedrock-agentcore:GetWorkloadAccessTokenForUserId", "Resource": "*"},
        {"Action": "bedrock-agentcore:GetWorkloadAccessTokenForJWT", "Resource": "*"},
        {"Action": "bedrock-agentcore:GetResourceOauth2Token", "Resource": f"{VAULT}/oauth2credentialprovider/other"},
        {"Action": "bedrock-agentcore:CompleteResourceTokenAuth", "Resource": "*"},
        {"NotAction": "s3:*", "Resource": ANYWHERE},
    ],
)
def test_a_broad_allow_is_harmless_beside_the_guards_and_caught_without(
    good: dict[str, Any], bare: dict[str, Any], statement: Statement
) -> None:
    """The guards carry the proof; with them gone the same Allow is a violation that `decide` confirms."""
    assert [one.status for one in results(with_allow(good, statement))] == [Status.PROVED]
    (found,) = results(with_allow(bare, statement))
    assert found.status is Status.VIOLATED, found
    assert found.counterexample is not None
    assert found.counterexample.decided_by


def _drop(sid: str, operator: str) -> Callable[[dict[str, Statement]], object]:
    return lambda allows: allows[sid]["Condition"].pop(operator)


def _condition(sid: str, operator: str, value: Any) -> Callable[[dict[str, Statement]], object]:
    def change(allows: dict[str, Statement]) -> None:
        del allows[sid]["Condition"]["StringEquals"]
        allows[sid]["Condition"].setdefault(operator, {})["bedrock-agentcore:userid"] = value

    return change


def _resource(sid: str, *arns: str) -> Callable[[dict[str, Statement]], object]:
    return lambda allows: allows[sid].update(Resource=list(arns))


@pytest.mark.parametrize(
    "change",
    [
        _drop("TokenOfUser", "StringEquals"),
        _condition("TokenOfUser", "StringLike", "*"),
        _condition("TokenOfUser", "StringLike", "${aws:PrincipalTag/user_id}*"),
        _condition("TokenOfUser", "StringEquals", "${aws:PrincipalTag/repo}"),
        _condition("TokenOfUser", "StringEquals", ["${aws:PrincipalTag/user_id}", "cognito+admin"]),
        _condition("TokenOfUser", "StringLikeIfExists", "*"),
        _resource("TokenOfUser", f"{DIRECTORY}/workload-identity/*"),
        _resource("TokenOfAgent", f"{DIRECTORY}/workload-identity/*"),
        _resource("TokenOfAgent", "*"),
        _resource("Oauth2Tokens", f"{VAULT}/oauth2credentialprovider/github*"),
        _resource("Oauth2Tokens", f"{VAULT}/oauth2credentialprovider/another"),
        _resource("ApiKeys", f"{VAULT}*"),
    ],
)
def test_each_weakening_of_an_allow_is_caught(
    bare: dict[str, Any], change: Callable[[dict[str, Statement]], object]
) -> None:
    """Without guards each weakened Allow gives a counterexample: another user, another identity or provider."""
    assert [one.status for one in results(bare)] == [Status.PROVED]
    (found,) = results(changed(bare, change))
    assert found.status is Status.VIOLATED, found
    assert found.counterexample is not None


def test_a_comparison_that_cannot_be_modelled_is_no_proof(bare: dict[str, Any]) -> None:
    """Ignoring case lets other users in; the solver cannot follow it and says so rather than pass."""
    ignoring = _condition("TokenOfUser", "StringEqualsIgnoreCase", "${aws:PrincipalTag/user_id}")
    assert [one.status for one in results(changed(bare, ignoring))] == [Status.UNKNOWN]


def test_another_users_id_is_the_counterexample(bare: dict[str, Any]) -> None:
    """The request names a user who is not the session's, and the statement that let it through."""
    (found,) = results(changed(bare, _drop("TokenOfUser", "StringEquals")))
    example = found.counterexample
    assert example is not None
    assert example.context["bedrock-agentcore:userid"] != example.session["user_id"]
    assert "TokenOfUser" in example.decided_by


def test_a_secret_of_every_provider_is_no_allowed_action(bare: dict[str, Any]) -> None:
    """`bedrock-agentcore-identity!*`, readable by hand, is a violation of allowed-actions."""
    secrets = "arn:aws:secretsmanager:us-east-1:111122223333:secret:bedrock-agentcore-identity!*"
    by_hand = with_allow(bare, {"Action": "secretsmanager:GetSecretValue", "Resource": secrets})
    assert [one.status for one in results(by_hand, "allowed-actions")] == [Status.VIOLATED]
    only = changed(bare, _drop("ReadSecrets", "Bool"))
    assert [one.status for one in results(only, "allowed-actions")] == [Status.VIOLATED]


def test_without_metadata_the_exact_arns_are_the_declaration(bare: dict[str, Any]) -> None:
    """On templates of others nothing is promised: what an Allow names is taken as meant, a pattern is not."""
    template = copy.deepcopy(bare)
    for resource in template["Resources"].values():
        resource.get("Metadata", {}).pop(TOKEN_VAULT, None)
    assert [one.status for one in results(template)] == [Status.PROVED]
    widened = changed(template, _resource("TokenOfAgent", f"{DIRECTORY}/workload-identity/*"))
    assert [one.status for one in results(widened)] == [Status.VIOLATED]


@pytest.mark.parametrize("binding", [UserBinding.identity_provider("cognito"), BY_JWT])
def test_a_callback_that_takes_tokens_is_caught(binding: UserBinding) -> None:
    """It may speak for users, but a provider beyond its own is a violation there too."""
    vault = Vault(stacks.stack())
    grant = vault.grant(stacks.session_role(vault.stack))
    grant.grant_consent_callback(stacks.role(vault.stack, "Callback", service="lambda"), user_binding=binding)
    template = stacks.template(vault.stack)
    assert [one.status for one in results(template)] == [Status.PROVED] * 2
    del template["Resources"][stacks.ref(template, "VaultConsentGuards")]
    (policy,) = (one for one in template["Resources"].values() if one["Type"] == "AWS::IAM::Policy")
    policy["Properties"]["PolicyDocument"]["Statement"][0]["Resource"] = f"{VAULT}/*"
    assert sorted(one.status.name for one in results(template)) == ["PROVED", "VIOLATED"]
