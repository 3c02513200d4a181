"""Every mistake gets one clear Python sentence at construction, before the CDK's kernel sees it."""

import re
from collections.abc import Callable, Sequence
from typing import Any, cast

import aws_cdk as cdk
import jsii
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3

from session_scoping import (
    ComputeBackend,
    InvalidInputError,
    Minting,
    Models,
    QuotaExceededError,
    ScopedComputeRole,
    SessionRole,
    SessionScopingError,
    TenantObjects,
    TenantSecrets,
    TenantTable,
    TenantTablePolicy,
    grant_dispatch,
)
from tests.support import stacks

Attempt = Callable[[cdk.Stack], Any]
SONNET = "anthropic.claude-sonnet-4-6"
AGENTCORE = "arn:aws:bedrock-agentcore:us-east-1:111122223333"
SECRET = "arn:aws:secretsmanager:us-east-1:111122223333:secret:github"


def _objects(*keys: str, access: Any = "get") -> Attempt:
    return lambda stack: stacks.session_role(stack, objects=[TenantObjects(stacks.bucket(stack), keys, access)])


def _tables(**options: Any) -> Attempt:
    return lambda stack: stacks.session_role(stack, tables=[TenantTable(stacks.table(stack), **options)])


def _compute(**options: Any) -> Attempt:
    options.setdefault("backend", ComputeBackend.ECS)
    return lambda stack: ScopedComputeRole(stack, "Agent", **options)


def _agentcore(**options: Any) -> Attempt:
    return _compute(backend=ComputeBackend.AGENTCORE, **options)


def _imported_role(stack: cdk.Stack, id: str) -> iam.IRole:
    return iam.Role.from_role_arn(stack, id, "arn:aws:iam::111122223333:role/agent")


def _role_under_two_imports(stack: cdk.Stack) -> None:
    stacks.session_role(stack, minting=Minting.by_compute_roles(_imported_role(stack, "A"), _imported_role(stack, "B")))


def _broker_under_two_imports(stack: cdk.Stack) -> None:
    orchestrator = Minting.by_orchestrator(_imported_role(stack, "A"), compute_roles=[_imported_role(stack, "B")])
    stacks.session_role(stack, minting=orchestrator)


def _table_under_two_imports(stack: cdk.Stack) -> None:
    one, same = (dynamodb.Table.from_table_name(stack, id, "tasks") for id in ("One", "Same"))
    stacks.session_role(stack, tables=[TenantTable(one, access="get"), TenantTable(same, access="put")])


def _others(patterns: Any) -> Attempt:
    return lambda stack: stacks.session_role(
        stack, objects=[TenantObjects.artifacts(stacks.bucket(stack))], other_objects=patterns
    )


def _others_in_tenant_bucket(stack: cdk.Stack) -> None:
    bucket = stacks.bucket(stack)
    objects = [TenantObjects.artifacts(bucket)]
    stacks.session_role(stack, objects=objects, other_objects=[bucket.arn_for_objects("*")])


def _others_spelled(spell: Callable[[s3.Bucket], str]) -> Attempt:
    """Return a role on a bucket of the stack, with what `spell` makes of that bucket excepted."""

    def attempt(stack: cdk.Stack) -> SessionRole:
        bucket = stacks.bucket(stack)
        return stacks.session_role(stack, objects=[TenantObjects.artifacts(bucket)], other_objects=[spell(bucket)])

    return attempt


def _access_point(bucket: s3.Bucket) -> str:
    point = s3.CfnAccessPoint(bucket.stack, "Point", bucket=bucket.bucket_name)
    return f"{point.attr_arn}/object/*"


def _one_bucket_under_two_imports(stack: cdk.Stack) -> None:
    bucket = stacks.bucket(stack)
    same = s3.Bucket.from_bucket_name(stack, "Same", bucket.bucket_name)
    stacks.session_role(stack, objects=[TenantObjects.traces(bucket), TenantObjects(same, ["{task_id}/"], "get")])


def _named_here_and_imported(stack: cdk.Stack) -> tuple[s3.Bucket, s3.IBucket]:
    """Return one bucket made with a name, and imported by that name in other words."""
    made = s3.Bucket(stack, "Made", bucket_name=f"data-{stack.account}")
    return made, s3.Bucket.from_bucket_name(stack, "Same", f"data-{cdk.Aws.ACCOUNT_ID}")


