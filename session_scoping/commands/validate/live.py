"""
Real calls of a real session: one mint with probe tags, then reads of keys that nobody has.

Nothing is written, and nothing that is read is shown. Each request costs one read at most; the mints are free.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from session_scoping.commands.unreadable import NOT_VALIDATED, reading, text_of
from session_scoping.commands.validate.matrix import FOREIGN, OWN, Case, Context, probe_tags
from session_scoping.commands.validate.simulation import Answer, Tell
from session_scoping.contract.arns import field_of
from session_scoping.contract.boto_errors import Answer as Refusal
from session_scoping.contract.revocations import ISSUE_TIME
from session_scoping.verify.policies.binding import Binding, tag_context
from session_scoping.verify.policies.decision import PolicySet, Request, decide
from session_scoping.verify.policies.model import Store
from session_scoping.verify.properties.samples import own_key
from session_scoping.verify.scoping.infer import SessionScope

_DENIED = {"AccessDenied", "AccessDeniedException", "AllAccessDisabled", "Forbidden"}
_FOUND_NOTHING = {"NoSuchKey", "404"}
_SORT_VALUES: Mapping[str, dict[str, Any]] = {"S": {"S": "session-scoping-probe"}, "N": {"N": "0"}, "B": {"B": b"0"}}


@dataclass(frozen=True)
class TableKeys:
    """A table's key attributes: the partition key, and the sort key with its type where there is one."""

    partition: str
    sort: tuple[str, str] | None = None


