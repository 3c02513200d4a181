"""What a role's Metadata promises of its sessions, as the context of a request that keeps it."""

from collections.abc import Mapping

from session_scoping.contract.metadata import ATTRIBUTED_TO, BOUND_REGION, BOUND_TO, PINNED_BY
from session_scoping.verify.patterns.text import Text, plain
from session_scoping.verify.policies.binding import Binding
from session_scoping.verify.policies.model import Role


def promise(role: Role, key: str) -> Text | None:
    """Return one promise that is a single text."""
    found = role.metadata.get(key)
    return found if isinstance(found, tuple) else None


def keeping(role: Role, tags: Mapping[str, str], binding: Binding) -> dict[str, str]:
    """Return what requests carry when they keep the promises: the ordinary case, for examples."""
    context: dict[str, str] = {}
    if identity := promise(role, ATTRIBUTED_TO):
        text = binding.text(identity).replace("?", "s").replace("*", "1")
        context |= {"sts:SourceIdentity": text, "aws:SourceIdentity": text}
    if vpc := promise(role, BOUND_TO):
        context |= {"aws:SourceVpc": binding.text(vpc), "aws:ViaAWSService": "false"}
    if region := promise(role, BOUND_REGION):
        context["aws:RequestedRegion"] = binding.text(region)
    if tag := plain(promise(role, PINNED_BY) or ()):
        context["aws:VpcSourceIp"] = {key.lower(): value for key, value in tags.items()}.get(tag.lower(), "")
    return context
