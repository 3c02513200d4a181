"""What the verifier knows about a deployment: roles, tables, buckets, keys, and the policies on each."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from session_scoping.contract.metadata import SHARED_BY
from session_scoping.verify.patterns.text import Pattern, Text, plain


def parse_shared_by(text: str) -> frozenset[str]:
    """Return one set of tag keys that sessions may share data by, written `user_id` or `repo,user_id`."""
    return frozenset(key.strip().lower() for key in text.split(",") if key.strip())


@dataclass(frozen=True)
class Condition:
    """One key of one operator of a Condition block, as written: `ForAllValues:StringEquals`, key, values."""

    operator: str
    key: str
    values: tuple[Text, ...]


@dataclass(frozen=True)
class Statement:
    """
    One policy statement.

    Attributes:
        where: The policy and the place in it, for a reader, such as `App.Policy[3] KeyedRead`.
        allow: Whether the effect is Allow.
        actions: Action patterns, or None when the statement has NotAction.
        resources: Resource patterns, or None when the statement has NotResource (or neither, in a trust policy).
        principals: Kind (`AWS`, `Service`, `Federated`, `CanonicalUser`, `*`) and pattern of each principal.
        variables: Whether `${...}` is a policy variable, which needs Version 2012-10-17.
        template_conditions: Template conditions under which the statement exists.
        problem: Why the statement cannot be modelled; None when it can.
    """

    where: str
    allow: bool
    actions: tuple[str, ...] | None = None
    not_actions: tuple[str, ...] = ()
    resources: tuple[Text, ...] | None = None
    not_resources: tuple[Text, ...] = ()
    principals: tuple[tuple[str, Text], ...] = ()
    not_principal: bool = False
    conditions: tuple[Condition, ...] = ()
    variables: bool = True
    template_conditions: tuple[tuple[str, bool], ...] = ()
    problem: str | None = None
    any_resource: bool = False

    @property
    def named_resources(self) -> tuple[Text, ...]:
        """The resources it may be about: what Resource names; everything, where it has NotResource."""
        return self.resources if self.resources is not None else (("*",),)


@dataclass
class Role:
    """
    One IAM role or user with everything in the templates that decides what it may do.

    Attributes:
        id: Stack and logical id.
        problems: Policies that attach to it and cannot be read, each a reason for UNKNOWN.
        unmodelled_grants: Policies of services that name it and hold no tenant data, such as a queue's. What they let
            it do is not modelled, which counts where nothing else is allowed.
        boundary: Statements of the permissions boundary; None when it has none.
        boundary_problem: Why the boundary cannot be read. A boundary only takes away, so it is no danger.
        tags: Tags on the role itself, which are principal tags of a session that does not carry them.
        metadata: What the role's Metadata says under keys that begin `session-scoping:`, each a text or a list of
            texts. They are the adopter's word: they widen nothing by themselves.
        env: Name of the account and Region it stands in, as in its scope.
        account: Id of its account; empty where the template leaves it open.
        kind: `role`, or `user`, which has no trust and whose identity policies include its groups'.
    """

    id: str
    stack: str
    name: Text
    arn: Text
    label: str
    trust: tuple[Statement, ...] = ()
    identity: tuple[Statement, ...] = ()
    boundary: tuple[Statement, ...] | None = None
    boundary_problem: str | None = None
    problems: tuple[str, ...] = ()
    unmodelled_grants: tuple[str, ...] = ()
    tags: dict[str, Text] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    services: frozenset[str] = frozenset()
    env: str = ""
    account: str = ""
    kind: str = "role"

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What decides over its requests, whatever they ask for: its policies and its boundary."""
        return (*self.identity, *(self.boundary or ()))

    @property
    def shared_by(self) -> frozenset[frozenset[str]]:
        """Sets of lower-case tag keys; sessions that agree in one of the sets are meant to share data."""
        found = self.metadata.get(SHARED_BY)
        texts = [plain(text) for text in found if isinstance(text, tuple)] if isinstance(found, list) else []
        return frozenset(tags for text in texts if text and (tags := parse_shared_by(text)))

    def promise(self, key: str) -> Text | None:
        """Return what its Metadata says under a key, where that is a single text."""
        found = self.metadata.get(key)
        return found if isinstance(found, tuple) else None


