"""
The credential broker: a Lambda function that exchanges a task token for the task's credentials.

boto3 and the contract modules only: `lambdas/bundle.py` says what goes into the function.
"""
