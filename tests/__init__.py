import os

# Skips the CDK's offline template validator, 1 to 3 s in every process. Set here, before any test module imports
# aws_cdk and starts the Node process that reads it.
os.environ.setdefault("CDK_VALIDATION", "false")
