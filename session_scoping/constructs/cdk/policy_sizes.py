"""How long a document is once CloudFormation has rendered it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from session_scoping.constructs.cdk.stack_context import StackContext, is_token

# Source of the quotas: IAM reference_iam-quotas. The trust quota can be raised to 4,096; nobody should have to.
MANAGED_POLICY_MAX = 6144
TRUST_POLICY_MAX = 2048

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
_HERE = "arn:aws-us-gov:bedrock-agentcore:ap-southeast-1:123456789012:"
_AGENTCORE_ARN_PREFIXES = {
    "CredentialProviderArn": len(f"{_HERE}token-vault/default/oauth2credentialprovider/"),
    "WorkloadIdentityArn": len(f"{_HERE}workload-identity-directory/default/workload-identity/"),
    "WorkloadIdentityDetails.WorkloadIdentityArn": len(
        f"{_HERE}workload-identity-directory/default/workload-identity/"
    ),
}
_GENERATED_SUFFIX = len("-1A2B3C4D5E6F7")  # CloudFormation names a resource <stack>-<logical id>-<13 characters>
# The CDK's name for a value that another stack exports: `ExportsOutputRef<logical id><hash>` under strong
# references, `PublishOutputFnGetAtt<logical id><attribute><hash>` under weak ones.
_EXPORT = re.compile(r"(?:Exports|Publish)Output(?:Ref|FnGetAtt)(\w+?[0-9A-F]{8})(\w*?)[0-9A-F]{8}")
SPLIT = "split the tables, objects or models over two roles, or use fewer and shorter names and tag keys"


@dataclass
class PolicySizer:
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
    def at(cls, context: StackContext) -> "PolicySizer":
        """Return a sizer for the stack; a stack name not known yet counts at the longest IAM lets through."""
        return cls(_known(context.stack_name))

    def length(self, value: Any) -> int:
        """Return the rendered length of a resolved string or intrinsic function, without quotes."""
        if isinstance(value, str):
            return len(value)
        match value:
            case {"Ref": str(parameter)} if parameter.startswith("referenceto"):
                # What the CDK hands into a nested stack: `referenceto<stack><logical id><attribute>`.
                return len(parameter) + (_LONGEST_ARN_PREFIX if parameter.endswith("Arn") else 0)
            case {"Ref": str(target)}:
                return _PSEUDO_LENGTHS.get(target) or self._name(target)
            case {"Fn::GetAtt": [str(target), str(attribute)]} if attribute in _AGENTCORE_ARN_PREFIXES:
                return self._name(target) + _AGENTCORE_ARN_PREFIXES[attribute]
            case {"Fn::GetAtt": [str(target), str(attribute)]}:
                return self._name(target) + (self._arn_prefix(target) if attribute.endswith("Arn") else 0)
            case {"Fn::Join": [str(delimiter), [*parts]]}:
                return sum(map(self.length, parts)) + len(delimiter) * max(0, len(parts) - 1)
            case {"Fn::ImportValue": str(name)}:
                return self._exported(*name.rpartition(":")[::2])
            case {"Fn::GetStackOutput": {"OutputName": str(name), **rest}}:
                return self._exported(str(rest.get("StackName", self.stack_name)), name)
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

    def register_name(self, logical_id: str, name: str | None, stack_name: str) -> None:
        """Remember a resource's physical name, or how long CloudFormation makes it in another stack."""
        length = len(name) if name else _generated(_known(stack_name), logical_id)
        # Two stacks may use one logical id: the longer name counts.
        self.names[logical_id] = max(length, self.names.get(logical_id, 0))

    def _arn_prefix(self, logical_id: str) -> int:
        return _BUCKET_ARN_PREFIX if logical_id in self.buckets else _LONGEST_ARN_PREFIX

    def _name(self, logical_id: str) -> int:
        return self.names.get(logical_id) or _generated(self.stack_name, logical_id)

    def _exported(self, stack_name: str, export: str) -> int:
        """Measure another stack's value as it was measured, and packed, before the CDK made it an export."""
        if not (parts := _EXPORT.fullmatch(export)):
            return _LONGEST_ARN_PREFIX + 64 + len(export)
        logical_id, attribute = parts.groups()
        name = self.names.get(logical_id) or _generated(stack_name, logical_id)
        return name + (self._arn_prefix(logical_id) if attribute.endswith("Arn") else 0)


def _known(stack_name: str) -> str:
    return "x" * 64 if is_token(stack_name) else stack_name


def _generated(stack_name: str, logical_id: str) -> int:
    return len(stack_name) + 1 + len(logical_id) + _GENERATED_SUFFIX


def _is_intrinsic(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref"))


def too_large_message(what: str, size: int, limit: int, fix: str) -> str:
    """Return the error for a document over its quota."""
    why = "IAM refuses it at deployment"
    return f"{what} is too large as rendered: got {size} characters, expected at most {limit}; {why}; fix: {fix}"
