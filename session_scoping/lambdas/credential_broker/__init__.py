"""
The credential broker: a Lambda function that exchanges a task token for the task's credentials.

boto3 and the contract modules only: this is what `session_scoping.lambdas.credential_broker.bundle.stage` puts into the function.
"""