class LiveProbe:
    """
    Asks one deployed session role.

    Args:
        session: boto3 session of somebody the role's trust admits.
        make_session: Credentials of STS -> boto3 session of the task.
        binding: Physical names.
        keys: Store id -> its key attributes, from the template.
        suffix: Makes the probe's tag values ones no tenant has. Default: random.
    """

    def __init__(
        self,
        session: Any,
        make_session: Callable[[Mapping[str, Any]], Any],
        binding: Binding,
        keys: Mapping[str, TableKeys],
        *,
        suffix: str | None = None,
    ) -> None:
        self._sts, self._make_session, self._binding, self._keys = session.client("sts"), make_session, binding, keys
        self._suffix = suffix or secrets.token_hex(8)

    def ask(self, scoped: SessionScope, role_arn: str, tell: Tell = lambda _: None) -> list[Answer]:
        """
        Return the answers of one role.

        Raises:
            botocore.exceptions.ClientError: The caller may not mint a session with every tag.
        """
        own = probe_tags(scoped, lambda key: f"ssprobe-{self._suffix}-{key.replace('_', '-')}")
        other = {key: f"{value}-other" for key, value in own.items()}
        tell("minting a session with probe tags")
        task = self._make_session(
            self._mint(
                RoleArn=role_arn,
                RoleSessionName=f"session-scoping-probe-{self._suffix}"[:64],
                Tags=[{"Key": key, "Value": value} for key, value in own.items()],
            )
        )
        answers = [self._untagged(scoped, role_arn)]
        for case, store in self._cases(scoped, own, other):
            tell(f"{case.action} on {case.subject}")
            answers.append(self._table(task, case, store) if store.kind == "table" else self._object(task, case))
        return answers

    def _mint(self, **arguments: Any) -> Mapping[str, str]:
        with reading("AssumeRole", consequence=NOT_VALIDATED):
            found = self._sts.assume_role(**arguments, DurationSeconds=900)["Credentials"]
            return {key: text_of(found[key]) for key in ("AccessKeyId", "SecretAccessKey", "SessionToken")}

    def _untagged(self, scoped: SessionScope, role_arn: str) -> Answer:
        case = Case(scoped.role, "itself", "minting without tags", "sts:AssumeRole", role_arn, {})
        try:
            self._mint(RoleArn=role_arn, RoleSessionName="session-scoping-probe")
        except ClientError as error:
            return _refused(case, error)
        return Answer(case, allowed=True)

    def _cases(
        self, scoped: SessionScope, own: Mapping[str, str], other: Mapping[str, str]
    ) -> Iterator[tuple[Case, Store]]:
        for store in scoped.stores:
            for pattern in scoped.formats[store.id]:
                mine, theirs = (own_key(pattern, dict(tags), self._binding) for tags in (own, other))
                if mine is None or theirs is None or (store.kind == "table" and store.id not in self._keys):
                    continue
                for title, key in ((OWN, mine), (FOREIGN, theirs)):
                    yield self._case(scoped, store, title, key, own), store

    def _case(self, scoped: SessionScope, store: Store, title: str, key: str, own: Mapping[str, str]) -> Case:
        arn = self._binding.text(store.arn)
        issued = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        context: Context = {**tag_context("aws:PrincipalTag/", own), "aws:SecureTransport": "true", ISSUE_TIME: issued}
        if store.kind == "table":
            context["dynamodb:LeadingKeys"] = [key]
            action, resource = "dynamodb:GetItem", arn
        else:
            context["aws:ResourceAccount"] = field_of(self._binding.text(scoped.role.arn), "account")
            action, resource = "s3:GetObject", f"{arn}/{key}"
        case = Case(scoped.role, store.label.rpartition("/")[2], title, action, resource, context)
        query = replace(case, action="dynamodb:Query")
        chosen = next((one for one in (case, query) if store.kind == "table" and self._expected(one, store)), case)
        return replace(chosen, expected=self._expected(chosen, store))

    def _expected(self, case: Case, store: Store) -> bool:
        role, binding = case.role, self._binding
        boundary = None if role.boundary is None else binding.statements(role.boundary)
        policies = PolicySet(binding.statements(role.identity), boundary, binding.statements(store.policy))
        return decide(
            Request(case.action, case.resource, case.context, binding.text(role.arn), "probe"), policies
        ).allowed

    def _table(self, task: Any, case: Case, store: Store) -> Answer:
        client, keys = task.client("dynamodb"), self._keys[store.id]
        value = case.context["dynamodb:LeadingKeys"][0]
        name = self._binding.text(store.name)
        sort = {keys.sort[0]: _SORT_VALUES[keys.sort[1]]} if keys.sort else {}
        try:
            with reading(case.action, consequence=NOT_VALIDATED):
                if case.action == "dynamodb:Query":
                    client.query(
                        TableName=name,
                        KeyConditionExpression="#k = :v",
                        ExpressionAttributeNames={"#k": keys.partition},
                        ExpressionAttributeValues={":v": {"S": value}},
                        Limit=1,
                    )
                else:
                    client.get_item(TableName=name, Key={keys.partition: {"S": value}, **sort})
        except ClientError as error:
            return _refused(case, error)
        return Answer(case, allowed=True)

    def _object(self, task: Any, case: Case) -> Answer:
        bucket, _, key = field_of(case.resource, "resource").partition("/")
        try:
            with reading("GetObject", consequence=NOT_VALIDATED):
                task.client("s3").get_object(Bucket=bucket, Key=key)["Body"].close()
        except ClientError as error:
            code, said = Refusal.of(error).code, str(error.response.get("Error", {}).get("Message", ""))
            # Without s3:ListBucket, S3 answers 403 for a missing object too; the action it names distinguishes them.
            if code in _DENIED and "s3:ListBucket" in said:
                return Answer(case, allowed=True, note="no such object")
            if code in _DENIED and "s3:GetObject" not in said:
                return Answer(case, None, "403, which S3 also answers where there is no such object")
            return _refused(case, error)
        return Answer(case, allowed=True)


def _refused(case: Case, error: ClientError) -> Answer:
    code = Refusal.of(error).code
    if code in _DENIED:
        return Answer(case, allowed=False)
    if code in _FOUND_NOTHING:
        return Answer(case, allowed=True, note="no such object")
    return Answer(case, None, f"AWS answered {code}")


def table_keys(properties: Mapping[str, Any]) -> TableKeys | None:
    """Return a table's key attributes as the template declares them; None where a probe could not name a key."""
    kinds = {entry.get("KeyType"): entry.get("AttributeName") for entry in _entries(properties.get("KeySchema"))}
    types = {
        entry.get("AttributeName"): entry.get("AttributeType")
        for entry in _entries(properties.get("AttributeDefinitions"))
    }
    partition, sort = kinds.get("HASH"), kinds.get("RANGE")
    if not isinstance(partition, str) or types.get(partition) != "S":
        return None
    if sort is None:
        return TableKeys(partition)
    kind = types.get(sort)
    return TableKeys(partition, (str(sort), str(kind))) if kind in _SORT_VALUES else None


def _entries(value: Any) -> Sequence[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
