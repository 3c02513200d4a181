"""Policies that AWS publishes: its managed ones, from moto, and the templates of its Serverless Application Model."""

import json
import re
from importlib.metadata import distribution, version
from typing import Any

# The managed policies that people attach to roles of their own. Any other one is UNKNOWN to the verifier.
ATTACHED = re.compile(
    r"AdministratorAccess|PowerUserAccess|ReadOnlyAccess|SecurityAudit|SecretsManagerReadWrite|SecretsManagerClient\w+"
    r"|IAM(Full|ReadOnly)Access|AWSLambda_?(Basic|Full|Read|VPC|SQS|Kinesis|DynamoDB|MSK|ENI|Role|Execute|Invocation)[\w-]*"
    r"|Amazon(ECS|EC2Container|ElasticContainerRegistry)\w+|AmazonEKS(?!MCP|Dashboard|Local)\w+"
    r"|AWSX-?[Rr]ay(Daemon\w+|Write\w+|Full\w+|Read\w+)"
    r"|CloudWatch(Agent|Lambda|Logs|Events|Synthetics|ApplicationSignals|Full|ReadOnly)\w*"
    r"|Amazon(SQS|SNS|DynamoDB|S3|API|APIGateway|Cognito|Kinesis|EventBridge|ElastiCache|VPC|EC2|RDSData|OpenSearchService)\w+"
    r"|AmazonSSM\w+|AmazonBedrock(?!Studio|External)\w+|BedrockAgentCore\w+|AmazonSageMaker(Full|ReadOnly)\w*"
    r"|AWSKeyManagementServicePowerUser|AWSStepFunctions\w+|AWSCodeBuild\w+|AWSBatch\w+|AWSAppRunner\w+|AWSGlueServiceRole"
    r"|AWSBackupServiceRolePolicyFor\w+|AWSBackupFullAccess"
)
JOBS = ("job-function/",)


def managed_policies() -> dict[str, Any]:
    """Return the documents of AWS's managed policies by path and name, with source and date."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    published = json.loads(aws_managed_policies_data)
    chosen: dict[str, Any] = {}
    for name, entry in sorted(published.items()):
        path = f"{entry['Path']}{name}".lstrip("/")
        ours = entry["Path"] in ("/", "/service-role/") and ATTACHED.fullmatch(name)
        if ours or (path.startswith(JOBS) and "ODB" not in name):
            chosen[path] = entry["Document"]
    return {
        "source": f"moto {version('moto')} (Apache-2.0), AWS managed policies as IAM returns them",
        "date": max(entry["UpdateDate"] for entry in published.values()).split("T")[0],
        "policies": chosen,
    }


def sam_policies() -> dict[str, Any]:
    """Return the policy templates of AWS's Serverless Application Model by name, with their source."""
    text = distributed("aws-sam-translator", "policy_templates.json")
    return {
        "source": f"aws-sam-translator {version('aws-sam-translator')} (Apache-2.0), AWS's own implementation of SAM",
        "policies": {
            name: {"Parameters": sorted(entry["Parameters"]), "Definition": entry["Definition"]}
            for name, entry in sorted(json.loads(text)["Templates"].items())
        },
    }


def distributed(package: str, name: str) -> str:
    """Return the one file of this name that a Python package brings."""
    (path,) = (path for path in distribution(package).files or () if path.name == name)
    return path.read_text(encoding="utf-8")
