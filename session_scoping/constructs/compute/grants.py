"""What is granted to a compute role once it is made: it lands, it is there already, or it is refused by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping.aws.actions import action, covers_unlisted, matching
from session_scoping.aws.effects import Effect, Judgement, judgement
from session_scoping.aws.table import read, service
from session_scoping.constructs.cdk.statements import Statement
from session_scoping.contract.errors import InvalidInputError

REPOSITORY = "<the role's repository>"
"""In place of the image repository that a role was made with."""

SCOPED_SERVICES = ("bedrock-agentcore", "dynamodb", "kms", "s3", "s3express", "secretsmanager", "ssm")
"""Where tenants' data lies: who names every resource of one of these names tenants' too."""

UNREADABLE: Statement = {}
"""In place of a statement that cannot be read at synth."""

_UNJUDGED = "may do what nobody has judged"
_LANDING = frozenset({Effect.NAMES, Effect.READ, Effect.WRITE, Effect.TAG})
_WILDCARD = re.compile(r"[*?]")
_TOKENS = re.compile(r"\$\{Token\[[^\]]*\]\}")


class ComputeGrants:
    """
    What others grant to one compute role.

    Args:
        owner: The ScopedComputeRole, for messages.
        role: The role the grants land on.
        added: What constructs add by themselves to a role they are given.
        baseline: The Allows the role was made with.
    """

    def __init__(
        self, owner: Construct, role: iam.Role, added: Sequence[Statement], baseline: Sequence[Statement]
    ) -> None:
        self._owner, self._role, self._added, self._baseline = owner, role, added, baseline
        self._statements: list[iam.PolicyStatement] = []
        self._policies: list[iam.Policy | iam.ManagedPolicy] = []
        self._of_aws: list[Statement] = []

    def landed(self) -> Iterator[Statement]:
        """Return every statement that landed, as it is now; those put into attached policies later among them."""
        yield from (statement.to_statement_json() for statement in self._statements)
        for policy in self._policies:
            yield from document_statements(policy.document)
        yield from self._of_aws

    def finished(self, statements: Iterable[Statement], by: str | None = None) -> Iterable[str]:
        """Say what of these the role may not have; what landed can grow until the synth, and others attach to it."""
        for statement in statements:
            if error := self._error(statement, by):
                yield str(error)

    def add(self, statement: iam.PolicyStatement) -> iam.AddToPrincipalPolicyResult:
        """
        Put a statement on the role.

        Raises:
            InvalidInputError: It allows more than reading or writing named resources.
        """
        body: Statement = statement.to_statement_json()
        if self._is_there(body):
            # A result that says "added" has to say what to wait for.
            return iam.AddToPrincipalPolicyResult(statement_added=True, policy_dependable=self._role)
        self._check(body)
        self._statements.append(statement)
        return self._role.add_to_principal_policy(statement)

    def attach(self, policy: iam.Policy) -> None:
        """
        Attach an inline policy.

        Raises:
            InvalidInputError: It allows more than reading or writing named resources.
        """
        self._check(*document_statements(policy.document))
        self._policies.append(policy)
        self._role.attach_inline_policy(policy)

    def attach_managed(self, policy: iam.IManagedPolicy) -> None:
        """
        Attach a managed policy.

        Raises:
            InvalidInputError: It allows more than reading or writing named resources, or nobody can say what it allows.
        """
        if isinstance(policy, iam.ManagedPolicy):
            self._check(*document_statements(policy.document))
            self._policies.append(policy)
        else:
            statements = known_statements(policy.managed_policy_arn)
            self._check(*statements)
            self._of_aws += statements
        self._role.add_managed_policy(policy)

    def _is_there(self, body: Statement) -> bool:
        """Whether the baseline allows it, or a construct adds it to any role it is given."""
        return self._anywhere(body) in self._added or any(_within(body, one) for one in self._baseline)

    def _anywhere(self, body: Statement) -> Statement:
        """Return a statement as `ADDED_BY_CONSTRUCTS` writes it: in any place, of the role's own repository."""
        pulled = [one["Resource"] for one in self._baseline if "ecr:BatchGetImage" in one["Action"]]
        resources = [REPOSITORY if [one] in pulled else _in_any_place(one) for one in _resources(body)]
        return {**body, "Action": sorted(_listed(body.get("Action"))), "Resource": resources}

    def _check(self, *bodies: Statement) -> None:
        for body in bodies:
            if error := self._error(body):
                raise error

    def _error(self, body: Statement, by: str | None = None) -> InvalidInputError | None:
        if not (found := list(refused(body))):
            return None
        return InvalidInputError(
            f"compute role `{self._owner.node.path}` is granted more than data that no tenant owns"
            + (f" by `{by}`" if by else ""),
            got=", ".join(found[:8]) + (f" and {len(found) - 8} more" if len(found) > 8 else ""),
            expected="actions that read or write resources named one by one",
            why="code next to the agent reads this role's credentials, and all tasks share them",
            fix="let a SessionRole reach tenant data and a dispatcher start tasks; if agent code is to have it, "
            "grant it to `agent.policy_role`",
        )