def _made_and_imported(stack: cdk.Stack) -> None:
    made, same = _named_here_and_imported(stack)
    stacks.session_role(stack, objects=[TenantObjects.traces(made), TenantObjects(same, ["{task_id}/"], "get")])


def _others_by_given_name(stack: cdk.Stack) -> None:
    made, _ = _named_here_and_imported(stack)
    others = [f"arn:aws:s3:::data-{cdk.Aws.ACCOUNT_ID}/*"]
    stacks.session_role(stack, objects=[TenantObjects.artifacts(made)], other_objects=others)


def _others_of_the_one_made(stack: cdk.Stack) -> None:
    made, same = _named_here_and_imported(stack)
    others = [made.arn_for_objects("*")]
    stacks.session_role(stack, objects=[TenantObjects.artifacts(same)], other_objects=others)


def _others_by_parameter(stack: cdk.Stack) -> None:
    key = cdk.CfnParameter(stack, "Prefix").value_as_string
    _others_in_named_bucket(f"{key}/*")(stack)


def _others_in_named_bucket(key: str) -> Attempt:
    """Return a role on a bucket known by its name, with everything under a key of the same bucket excepted."""

    def attempt(stack: cdk.Stack) -> SessionRole:
        bucket = s3.Bucket.from_bucket_name(stack, "Named", "shared-bucket")
        objects = [TenantObjects.artifacts(bucket)]
        return stacks.session_role(stack, objects=objects, other_objects=[f"arn:aws:s3:::shared-bucket/{key}"])

    return attempt


def _bucket_under_two_imports(stack: cdk.Stack) -> None:
    one = s3.Bucket.from_bucket_name(stack, "One", "shared-bucket")
    same = s3.Bucket.from_bucket_arn(stack, "Same", "arn:aws:s3:::shared-bucket")
    objects = [TenantObjects.attachments(one, reach="user"), TenantObjects(same, ["{task_id}/"], "get")]
    stacks.session_role(stack, objects=objects)


def _number_key(stack: cdk.Stack) -> None:
    key = dynamodb.Attribute(name="task_id", type=dynamodb.AttributeType.NUMBER)
    stacks.session_role(stack, tables=[TenantTable(dynamodb.Table(stack, "Numbers", partition_key=key))])


def _policy_on_compute_role(stack: cdk.Stack) -> None:
    agent = ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS)
    TenantTablePolicy(stack, "Policy", tables=[TenantTable(stacks.table(stack))]).attach_to(agent.policy_role)


def _pattern_minter(stack: cdk.Stack) -> None:
    any_role = iam.Role.from_role_arn(stack, "Any", "arn:aws:iam::111122223333:role/*")
    stacks.session_role(stack).admit_trust_only(any_role)


def _late_deny_while_off(stack: cdk.Stack) -> None:
    session = stacks.session_role(stack, deny_tenant_data_to_compute_roles=False)
    session.deny_tenant_data_to(stacks.role(stack, "Late"))


def _same_role_twice(stack: cdk.Stack) -> None:
    one = stacks.role(stack)
    Minting.by_compute_roles(one, one)


def _broker_is_compute(stack: cdk.Stack) -> None:
    one = stacks.role(stack)
    Minting.by_orchestrator(one, compute_roles=[one])


def _same_table_twice(stack: cdk.Stack) -> None:
    one = stacks.table(stack)
    stacks.session_role(stack, tables=[TenantTable(one), TenantTable(one, access="put")])


def _mixed_minting(stack: cdk.Stack) -> None:
    agent = ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS)
    orchestrator = Minting.by_orchestrator(stacks.role(stack), compute_roles=[agent])
    stacks.session_role(stack, minting=orchestrator)
    other = cdk.Stack(cast(cdk.App, stack.node.root), "Other")
    stacks.session_role(other, minting=Minting.by_compute_roles(agent))


def _mixed_minting_the_other_way(stack: cdk.Stack) -> None:
    agent = ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS)
    stacks.session_role(stack, minting=Minting.by_compute_roles(agent))
    other = cdk.Stack(cast(cdk.App, stack.node.root), "Other")
    stacks.session_role(other, minting=Minting.by_orchestrator(stacks.role(other, "Broker"), compute_roles=[agent]))


