"""From statements to managed policies: measured as rendered, packed under the quota, acknowledged to cdk-nag."""

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping.constructs.finished import Check
from session_scoping.constructs.site import Site, is_token
from session_scoping.constructs.statements import Statement
from session_scoping.errors import QuotaExceededError

# Source of the quotas: IAM reference_iam-quotas. The trust quota can be raised to 4,096; nobody should have to.
MANAGED_POLICY_MAX = 6144
TRUST_POLICY_MAX = 2048
ATTACHED_POLICIES_MAX = 10
ATTACHED_POLICIES_LEFT_FREE = 2

# Longest value of each pseudo parameter among the Regions with the services used here.
_PSEUDO_LENGTHS = {
    "AWS::Partition": len("aws-us-gov"),
    "AWS::Region": len("ap-southeast-1"),
    "AWS::AccountId": 12,
    "AWS::URLSuffix": len("amazonaws.com.cn"),
    "AWS::StackName": 128,
}
_LONGEST_ARN_PREFIX = len("arn:aws-us-gov:dynamodb:ap-southeast-1:123456789012:table/")
_BUCKET_ARN_PREFIX = len("arn:aws-us-gov:s3:::")
_SPLIT = "split the tables, objects or models over two roles, or use fewer and shorter names and tag keys"
_GENERATED_SUFFIX = len("-1A2B3C4D5E6F7")  # CloudFormation names a resource <stack>-<logical id>-<13 characters>


Size = Callable[[Sequence[Statement]], int]
"""Measures statements as one document."""


@dataclass
class Ruler:
    """
    Measures documents as CloudFormation will render them.

    What is unknown before deployment counts at the length CloudFormation generates for it.

    Attributes:
        stack_name: Part of every generated name.
        names: Lengths of physical names that are known, by logical id.
        buckets: Logical ids of buckets, whose ARNs are shorter than others.
    """

    stack_name: str
    names: dict[str, int] = field(default_factory=dict)
    buckets: set[str] = field(default_factory=set)

    @classmethod
    def at(cls, site: Site) -> "Ruler":
        """Return a ruler for the stack; a stack name not known yet counts at the longest IAM lets through."""
        name = site.stack_name
        return cls("x" * 64 if is_token(name) else name)

    def length(self, value: Any) -> int:
        """Return the rendered length of a resolved string or intrinsic function, without quotes."""
        if isinstance(value, str):
            return len(value)
        match value:
            case {"Ref": str(target)}:
                return _PSEUDO_LENGTHS.get(target) or self._name(target)
            case {"Fn::GetAtt": [str(target), str(attribute)]}:
                return self._name(target) + (self._arn_prefix(target) if attribute.endswith("Arn") else 0)
            case {"Fn::Join": [str(delimiter), [*parts]]}:
                return sum(map(self.length, parts)) + len(delimiter) * max(0, len(parts) - 1)
            case {"Fn::ImportValue": imported}:
                return _LONGEST_ARN_PREFIX + self.length(imported)
            case _:
                return _LONGEST_ARN_PREFIX + 64

    def document(self, resolved: Any) -> int:
        """Return the characters IAM counts in a resolved document: no white space."""
        if isinstance(resolved, dict) and not _is_intrinsic(resolved):
            pairs = (len(json.dumps(key)) + 1 + self.document(value) for key, value in resolved.items())
            return 2 + sum(pairs) + max(0, len(resolved) - 1)
        if isinstance(resolved, list):
            return 2 + sum(map(self.document, resolved)) + max(0, len(resolved) - 1)
        if isinstance(resolved, bool | int):
            return len(json.dumps(resolved))
        return 2 + self.length(resolved)

    def _arn_prefix(self, logical_id: str) -> int:
        return _BUCKET_ARN_PREFIX if logical_id in self.buckets else _LONGEST_ARN_PREFIX

    def _name(self, logical_id: str) -> int:
        return self.names.get(logical_id) or len(self.stack_name) + 1 + len(logical_id) + _GENERATED_SUFFIX


