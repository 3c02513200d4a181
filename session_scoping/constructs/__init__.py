"""The CDK constructs (extra `[cdk]`)."""
