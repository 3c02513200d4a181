"""The words for access, and the actions of each. Small on purpose: what is absent is the point."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from session_scoping.contract.errors import InvalidInputError

# Scan is absent: dynamodb:LeadingKeys does not limit it. So are PartiQL (a missing key condition turns it into a
# scan) and everything on indexes (there LeadingKeys holds the index's key, not the table's).
# TransactWriteItems is no action of its own: it needs the words for the items it holds.
# Source: service authorization reference, list_amazondynamodb; DynamoDB guide, transaction-apis-iam.
TABLE_ACCESS: Mapping[str, tuple[str, ...]] = {
    "get": ("dynamodb:GetItem",),
    "batch-get": ("dynamodb:BatchGetItem",),
    "query": ("dynamodb:Query",),
    "put": ("dynamodb:PutItem",),
    "update": ("dynamodb:UpdateItem",),
    "condition-check": ("dynamodb:ConditionCheckItem",),
    "delete": ("dynamodb:DeleteItem",),
    # One action for puts and deletes alike: IAM cannot allow a batch of puts only.
    "batch-write": ("dynamodb:BatchWriteItem",),
    "read-only": ("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"),
    # A put replaces an item that has the same key: the writer must add attribute_not_exists to keep history.
    "append-only": ("dynamodb:PutItem",),
}

LIST_OBJECTS = "s3:ListBucket"

# Deleting and ACLs are absent. A list is limited by s3:prefix; uploads in progress carry no such key.
# Source: service authorization reference, list_amazons3.
OBJECT_ACCESS: Mapping[str, tuple[str, ...]] = {
    "get": ("s3:GetObject",),
    "get-version": ("s3:GetObjectVersion",),
    "put": ("s3:PutObject",),
    "multipart": ("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"),
    "list": (LIST_OBJECTS,),
}

# BatchGetSecretValue and ListSecrets are absent: IAM limits neither to names. So are creation, rotation, replication
# and policies: they say who else may have a secret. Source: service authorization reference, list_awssecretsmanager.
SECRET_ACCESS: Mapping[str, tuple[str, ...]] = {
    "get": ("secretsmanager:GetSecretValue",),
    "describe": ("secretsmanager:DescribeSecret",),
    "put": ("secretsmanager:PutSecretValue",),
}

LIST_PARAMETERS = "ssm:GetParametersByPath"

# DescribeParameters is absent: it names all parameters of the account. So is GetParameterHistory: an old value may be
# from before the name was this tenant's. Source: service authorization reference, list_awssystemsmanager.
PARAMETER_ACCESS: Mapping[str, tuple[str, ...]] = {
    "get": ("ssm:GetParameter", "ssm:GetParameters"),
    "list": (LIST_PARAMETERS,),
    "put": ("ssm:PutParameter",),
}

LIST_SESSIONS = "bedrock-agentcore:ListSessions"
READ_RECORDS = ("bedrock-agentcore:ListMemoryRecords", "bedrock-agentcore:RetrieveMemoryRecords")

# Only what carries a condition key that says whose it is. Getting or deleting a record by its id carries none that is
# published; a batch of records names several namespaces, and which of them the key has is not documented; neither is
# whose an extraction job is. Source: service authorization reference, list_amazonbedrockagentcore.
MEMORY_ACCESS: Mapping[str, tuple[str, ...]] = {
    "write-events": ("bedrock-agentcore:CreateEvent",),
    "read-events": ("bedrock-agentcore:GetEvent", "bedrock-agentcore:ListEvents"),
    "delete-events": ("bedrock-agentcore:DeleteEvent",),
    "list-sessions": (LIST_SESSIONS,),
    "read-records": READ_RECORDS,
}


def actions_for(words: str | Sequence[str], vocabulary: Mapping[str, tuple[str, ...]], what: str) -> tuple[str, ...]:
    """
    Return the actions of the access words, each once, in the vocabulary's order.

    Raises:
        InvalidInputError: No word, or a word the vocabulary does not have.
    """
    wanted = [words] if isinstance(words, str) else list(words)
    unknown = [str(word) for word in wanted if word not in vocabulary]
    if unknown or not wanted:
        raise InvalidInputError(
            f"unknown access to {what}" if unknown else f"no access to {what} is named",
            got=", ".join(f"`{word}`" for word in unknown) or "an empty list",
            expected=f"one or more of {', '.join(vocabulary)}",
            why="the session's own key can limit every action of these words; no others can be isolated",
            fix="choose from these words, or leave the table or bucket out",
        )
    chosen = {action for word in wanted for action in vocabulary[word]}
    return tuple(dict.fromkeys(action for actions in vocabulary.values() for action in actions if action in chosen))


def require_attribute(value: object, attribute: str, *, what: str, example: str) -> None:
    """
    Refuse what lacks an attribute every construct of a kind has, before it fails as an attribute error deep inside.

    The class is asked, not the object: reading an attribute of a construct is a trip to the CDK.
    """
    # An import that is a proxy of an interface answers for itself.
    if not (hasattr(type(value), attribute) or hasattr(type(value), "__getattr__")):
        raise InvalidInputError(
            f"{what} is given as something else",
            got=f"a {type(value).__name__}",
            expected=f"{what} itself",
            why="the ARNs of the policies are read from it",
            fix=f"pass one, such as {example}",
        )


def as_texts(values: Any, name: str) -> str | tuple[str, ...]:
    """
    Return a list of strings as a tuple, and one string as it is; `name` is the argument they were given for.

    Raises:
        InvalidInputError: It is something else, or holds something else.
    """
    if isinstance(values, str):
        return values
    found = tuple(values) if isinstance(values, Iterable) else (values,)
    if wrong := [value for value in found if not isinstance(value, str)]:
        raise InvalidInputError(
            f"`{name}` is no list of strings",
            got=f"a {type(wrong[0]).__name__}",
            expected="strings",
            why="what it opens would be a guess",
            fix=f"see the docstring of `{name}`",
        )
    return found


def as_words(values: Any, name: str) -> str | tuple[Any, ...]:
    """Return words as they are, or as a tuple; `name` is the argument they were given for."""
    if isinstance(values, str):
        return values
    if isinstance(values, Iterable):
        return tuple(values)
    raise InvalidInputError(
        f"`{name}` is no list of words",
        got=f"a {type(values).__name__}",
        expected="one word, or a list of them",
        why="what it opens would be a guess",
        fix=f"see the docstring of `{name}`",
    )