def _table_in_role_and_policy(stack: cdk.Stack) -> None:
    one = stacks.table(stack)
    session = stacks.session_role(stack, tables=[TenantTable(one, access="get")])
    TenantTablePolicy(stack, "Policy", tables=[TenantTable(one, access="put")]).attach_to(session)


def _policy_attached_twice(stack: cdk.Stack) -> None:
    session = stacks.session_role(stack)
    policy = TenantTablePolicy(stack, "Policy", tables=[TenantTable(stacks.table(stack, "More"))])
    policy.attach_to(session)
    policy.attach_to(session)


def _foreign_tag(stack: cdk.Stack) -> None:
    session = stacks.session_role(stack)
    entry = TenantTable(stacks.table(stack, "More", "pk"), leading_key="{tenant_id}", partition_key="pk")
    TenantTablePolicy(stack, "Policy", tables=[entry], tag_keys=["tenant_id"]).attach_to(session)


def _immutable_minter(stack: cdk.Stack) -> None:
    arn = "arn:aws:iam::111122223333:role/agent"
    stacks.session_role(stack, minting=Minting.by_compute_roles(iam.Role.from_role_arn(stack, "R", arn, mutable=False)))


MISTAKES: dict[str, tuple[Attempt, str]] = {
    "no minter": (lambda _: Minting.by_compute_roles(), "nobody may mint"),
    "repeated minter": (_same_role_twice, "named twice"),
    "broker that is a compute role": (_broker_is_compute, "named twice"),
    "compute role in both modes": (_mixed_minting, "would mint for one session role and not for another"),
    "compute role in both modes, the broker second": (_mixed_minting_the_other_way, "would mint for one session role"),
    "table in a session role and in a policy": (_table_in_role_and_policy, "given to one role twice"),
    "policy attached twice": (_policy_attached_twice, "given to one role twice"),
    "immutable minter": (_immutable_minter, "cannot be changed from this stack"),
    "unknown table access": (_tables(access="scan"), "unknown access to a tenant table: got `scan`"),
    "no table access": (_tables(access=[]), "no access to a tenant table is named: got an empty list"),
    "action in place of a word": (_tables(access="dynamodb:Scan"), "unknown access to a tenant table"),
    "table keyed on another attribute": (
        lambda stack: stacks.session_role(stack, tables=[TenantTable(stacks.table(stack, partition_key="user_id"))]),
        "keyed on another attribute",
    ),
    "table listed twice": (_same_table_twice, "listed twice"),
    "leading key without a tag": (_tables(leading_key="everyone"), "names no session tag"),
    "leading key with an unknown tag": (_tables(leading_key="{tenant_id}"), "unknown tag"),
    "leading key that two sessions share": (_tables(leading_key="{user_id}-{task_id}"), "an ambiguous boundary"),
    "the default leading key without its tag": (
        lambda stack: stacks.session_role(
            stack, tag_keys=["tenant_id"], tables=[TenantTable(stacks.table(stack, partition_key="tenant_id"))]
        ),
        'pass leading_key, such as leading_key="{tenant_id}"',
    ),
    "a table's name in place of a table": (lambda _: TenantTable(cast(Any, "orders")), "a tenant table is given as"),
    "nothing in place of a table": (lambda _: TenantTable(cast(Any, None)), "a tenant table is given as"),
    "a bucket in place of a table": (lambda s: TenantTable(cast(Any, stacks.bucket(s))), "got a Bucket"),
    "a table in place of a bucket": (lambda s: TenantObjects.artifacts(cast(Any, stacks.table(s))), "got a Table"),
    "a bucket's name in place of a bucket": (
        lambda _: TenantObjects.traces(cast(Any, "data")),
        "a tenant bucket is given as something else: got a str",
    ),
    "no list of access words": (lambda s: TenantTable(stacks.table(s), access=cast(Any, 7)), "`access` is no list"),
    "no access words": (lambda s: TenantTable(stacks.table(s), access=cast(Any, None)), "got a NoneType"),
    "model ids in place of Models, for a compute role": (_compute(models=[SONNET]), "a choice of models is given as"),
    "a log group's name": (_compute(log_groups="/app"), "a log group is given as something else: got a str"),
    "log groups' names": (_compute(log_groups=["/app"]), "a log group is given as something else: got a str"),
    "tag keys that collide": (lambda s: stacks.session_role(s, tag_keys=["task_id", "Task_Id"]), "collides"),
    "reserved tag key": (lambda s: stacks.session_role(s, tag_keys=["aws:task", "task_id"]), "reserved"),
    "transitive tag nobody declared": (
        lambda s: stacks.session_role(s, transitive_tag_keys=["team"]),
        "transitive tag is not declared",
    ),
    "prefix with a star": (_objects("traces/{user_id}/*"), "wildcard"),
    "prefix with a question mark": (_objects("traces/{user_id}?/"), "wildcard"),
    "prefix with a variable": (_objects("${aws:username}/{user_id}/"), "wildcard"),
    "prefix with a leading slash": (_objects("/traces/{user_id}/"), "not a plain path"),
    "prefix with a step up": (_objects("traces/../{user_id}/"), "not a plain path"),
    "prefix without a tag": (_objects("traces/"), "names no session tag"),
    "prefixes that meet": (_objects("traces/{user_id}/", "{task_id}/x/"), "can name the same key"),
    "keys as one string": (
        lambda s: stacks.session_role(s, objects=[TenantObjects(stacks.bucket(s), "a/{task_id}/", "get")]),
        "are not a list: got `a/{task_id}/`",
    ),
    "no keys": (_objects(), "object key formats are not a list: got none"),
    "unknown object access": (_objects("a/{task_id}/", access="delete"), "unknown access to tenant objects"),
    "unknown reach": (lambda s: TenantObjects.traces(stacks.bucket(s), reach="org"), "unknown reach"),  # type: ignore[arg-type]
    "model with a geography": (lambda _: Models.profile("us", [f"us.{SONNET}"]), "carries a geography"),
    "no model": (lambda _: Models.profile("us", []), "list of models is empty"),
    "model with a star": (lambda _: Models.in_region(["anthropic.*"]), "no foundation model id"),
    "repeated model": (lambda _: Models.in_region([SONNET, SONNET]), "listed twice"),
    "unknown geography": (lambda _: Models.profile("mars", [SONNET]), "unknown geography"),
    "profile with a wildcard": (
        lambda _: Models.application_profile("arn:aws:bedrock:us-east-1:1:application-inference-profile/*", [SONNET]),
        "no application inference profile",
    ),
    "secret with a wildcard": (_compute(secrets=[f"{SECRET}-*"]), "of one secret: got an ARN with a wildcard"),
    "secret without its suffix": (_compute(secrets=[SECRET]), "of one secret: got another resource or a partial ARN"),
    "memory with a wildcard": (_compute(memory=f"{AGENTCORE}:memory/*"), "does not name one resource: got a wildcard"),
    "memory of another kind": (_compute(memory="memory/a"), "does not name one resource: got `memory/a`"),
    "memory with a question mark": (_compute(memory=f"{AGENTCORE}:memory/?"), "does not name one resource"),
    "any runtime": (_agentcore(runtime_arn="*"), "`runtime_arn` does not name one resource"),
    "every runtime's identity": (_agentcore(runtime_name="*"), "`runtime_name` does not name one resource"),
    "no way of minting": (lambda s: stacks.session_role(s, minting=None), "`minting` is not what"),
    "minting by nobody": (lambda _: Minting("compute", (), ()), "nobody may mint"),
    "bare table": (lambda s: stacks.session_role(s, tables=[stacks.table(s)]), "`tables` is not what"),
    "other objects as one text": (_others("arn:aws:s3:::docs/*"), "got one text in place of a list"),
    "every other object": (_others(["*"]), "other_objects would open more than other objects: got `*`"),
    "every bucket": (_others(["arn:aws:s3:::*"]), "other_objects would open more"),
    "a bucket whole": (_others(["arn:aws:s3:::docs"]), "other_objects would open more"),
    "the tenant bucket": (_others_in_tenant_bucket, "other_objects would open more"),
    "the tenant bucket, joined": (
        _others_spelled(lambda bucket: cdk.Fn.join("", ["arn:aws:s3:::", bucket.bucket_name, "/*"])),
        "other_objects would open more",
    ),
    "the tenant bucket, by its name": (
        _others_spelled(lambda bucket: f"arn:aws:s3:::{bucket.bucket_name}/artifacts/*"),
        "other_objects would open more",
    ),
    "the tenant bucket, substituted": (
        _others_spelled(lambda bucket: cdk.Fn.sub("arn:aws:s3:::${Name}/*", {"Name": bucket.bucket_name})),
        "other_objects would open more",
    ),
    "an access point of the stack": (_others_spelled(_access_point), "other_objects would open more"),
    "an access point": (
        _others(["arn:aws:s3:us-east-1:111122223333:accesspoint/side/object/*"]),
        "other_objects would open more",
    ),
    "a bucket by a policy variable": (
        _others(["arn:aws:s3:::${aws:PrincipalTag/bucket}/*"]),
        "other_objects would open more",
    ),
    "a tenant prefix by a policy variable": (
        _others_in_named_bucket("${aws:PrincipalTag/task_id}/*"),
        "other_objects would open more",
    ),
    "one bucket under two imports": (_one_bucket_under_two_imports, "can name the same key"),
    "one bucket made here and imported": (_made_and_imported, "can name the same key"),
    "the tenant bucket, by the name it was given": (_others_by_given_name, "other_objects would open more"),
    "the tenant bucket, imported by its name": (_others_of_the_one_made, "other_objects would open more"),
    "what may be the tenant prefix, by a parameter": (_others_by_parameter, "other_objects would open more"),
    "the tenant prefix": (_others_in_named_bucket("artifacts/*"), "other_objects would open more"),
    "what may be the tenant prefix": (_others_in_named_bucket("art*"), "other_objects would open more"),
    "prefixes that meet under two imports": (_bucket_under_two_imports, "can name the same key"),
    "secret pattern behind tokens": (
        lambda s: ScopedComputeRole(
            s,
            "Agent",
            backend=ComputeBackend.ECS,
            secrets=[f"arn:aws:secretsmanager:{s.region}:{s.account}:secret:*"],
        ),
        "not the complete ARN of one secret",
    ),
    "profile pattern behind tokens": (
        lambda s: Models.application_profile(
            f"arn:aws:bedrock:{s.region}:{s.account}:application-inference-profile/*", [SONNET]
        ),
        "no application inference profile",
    ),
    "table pattern": (
        lambda s: stacks.session_role(s, tables=[TenantTable(dynamodb.Table.from_table_name(s, "All", "*"))]),
        "name is a pattern",
    ),
    "table keyed on a number": (_number_key, "partition key that is no string"),
    "model of a geography not known yet": (lambda _: Models.in_region([f"ca.{SONNET}"]), "carries a geography"),
    "tag key no policy can hold": (lambda s: stacks.session_role(s, tag_keys=["task_id", "租户"]), "above U+00FF"),
    "leading key no policy can hold": (_tables(leading_key="→{task_id}"), "above U+00FF"),
    "minters in a list": (lambda s: Minting.by_compute_roles([stacks.role(s)]), "is no role"),  # type: ignore[arg-type]
    "minter by its ARN": (lambda _: Minting.by_compute_roles("arn:aws:iam::1:role/a"), "is no role"),  # type: ignore[arg-type]
    "unknown mode of minting": (lambda s: Minting("Broker", (stacks.role(s),), ()), "unknown mode"),  # type: ignore[arg-type]
    "tenant tables on a compute role": (_policy_on_compute_role, "a compute role is no place"),
    "minter that is a pattern": (_pattern_minter, "is not one role"),
    "model ids in place of Models": (lambda s: stacks.session_role(s, models=[SONNET]), "`models` is not what"),
    "table under two imports": (_table_under_two_imports, "listed twice"),
    "role under two imports": (_role_under_two_imports, "is named twice"),
    "broker imported as a compute role": (_broker_under_two_imports, "is named twice"),
    "late Deny while the Denies are off": (_late_deny_while_off, "Denies of this session role are off"),
    "backend by name": (_compute(backend="ECS"), "unknown compute backend"),
    "option of another backend": (_compute(runtime_name="agent"), "does not belong to this backend"),
    "policy without tables": (lambda s: TenantTablePolicy(s, "P", tables=[]), "has no table"),
    "policy with a tag its role lacks": (_foreign_tag, "does not declare a tag"),
}


