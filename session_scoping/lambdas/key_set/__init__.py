"""
The issuer's public documents: what `TaskTokenIssuer` publishes so that STS can check a task token.

boto3 and the contract modules only: this is what the custom resource's function consists of.
"""
