"""Programs of several AWS SDKs that make one call, and a stand-in service that notes who signed it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import ROOT
from tests.support.loopback import Handler, serving
from tests.support.stand_in_sts import ROLE_ARN, StandInSts

RUN = [sys.executable, "-m", "session_scoping.commands.main", "run"]

BOTO3 = """
import boto3, sys
try:
    client = boto3.client("bedrock-runtime")
    client.converse(modelId="m", messages=[{"role": "user", "content": [{"text": "x"}]}])
except Exception as error:
    print(type(error).__name__, error, file=sys.stderr)
    sys.exit(3)
"""
JAVASCRIPT = """
const { BedrockRuntimeClient, ConverseCommand } = require("@aws-sdk/client-bedrock-runtime");
const { NodeHttpHandler } = require("@smithy/node-http-handler");
const client = new BedrockRuntimeClient({ maxAttempts: 1, requestHandler: new NodeHttpHandler() });
const messages = [{ role: "user", content: [{ text: "x" }] }];
client.send(new ConverseCommand({ modelId: "m", messages })).catch((error) => {
  console.error(error.name, error.message);
  process.exit(3);
});
"""
NO_CREDENTIALS = {"boto3": b"CredentialRetrievalError", "javascript": b"CredentialsProviderError"}
"""What each says when the container endpoint answers an error, and no other source is asked."""
SDKS = {"boto3": [sys.executable, "-c", BOTO3], "javascript": ["node", "-e", JAVASCRIPT]}
"""Each calls Bedrock, where an SDK prefers an ambient bearer token to every credential."""

# In an environment of its own: see the Makefile, `test-aws-cli`.
if (_AWS := ROOT / ".venv-aws-cli/bin/aws").exists():
    SDKS["aws-cli"] = [str(_AWS), "bedrock-runtime", "converse", "--model-id", "m", "--messages"]
    SDKS["aws-cli"].append('[{"role": "user", "content": [{"text": "x"}]}]')
    NO_CREDENTIALS["aws-cli"] = b"retrieving credentials from container-role"

_ANSWER = (
    '{"output": {"message": {"role": "assistant", "content": [{"text": "y"}]}}, "stopReason": "end_turn",'
    ' "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}, "metrics": {"latencyMs": 1}}'
)


class _Service(Handler):
    signers: list[str]

    def respond(self) -> None:
        self.content()
        self.signers.append(self.signed_by() or self.headers.get("Authorization", "nobody"))
        self.answer(_ANSWER, headers={"Content-Type": "application/json"})


@contextmanager
def running_service() -> Iterator[tuple[str, list[str]]]:
    """Run a service that answers everybody; yield its address and the list of those who signed."""
    signers: list[str] = []
    with serving(_Service, signers=signers) as url:
        yield url, signers


def ambient_sources(home: Path, sts: StandInSts) -> dict[str, str]:
    """Return variables, and make files in a HOME, by which an SDK finds credentials that are not the task's."""
    keys = "aws_access_key_id = AKIAPLANTEDPROFILE01\naws_secret_access_key = planted\n"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws/credentials").write_text(f"[default]\n{keys}[other]\n{keys}")
    (home / ".aws/config").write_text(f"[default]\nregion = us-east-1\n[profile other]\n{keys}")
    (home / ".boto").write_text(f"[Credentials]\n{keys}")
    (home / "key-file").write_text("AWSAccessKeyId=AKIAPLANTEDKEYFILE01\nAWSSecretKey=planted\n")
    (home / "token").write_text("planted-web-identity")
    return {
        "HOME": str(home),
        "AWS_PROFILE": "other",
        "AWS_ACCESS_KEY_ID": "AKIAPLANTEDAMBIENT01",
        "AWS_SECRET_ACCESS_KEY": "planted",
        "AWS_BEARER_TOKEN_BEDROCK": "planted-token",
        "AWS_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": str(home / ".aws/config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / ".aws/credentials"),
        "AWS_CREDENTIAL_FILE": str(home / "key-file"),
        "BOTO_CONFIG": str(home / ".boto"),
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(home / "token"),
        "AWS_ROLE_ARN": ROLE_ARN,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": sts.url,
        "AWS_EC2_METADATA_DISABLED": "false",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": sts.url,
    }