def test_other_objects_may_be_next_to_the_tenant_s() -> None:
    """Another prefix of the same bucket is excepted: no session's key begins like it."""
    assert _others_in_named_bucket("public/*")(stacks.stack())


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_refused_in_one_sentence(name: str) -> None:
    """Each message says what is wrong, what was got and expected, why it matters and how to mend it."""
    attempt, fault = MISTAKES[name]
    with pytest.raises(SessionScopingError) as caught:
        attempt(stacks.stack())
    message = str(caught.value)
    assert fault in message
    assert "\n" not in message
    assert re.search(r": got .+, expected .+; .+; fix: .+", message)
    assert isinstance(caught.value, ValueError)


def test_too_many_tags_for_the_trust_policy_give_size_and_limit() -> None:
    """Many long tag keys overflow the 2,048 characters of a trust policy, and the error says what to do."""
    keys = ["task_id", *(f"{'dimension' * 4}{number}" for number in range(20))]
    with pytest.raises(
        QuotaExceededError, match=r"trust policy is too large .* got \d+ characters, expected at most 2048"
    ):
        stacks.session_role(stacks.stack(), tag_keys=keys)


def test_too_many_models_for_ten_attachments_are_refused() -> None:
    """More policies than a role can carry are refused at construction, with two attachments kept free."""
    models = Models.profile("us", [f"anthropic.claude-{number:03d}-20250101-v1:0" for number in range(300)])
    with pytest.raises(QuotaExceededError, match="too many managed policies"):
        stacks.session_role(stacks.stack(), models=models)