@dataclass(frozen=True)
class Store:
    """
    One table, bucket or key, or all tables or buckets whose names hold a session's tags.

    Attributes:
        kind: `table`, `bucket`, `key`, or `tables`, `buckets`, `secrets` or `parameters` for those that are one
            session's by their names.
        arn: Its ARN, symbolic where the template is.
        partition_key: Attribute name of the table's partition key, when the template says it.
        policy: Statements of its resource policy.
        problems: What is attached to it and cannot be read.
        env: Name of the account and Region it stands in, as in its scope.
        copies: ARNs of the places its contents are copied to.
        encrypted_with: The keys that open what it holds, as it names them; of a replica of a key, its primary.
        made: Whether a template makes it; of others the templates only speak.
        names: Of those that names tell apart: how their names, and what follows these, are made of tags.
        replicated: Whether it may have replicas in other Regions, each with an ARN of its own.
        shared: The keys in it that every session may read, as its Metadata says; `*` for all.
        tags: Keys of the tags that its template gives it one value each of, in lower case.
        stack: Name its stack is deployed under, which begins a name that CloudFormation makes; empty where not known.
    """

    kind: str
    id: str
    label: str
    arn: Text
    name: Text
    partition_key: str | None = None
    policy: tuple[Statement, ...] = ()
    problems: tuple[str, ...] = ()
    env: str = ""
    copies: tuple[Text, ...] = ()
    encrypted_with: tuple[Text, ...] = ()
    made: bool = False
    names: tuple[Pattern, ...] = ()
    replicated: bool = False
    shared: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()
    stack: str = ""

    @property
    def by_name(self) -> bool:
        """Whether its names say whose it is: what follows its ARN is a name, and not something inside one store."""
        return bool(self.names)

    @property
    def before_key(self) -> str:
        """What stands between its ARN and what is inside it."""
        return {"buckets": "", "secrets": ":"}.get(self.kind, "/")

    def inside(self, left: Pattern) -> Pattern | None:
        """Return what follows its ARN in a pattern without the mark before it; None where the mark is not there."""
        if not self.before_key:
            return left or None
        if not left or not isinstance(left[0], str) or not left[0].startswith(self.before_key):
            return None
        return tuple(part for part in (left[0][1:], *left[1:]) if part != "")

    def with_policy(self, statements: tuple[Statement, ...], problem: str | None = None) -> "Store":
        """Return the store with further resource policy statements."""
        problems = (*self.problems, problem) if problem else self.problems
        return replace(self, policy=self.policy + statements, problems=problems)


@dataclass(frozen=True)
class Workload:
    """
    Something that runs with a role: a function, a task, a runtime, a schedule, an instance.

    Attributes:
        id: Stack and logical id.
        type: Its resource type.
        service: The service principal that takes the role for it, without `.amazonaws.com`.
        role: ARN, or name, of the role; one that the template leaves open as a token.
        environment: What it is given: values of its environment, its commands, its arguments.
        policy: A function's own policy, which says who may invoke it.
    """

    id: str
    label: str
    type: str
    service: str
    role: Text
    environment: tuple[Text, ...] = ()
    policy: tuple[Statement, ...] = ()


@dataclass(frozen=True)
class Held:
    """
    An access key of an IAM user, and who has it.

    Attributes:
        holder: Stack and logical id of the workload, secret or parameter that holds it.
        role: The role that the workload runs with; None for a secret or a parameter.
        user: Id of the user in `Deployment.users`; as it is written for a user that no template makes.
    """

    holder: str
    role: Text | None
    user: str


@dataclass(frozen=True)
class Handed:
    """
    Something that hands workloads of the templates what many sessions keep.

    Attributes:
        id: Stack and logical id of what hands it on.
        touches: Whether it reads a table or a bucket.
        workloads: Ids of the workloads that it hands it to.
    """

    id: str
    label: str
    touches: Callable[[Store], bool]
    workloads: frozenset[str]


@dataclass
class Deployment:
    """
    Everything the templates deploy that matters to IAM.

    Attributes:
        roles: Roles by id.
        users: IAM users by id.
        workloads: What runs with which role, once for each role that it may have.
        holds: Where access keys of users stand.
        handed: What hands workloads the rows of tables and the objects of buckets.
        problems: What was found and is not understood, and may touch any role.
        notes: Assumptions made while reading.
        accounts: Ids of the accounts it deploys to, as far as they are known.
        doubts: Which stores are touched by what is not read, and what becomes of them; for stores that no template
            makes and a policy names.
    """

    roles: dict[str, Role] = field(default_factory=dict)
    users: dict[str, Role] = field(default_factory=dict)
    stores: dict[str, Store] = field(default_factory=dict)
    workloads: list[Workload] = field(default_factory=list)
    holds: list[Held] = field(default_factory=list)
    handed: list[Handed] = field(default_factory=list, compare=False, repr=False)
    problems: list[str] = field(default_factory=list)
    notes: set[str] = field(default_factory=set)
    accounts: frozenset[str] = frozenset()
    doubts: list[tuple[Callable[[Store], bool], Callable[[Store], Store]]] = field(
        default_factory=list, compare=False, repr=False
    )

    @property
    def principals(self) -> list[Role]:
        """Roles and users."""
        return [*self.roles.values(), *self.users.values()]

    def doubt(self, touches: Callable[[Store], bool], change: Callable[[Store], Store]) -> None:
        """Change every store that something touches which is not read, in the templates or not."""
        self.stores = {key: change(store) if touches(store) else store for key, store in self.stores.items()}
        self.doubts.append((touches, change))

    def doubted(self, store: Store) -> Store:
        """Return a store that no template makes, with what is not read of it."""
        for touches, change in self.doubts if store.id not in self.stores else ():
            store = change(store) if touches(store) else store
        return store

    def of_kind(self, kind: str) -> list[Store]:
        """Return the tables, buckets or keys."""
        return [store for store in self.stores.values() if store.kind == kind]

    @cached_property
    def role_arns(self) -> frozenset[Text]:
        """The ARNs of all roles; not to be asked for before they are all read."""
        return frozenset(role.arn for role in self.roles.values())

    def role_by_arn(self, arn: Text) -> Role | None:
        """Return the role with this ARN, or with this name."""
        return next((role for role in self.roles.values() if arn in (role.arn, role.name)), None)