def _within(body: Statement, allowed: Statement) -> bool:
    named = all(set(_listed(body.get(key))) <= set(_listed(allowed[key])) for key in ("Action", "Resource"))
    keys = {"Action", "Effect", "Resource"}
    return named and keys <= body.keys() <= {*keys, "Sid"} and body["Effect"] == "Allow" and "Condition" not in allowed


def _in_any_place(arn: str) -> str:
    fields = arn.split(":", 5)
    return ":".join(["arn", "*", fields[2], "*", "*", fields[5]]) if len(fields) == 6 else arn


def refused(body: Statement) -> Iterator[str]:
    """Return the actions of a statement that may not land on a compute role, each with what it does."""
    if body == UNREADABLE:
        yield "a managed policy or a statement whose content is not known"
    if body.get("Effect") != "Allow":
        return
    if "NotAction" in body:
        yield "NotAction, which allows whatever it does not list"
        return
    for pattern in _listed(body["Action"]):
        covered = [found.name for found in matching(pattern)]
        if covers_unlisted(pattern) or not covered or _WILDCARD.search(pattern.partition(":")[0]):
            yield f"{pattern} ({_UNJUDGED})"
            continue
        for name in covered:
            if reason := _reason(judgement(name), name, body):
                yield f"{name} ({reason})"


def reads_or_writes(pattern: str) -> frozenset[str]:
    """Return the services whose data an action pattern of a landed statement reads or writes."""
    judgements = (judgement(found.name) for found in matching(pattern))
    return frozenset(kind.split(":")[0] for found in judgements if found.effects for kind in found.own)


def _reason(found: Judgement, name: str, body: Statement) -> str | None:
    services = {kind.split(":")[0] for kind in found.own}
    if not found.judged:
        return _UNJUDGED
    if others := found.effects - _LANDING:
        return " and ".join(sorted(_DOES[effect] for effect in others))
    if Effect.TAG in found.effects and any(_acts(prefix) for prefix in services):
        return _DOES[Effect.TAG]
    if found.effects and found.beyond:
        return f"reaches data of {', '.join(found.beyond)} whatever the statement names"
    if found.effects and services & set(SCOPED_SERVICES) and any(_names_all(one, name) for one in _resources(body)):
        return "names every resource, tenants' data among them"
    return None


_DOES: Mapping[Effect, str] = {
    Effect.ASK: "invokes",
    Effect.BECOME: "becomes or passes another principal",
    Effect.COPY: "copies to where another policy decides",
    Effect.GRANT: "changes who may",
    Effect.TAG: "changes who may, by tags",
}


def _acts(prefix: str) -> bool:
    """Whether a service's resources are principals, or workloads that act as some."""
    return service(prefix).anyone or service(prefix).roles != (prefix,)


def _names_all(resource: str, name: str) -> bool:
    """Whether a resource is every one of some type: a wildcard stands where the type's own name begins."""
    known = _TOKENS.sub(lambda token: "t" * len(token.group()), resource)
    fields = known.split(":", 5)
    if (wildcard := _WILDCARD.search(fields[-1])) is None:
        return False
    found, before = action(name), fields[-1][: wildcard.start()]
    types = found.resources if found else ()
    short = len(fields) < 6 and known.startswith(("arn:", "*"))
    return short or not types or any(_type_prefix(one.arn).startswith(before) for one in types)


def _type_prefix(arn: str) -> str:
    return arn.split(":", 5)[-1].partition("${")[0]


def _resources(body: Statement) -> list[str]:
    return _listed(body["Resource"]) if "Resource" in body else ["*"]


def document_statements(document: iam.PolicyDocument) -> list[Statement]:
    """Return what a document says so far."""
    body: Any = document.to_json()
    return list(body["Statement"]) if body else []


def known_statements(arn: str) -> list[Statement]:
    """Return what an AWS managed policy says; nobody knows it of one that is not in the data, or of an account's."""
    account, _, name = arn.partition(":policy/")
    document = read("managed")["policies"].get(name) if account.endswith(":iam::aws") else None
    return _listed(document["Statement"]) if document else [UNREADABLE]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