def test_compute_role_of_too_many_session_roles_is_refused() -> None:
    """Every session role attaches policies to its compute roles, and IAM takes ten in all."""
    stack = stacks.stack()
    agent = stacks.role(stack)

    def one_more(number: int) -> None:
        tables = [TenantTable(stacks.table(stack, f"Table{number}"))]
        SessionRole(stack, f"Session{number}", minting=Minting.by_compute_roles(agent), tables=tables)

    for number in range(4):
        one_more(number)
    with pytest.raises(QuotaExceededError, match="is given too many managed policies: got 11, expected at most 10"):
        one_more(4)


def test_policy_grown_over_its_quota_by_others_fails_synth() -> None:
    """What only the finished tree shows is measured there: a colleague's additions to our document count."""
    stack = stacks.stack()
    session = stacks.session_role(stack)
    policy = session.node.find_child("Permissions")
    assert isinstance(policy, iam.ManagedPolicy)
    for number in range(80):
        arn = f"arn:aws:dynamodb:us-east-1:111122223333:table/{'long' * 15}{number}"
        policy.add_statements(iam.PolicyStatement(sid=f"S{number}", actions=["dynamodb:GetItem"], resources=[arn]))
    with pytest.raises(RuntimeError, match=r"is too large as rendered: got \d+ characters, expected at most 6144"):
        stacks.template(stack)


