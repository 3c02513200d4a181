"""The worker: may run any code, and reaches the task whose token it was given."""

import os
from typing import Any

from botocore.exceptions import ClientError

from session_scoping.agent import TaskCredentialsError, TaskSession


def handler(event: dict[str, Any], _: object) -> dict[str, str]:
    """Set the status of the row `event["row"]`, with the credentials of the task of `event["token"]`."""
    try:
        # Closed at the end: a warm function meets other tasks next.
        with TaskSession.from_token(lambda: event["token"]) as session:
            session.resource("dynamodb").Table(os.environ["TASK_TABLE"]).update_item(
                Key={"task_id": event["row"]},
                UpdateExpression="SET #status = :status",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":status": "DONE"},
            )
    except TaskCredentialsError as error:
        return {"status": error.reason}
    except ClientError as error:
        return {"status": error.response["Error"]["Code"]}
    return {"status": "DONE"}