def _is_intrinsic(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref"))


@dataclass(frozen=True)
class Section:
    """
    A part of a policy that can be cut in pieces when it does not fit one document.

    Args:
        items: What the part is about, for example table ARNs. The cut falls between items.
        render: Statements for any run of the items. A cut part must mean the same as the whole one.
    """

    items: Sequence[Any]
    render: Callable[[Sequence[Any]], list[Statement]]

    @classmethod
    def whole(cls, *statements: Statement) -> "Section":
        """Return a section that is never cut."""
        return cls([None], lambda _: list(statements))

    @classmethod
    def by_resource(cls, statement: Statement) -> "Section":
        """Return a section that may be cut between the statement's resources."""
        return cls(statement["Resource"], lambda resources: [{**statement, "Resource": list(resources)}])


class PolicySeries:
    """
    A growing series of managed policies under one construct: `Guards`, `Guards2`, `Guards3`.

    INVARIANT: a policy's id depends on its place in the series alone, so that more tables or models never rename
    one that is deployed.

    Args:
        scope: Construct the policies stand under.
        base_id: Id of the first policy.
        site: Stack of the scope.
        ruler: Measures the documents.
        reason: Why the wildcards in the Allows are as narrow as they can be, for cdk-nag's audit record.
    """

    def __init__(self, scope: Construct, base_id: str, site: Site, ruler: Ruler, reason: str = "") -> None:
        self._scope, self._base_id, self._site, self._ruler = scope, base_id, site, ruler
        self._reason = reason
        self._written: list[tuple[iam.ManagedPolicy, iam.PolicyDocument]] = []
        self._acknowledged: list[list[str]] = []

    @property
    def policies(self) -> list[iam.ManagedPolicy]:
        """The policies written so far."""
        return [policy for policy, _ in self._written]

    def write(self, sections: Iterable[Section], roles: Sequence[iam.IRole]) -> None:
        """
        Write the sections, in order, as managed policies attached to the roles.

        Raises:
            InvalidInputError: One piece alone is larger than a managed policy may be.
        """
        sections = list(sections)
        self._site.resolve(tokens_in(sections))
        resolved = self._site.resolved

        def size(statements: Sequence[Statement]) -> int:
            return self._ruler.document(_substitute(_document(statements), resolved))

        for statements in _pack(sections, size, f"policy `{self._base_id}`"):
            number = len(self._written) + 1
            document = iam.PolicyDocument.from_json(_document(statements))
            policy = iam.ManagedPolicy(
                self._scope,
                self._base_id + (str(number) if number > 1 else ""),
                document=document,
                roles=list(roles),
            )
            self._written.append((policy, document))
            self._acknowledged.append([])
            self._acknowledge(number - 1, _substitute(statements, resolved))

    def attach(self, roles: Sequence[iam.IRole]) -> None:
        """Attach the policies written so far to more roles."""
        for policy in self.policies:
            for role in roles:
                policy.attach_to_role(role)

    def after(self, earlier: "PolicySeries") -> None:
        """Deploy these policies after the earlier ones, so that a role never has Allows without their guards."""
        for policy in self.policies:
            policy.node.add_dependency(*earlier.policies)

    def finished(self) -> Iterable[Check]:
        """
        Return the checks of the policies as the finished tree renders them.

        Others can change a logical id or add a reference between stacks after this series was written: sizes are
        measured again, and findings under new ids are acknowledged.
        """
        for place, (_, document) in enumerate(self._written):
            yield Check(document, partial(self._recheck, place))

    def _recheck(self, place: int, document: Any) -> Iterable[str]:
        if (size := self._ruler.document(document)) > MANAGED_POLICY_MAX:
            path = self._written[place][0].node.path
            yield too_large_message(f"policy `{path}`", size, MANAGED_POLICY_MAX, _SPLIT)
        self._acknowledge(place, document["Statement"])

    def _acknowledge(self, place: int, statements: Sequence[Statement]) -> None:
        """Acknowledge the wildcards of one policy, unless the same ones are acknowledged already."""
        ids = wildcard_findings(statements)
        if ids != self._acknowledged[place]:
            self._acknowledged[place] = ids
            acknowledgments = [cdk.Acknowledgment(id=id_, reason=self._reason) for id_ in ids]
            cdk.Validations.of(self._written[place][0]).acknowledge(*acknowledgments)


def tokens_in(sections: Iterable[Section]) -> Iterable[str]:
    """Return every string of the sections that is known only at deployment."""
    tokens: dict[str, None] = {}
    for section in sections:
        _collect_tokens(section.render(section.items), tokens)
    return tokens


def _document(statements: Sequence[Statement]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _collect_tokens(value: Any, tokens: dict[str, None]) -> None:
    if isinstance(value, str):
        if is_token(value):
            tokens[value] = None
    elif isinstance(value, dict):
        for part in value.values():
            _collect_tokens(part, tokens)
    elif isinstance(value, list):
        for part in value:
            _collect_tokens(part, tokens)


def _substitute(value: Any, resolved: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return resolved.get(value, value)
    if isinstance(value, dict):
        return {key: _substitute(part, resolved) for key, part in value.items()}
    if isinstance(value, list):
        return [_substitute(part, resolved) for part in value]
    return value


def _pack(sections: Iterable[Section], size: Size, what: str) -> list[list[Statement]]:
    """Fill documents in order, each up to the quota; a section is cut only where it has to be."""
    documents: list[list[Statement]] = [[]]
    for section in sections:
        rest = list(section.items)
        while rest:
            current = documents[-1]
            count = _fitting(section, rest, current, size)
            if count:
                current.extend(section.render(rest[:count]))
                rest = rest[count:]
            elif not current:
                alone = size(section.render(rest[:1]))
                raise QuotaExceededError(too_large_message(what, alone, MANAGED_POLICY_MAX, _SPLIT))
            if rest:
                documents.append([])
    return [_with_unique_sids(document) for document in documents if document]


def _fitting(section: Section, items: Sequence[Any], document: list[Statement], size: Size) -> int:
    """Return how many more items fit; items never make a document smaller, so halving finds the largest number."""

    def with_first(count: int) -> int:
        return size(document + section.render(items[:count]))

    return bisect_right(range(1, len(items) + 1), MANAGED_POLICY_MAX, key=with_first)


def _with_unique_sids(document: list[Statement]) -> list[Statement]:
    """Number repeated Sids: two tag keys may differ only in characters a Sid cannot hold."""
    seen: Counter[str] = Counter()
    for statement in document:
        seen[statement["Sid"]] += 1
        if (count := seen[statement["Sid"]]) > 1:
            statement["Sid"] += f"x{count}"
    return document


def check_attachments(owner: Construct, *series: PolicySeries) -> None:
    """
    Keep two of a role's ten managed policies for its owner.

    Raises:
        QuotaExceededError: The series need more than eight.
    """
    count, limit = (
        sum(len(one.policies) for one in series),
        ATTACHED_POLICIES_MAX - ATTACHED_POLICIES_LEFT_FREE,
    )
    if count > limit:
        raise QuotaExceededError(
            f"role `{owner.node.path}` needs too many managed policies: got {count}, expected at most {limit}; IAM "
            f"attaches {ATTACHED_POLICIES_MAX}, and {ATTACHED_POLICIES_LEFT_FREE} are kept free; fix: {_SPLIT}"
        )


def too_large_message(what: str, size: int, limit: int, fix: str) -> str:
    """Return the error for a document over its quota."""
    why = "IAM refuses it at deployment"
    return f"{what} is too large as rendered: got {size} characters, expected at most {limit}; {why}; fix: {fix}"


def wildcard_findings(statements: Sequence[Statement]) -> list[str]:
    """
    Return the ids under which cdk-nag reports the wildcard resources in Allows.

    They are computed from the resolved statements: they hold logical ids, and cdk-nag matches exactly.
    """
    ids = {
        f"AwsSolutions::AwsSolutions-IAM5[Resource::{resource}]"
        for statement in statements
        if statement["Effect"] == "Allow"
        for resource in map(flatten, _listed(statement["Resource"]))
        if "*" in resource
    }
    return sorted(ids)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def flatten(value: Any) -> str:
    """Write a resolved ARN the way cdk-nag writes it into a finding's id."""
    if isinstance(value, str):
        return value.replace("${", "<").replace("}", ">")
    match value:
        case {"Fn::Join": [str(delimiter), [*parts]]}:
            return delimiter.join(map(flatten, parts))
        case {"Fn::GetAtt": [target, attribute]}:
            return f"<{flatten(target)}.{flatten(attribute)}>"
        case {"Ref": target}:
            return f"<{flatten(target)}>"
        case {"Fn::ImportValue": imported}:
            return flatten(imported)
        case {"Fn::Sub": template}:
            return flatten(template)
    return json.dumps(value, separators=(",", ":"))