def test_table_without_known_schema_is_taken_at_its_word() -> None:
    """An imported table's key cannot be read, so nothing is claimed about it."""
    stack = stacks.stack()
    arn = "arn:aws:dynamodb:us-east-1:111122223333:table/tasks"
    entry = TenantTable(dynamodb.Table.from_table_arn(stack, "Imported", arn))
    stacks.session_role(stack, tables=[entry])
    assert stacks.policy(stacks.template(stack), "SessionPermissions")[0]["Resource"] == arn


def test_formats_that_only_look_alike_are_accepted() -> None:
    """The reference layout puts four formats into one bucket, and no two of them meet."""
    stack = stacks.stack()
    bucket: s3.IBucket = stacks.bucket(stack)
    objects = [
        TenantObjects.traces(bucket),
        TenantObjects.attachments(bucket),
        TenantObjects.artifacts(bucket),
        TenantObjects.payload(bucket),
    ]
    stacks.session_role(stack, objects=objects)
    assert len(stacks.policy(stacks.template(stack), "SessionPermissions")) == 5


@jsii.implements(cdk.IStableAnyProducer)
class _Keys:
    """Key attributes that are known when the stack is synthesized."""

    def produce(self) -> Any:
        """Return them."""
        return [{"attributeName": "sort", "keyType": "RANGE"}, {"attributeName": "owner", "keyType": "HASH"}]


