"""Libraries that make AWS clients of their own, and the argument by which each takes a task's session or client."""

import ast
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from session_scoping.agent.audit.kinds import AMBIENT, AMBIENT_FACTORY, TASK, TASK_CLIENT

Credentials = Literal["session", "ambient", "unknown"]

S3_ADDRESSES = ("s3://", "s3a://", "s3n://")
S3_READERS = frozenset(
    {
        "cloudpathlib",
        "dask",
        "deltalake",
        "duckdb",
        "fsspec",
        "geopandas",
        "pandas",
        "polars",
        "pyarrow",
        "xarray",
        "zarr",
    }
)
"""Packages whose functions open an S3 address with the process's own credentials unless they are given others."""

S3_WRITERS = ("to_", "write_", "sink_", "save_")
"""How the methods are named by which a table or frame of theirs is written to an address."""


class Maker(NamedTuple):
    """
    A function or class that makes its own client.

    Attributes:
        service: What the client reaches.
        takes: Groups of arguments; in each group one must be a task's session or client. `a.b` is the key `b` of a
            dictionary. Without a group nothing can be given, and the client is the process's own.
        when: The first argument's start. Default: any.
    """

    service: str
    takes: tuple[frozenset[str], ...] = ()
    when: tuple[str, ...] = ()


def _takes(service: str, *groups: str, when: tuple[str, ...] = ()) -> Maker:
    return Maker(service, tuple(frozenset(group.split("|")) for group in groups), when)


_POWERTOOLS = "boto3_client|boto3_session"
# Package and last name -> what it makes. Source: the packages themselves, in the versions of requirements/clients.txt
# and requirements/aio.txt; tests/clients runs each against its package.
_MAKERS: Mapping[tuple[str, str], Maker] = {
    ("aws_lambda_powertools", "AppConfigProvider"): _takes("appconfigdata", _POWERTOOLS),
    ("aws_lambda_powertools", "DynamoDBPersistenceLayer"): _takes("dynamodb", _POWERTOOLS),
    ("aws_lambda_powertools", "DynamoDBProvider"): _takes("dynamodb", _POWERTOOLS),
    ("aws_lambda_powertools", "S3Object"): _takes("s3", "boto3_client"),
    ("aws_lambda_powertools", "SecretsProvider"): _takes("secretsmanager", _POWERTOOLS),
    ("aws_lambda_powertools", "SSMProvider"): _takes("ssm", _POWERTOOLS),
    ("bedrock_agentcore", "BrowserClient"): _takes("bedrock-agentcore"),
    ("bedrock_agentcore", "CodeInterpreter"): _takes("bedrock-agentcore", "session"),
    ("bedrock_agentcore", "IdentityClient"): _takes("bedrock-agentcore"),
    ("bedrock_agentcore", "MemoryClient"): _takes("bedrock-agentcore", "boto3_session"),
    ("bedrock_agentcore", "MemoryControlPlaneClient"): _takes("bedrock-agentcore"),
    ("bedrock_agentcore", "MemorySessionManager"): _takes("bedrock-agentcore", "boto3_session"),
    ("fsspec", "filesystem"): _takes("s3", "session", when=("s3",)),
    ("langchain_aws", "BedrockEmbeddings"): _takes("bedrock-runtime", "client"),
    ("langchain_aws", "BedrockLLM"): _takes("bedrock-runtime", "client", "bedrock_client"),
    ("langchain_aws", "ChatBedrock"): _takes("bedrock-runtime", "client", "bedrock_client"),
    ("langchain_aws", "ChatBedrockConverse"): _takes("bedrock-runtime", "client", "bedrock_client"),
    ("langgraph_checkpoint_aws", "AgentCoreMemorySaver"): _takes("bedrock-agentcore"),
    ("langgraph_checkpoint_aws", "AgentCoreMemoryStore"): _takes("bedrock-agentcore"),
    ("langgraph_checkpoint_aws", "BedrockSessionSaver"): _takes("bedrock-agent-runtime", "client|session"),
    ("langgraph_checkpoint_aws", "DynamoDBSaver"): _takes("dynamodb", "session"),
    ("langgraph_checkpoint_aws", "DynamoDBStore"): _takes("dynamodb", "boto3_session"),
    ("litellm", "acompletion"): _takes("bedrock-runtime", "aws_bedrock_client", when=("bedrock/",)),
    ("litellm", "completion"): _takes("bedrock-runtime", "aws_bedrock_client", when=("bedrock/",)),
    ("litellm", "embedding"): _takes("bedrock-runtime", "aws_bedrock_client", when=("bedrock/",)),
    ("pynamodb", "Connection"): _takes("dynamodb"),
    ("pynamodb", "Model"): _takes("dynamodb"),
    ("pynamodb", "TableConnection"): _takes("dynamodb"),
    ("s3fs", "S3FileSystem"): _takes("s3", "session"),
    ("smart_open", "open"): _takes("s3", "transport_params.client", when=S3_ADDRESSES),
    ("strands", "Agent"): _takes("bedrock-runtime", "model"),
    ("strands", "BedrockModel"): _takes("bedrock-runtime", "boto_session"),
    ("strands", "S3SessionManager"): _takes("s3", "boto_session"),
}
_WRANGLER_MODULES = frozenset(
    {"athena", "catalog", "chime", "cleanrooms", "cloudwatch", "data_quality", "dynamodb", "emr", "emr_serverless"}
    | {"lakeformation", "neptune", "opensearch", "postgresql", "quicksight", "redshift", "s3", "secretsmanager", "sts"}
)


def maker_of(path: str) -> Maker | None:
    """Return what is known of a function or class by its dotted path; nothing when it makes no client."""
    package, *rest = path.split(".")
    if package == "awswrangler" and len(rest) > 1 and rest[0] in _WRANGLER_MODULES:
        return _takes(rest[0], "boto3_session")
    return _MAKERS.get((package, rest[-1])) if rest else None


def signed_by(maker: Maker, node: ast.Call, value: Callable[[ast.expr], frozenset[str]]) -> Credentials:
    """Return whose credentials the client made by a call signs with; `value` evaluates an argument."""
    found = {_group(group, node, value) for group in maker.takes} or {"ambient"}
    if len(maker.takes) == 1 and any(_of_a_task(value(one)) for one in node.args):
        found = {"session"}
    return "ambient" if "ambient" in found else "unknown" if "unknown" in found else "session"


def _group(group: frozenset[str], node: ast.Call, value: Callable[[ast.expr], frozenset[str]]) -> Credentials:
    given = [value(found) for name in group if (found := _argument(node, name))]
    given = [one for one in given if one]  # nothing for None
    if not given:
        hidden = any(isinstance(one, ast.Starred) for one in node.args) or any(one.arg is None for one in node.keywords)
        return "unknown" if hidden else "ambient"
    if all(map(_of_a_task, given)):
        return "session"
    return "ambient" if any(one <= {AMBIENT, AMBIENT_FACTORY} for one in given) else "unknown"


def _argument(node: ast.Call, name: str) -> ast.expr | None:
    name, _, key = name.partition(".")
    found = next((keyword.value for keyword in node.keywords if keyword.arg == name), None)
    if not key or not isinstance(found, ast.Dict):
        return found
    pairs = zip(found.keys, found.values, strict=True)
    return next((one for at, one in pairs if isinstance(at, ast.Constant) and at.value == key), None)


def _of_a_task(values: frozenset[str]) -> bool:
    return bool(values) and values <= {TASK, TASK_CLIENT}
