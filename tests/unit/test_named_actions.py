"""The actions, condition keys and resource types that the source names are ones that AWS publishes."""

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from session_scoping.aws.actions import action, actions_of, patterns_of, resource_types
from session_scoping.aws.effects import Effect, judgement
from session_scoping.aws.keys import is_defined
from session_scoping.aws.table import read, service
from session_scoping.constructs.session.guards import ROLE_ACTIONS

ROOT = Path(__file__).parents[2]
_NAME = re.compile(r"([a-z0-9-]+):[A-Za-z][A-Za-z0-9]*/?")

# Beginnings that the source completes, and the names of transactions, which IAM authorizes as their parts.
# Documented and not published yet: AgentCore devguide, memory-organization.
DOCUMENTED = {"bedrock-agentcore:namespacePath", "bedrock-agentcore:namespacepath"}
BEGINNINGS = {"s3:Get", "s3:Put", "kms:encryptioncontext", "aws:resourcetag", "s3:existingobjecttag"}
TRANSACTIONS = {"dynamodb:transactgetitems", "dynamodb:transactwriteitems"}


def named() -> Iterator[tuple[str, str]]:
    """Yield every text of the source that has the form of an action or a key, with its place."""
    for path in sorted((ROOT / "session_scoping").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found = _NAME.fullmatch(node.value)
                if found and (found[1] == "aws" or service(found[1]).tabled):
                    yield node.value, f"{path.relative_to(ROOT)}:{node.lineno}"


def is_published(name: str) -> bool:
    """Whether AWS publishes an action, a condition key or a resource type of this name."""
    prefix = name.split(":")[0]
    if prefix == "aws":
        return is_defined(f"{name}x" if name.endswith("/") else name)
    kinds = {one.kind.lower() for one in resource_types(prefix)}
    families = {key.rpartition("/")[0].lower() + "/" for key in read(prefix)["keys"]}
    return action(name) is not None or is_defined(name) or name.lower() in kinds | families


def test_what_the_source_names_is_published() -> None:
    """A misspelled action allows and denies nothing, and a misspelled key is in no request."""
    found = dict(named())
    assert len(found) > 100
    unknown = {name: place for name, place in found.items() if not is_published(name)}
    assert {name: place for name, place in unknown.items() if name not in BEGINNINGS | DOCUMENTED | TRANSACTIONS} == {}


# Why a compute role is not denied these, though each gives credentials or a token.
NOT_OF_A_ROLE = {
    "sts:AssumeRoleWithSAML": "unsigned: no identity policy is asked",
    "sts:AssumeRoleWithWebIdentity": "unsigned: no identity policy is asked",
    "sts:GetDelegatedAccessToken": "redeems a token that a person has given; the result is that person's session",
    "sts:GetFederationToken": "IAM users and the root user only",
    "sts:GetWebIdentityToken": "says who the role itself is",
    "sts:SetContext": "adds a context to AssumeRole, which is denied",
    "sts:TagGetWebIdentityToken": "tags of that token",
}


def test_a_compute_role_is_denied_every_action_by_which_it_could_become_another() -> None:
    """An action that STS gains is denied, or somebody says here why not."""
    becoming = {one.name for one in actions_of("sts") if judgement(one.name).effects & {Effect.BECOME, Effect.TAG}}
    assert becoming == {*ROLE_ACTIONS, *NOT_OF_A_ROLE}


def test_the_key_set_s_domain_is_moved_by_no_action_that_is_not_denied() -> None:
    """An action of CloudFront that gives an alias or a domain to another distribution names that other one."""
    moving = {
        one.name
        for one in actions_of("cloudfront")
        if re.search("Alias|Domain", one.name) and judgement(one.name).effects - {Effect.NAMES, Effect.READ}
    }
    assert moving == {"cloudfront:AssociateAlias", "cloudfront:UpdateDomainAssociation"}


def test_patterns_of_actions_cover_these_and_no_other() -> None:
    """The shortest beginnings that part some actions of a service from its others; a name whose longer one is not."""
    every = {item.name for item in actions_of("sts")}
    for kept in ({"sts:GetCallerIdentity"}, {"sts:AssumeRole"}, {"sts:AssumeRoleWithSAML", "sts:GetSessionToken"}):
        wanted = every - kept
        patterns = patterns_of(sorted(wanted))
        assert {name for name in every if any(fnmatchcase(name, pattern) for pattern in patterns)} == wanted