def test_a_partition_key_that_is_said_late_is_checked() -> None:
    """A table's schema may be lazy, and its attributes in any order."""
    stack = stacks.stack()
    table = stacks.table(stack)
    cast(dynamodb.CfnTable, table.node.default_child).key_schema = cdk.Lazy.any(_Keys())
    with pytest.raises(SessionScopingError, match="got partition key `owner`"):
        stacks.session_role(stack, tables=[TenantTable(table, access="get")])


def test_buckets_of_two_stacks_with_one_logical_id_are_two() -> None:
    """What a bucket is called in its own template says nothing of one in another."""
    app = stacks.new_app()
    here, there = cdk.Stack(app, "Here"), cdk.Stack(app, "There")
    one, other = s3.Bucket(here, "Bucket"), s3.Bucket(there, "Bucket")
    objects = [TenantObjects.traces(one), TenantObjects.payload(other)]
    stacks.session_role(here, objects=objects)
    minting = Minting.by_orchestrator(stacks.role(here, "Broker"))
    other_objects = [f"{other.bucket_arn}/traces/*"]
    SessionRole(here, "Second", minting=minting, objects=objects[:1], other_objects=other_objects)
    guards = stacks.policy(stacks.template(here), "SecondGuards")
    spared = [one["NotResource"] for one in guards if "NotResource" in one and "/traces/*" in str(one["NotResource"])]
    assert "Fn::GetStackOutput" in str(spared)


def _agent(stack: cdk.Stack, **options: Any) -> ScopedComputeRole:
    return ScopedComputeRole(stack, "Agent", **{"backend": ComputeBackend.AGENTCORE, **options})


ANYTHING_ELSE: dict[str, tuple[Callable[[cdk.Stack, Any], Any], Sequence[Any]]] = {
    "other_tables": (lambda stack, value: stacks.session_role(stack, other_tables=value), (0, None, [None], [1])),
    "other_objects": (lambda stack, value: stacks.session_role(stack, other_objects=value), (0, None, [None], [1])),
    "tag_keys": (lambda stack, value: stacks.session_role(stack, tag_keys=value), (0, None, [None])),
    "model_ids": (lambda _, value: Models.profile("us", value), (0, None, [None], [1])),
    "model_ids in the Region": (lambda _, value: Models.in_region(value), (0, None, [1])),
    "secrets of a compute role": (lambda stack, value: _agent(stack, secrets=value), (0, None, [None], [1])),
    "log groups": (lambda stack, value: _agent(stack, log_groups=value), (0, None, [1])),
    "memory": (lambda stack, value: _agent(stack, memory=value), (0, [], object())),
    "runtime_name": (lambda stack, value: _agent(stack, runtime_name=value), (1, ["x"])),
    "runtime_arn": (lambda stack, value: _agent(stack, runtime_arn=value), (1, ["x"])),
    "the key of secrets": (
        lambda stack, value: stacks.session_role(
            stack, secrets=[TenantSecrets(["agents/{task_id}/"], encryption_key=value)]
        ),
        ("x", 0, [None]),
    ),
    "tables of a policy": (
        lambda stack, value: TenantTablePolicy(stack, "Policy", tables=value),
        ("x", [None], object(), 0),
    ),
    "a policy's role": (
        lambda stack, value: TenantTablePolicy(stack, "Policy", tables=[TenantTable(stacks.table(stack))]).attach_to(
            value
        ),
        (None, "x", 0, []),
    ),
    "admit": (lambda stack, value: stacks.session_role(stack).admit(value), (None, "x", 0, [])),
    "admit_trust_only": (lambda stack, value: stacks.session_role(stack).admit_trust_only(value), (None, "x", 0)),
    "the role of grant_dispatch": (
        lambda _, value: grant_dispatch(value, f"{AGENTCORE}:runtime/agent-abc"),
        (None, "x", 0),
    ),
}


@pytest.mark.parametrize("argument", ANYTHING_ELSE)
def test_a_value_of_another_type_gets_one_sentence_of_ours(argument: str) -> None:
    """A string for a role, a number for a list: no TypeError from deep inside, and nothing from jsii."""
    attempt, values = ANYTHING_ELSE[argument]
    for value in values:
        with pytest.raises(InvalidInputError, match=r"got .*expected .* fix: ") as caught:
            attempt(stacks.stack(), value)
        assert "\n" not in str(caught.value)
