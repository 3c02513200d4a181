"""The service. Its mistake: it takes the owner of the notes from the URL, not from who is logged in."""

import os
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from botocore.exceptions import ClientError
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from session_scoping import SessionTags
from session_scoping.agent import TaskSession, TaskSessions

bearer = HTTPBearer()


def task_session(
    request: Request, login: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]
) -> Iterator[TaskSession]:
    """Yield the session of the user who sent the request. The tag comes from the login, never from URL or body."""
    user_id = request.app.state.logins.get(login.credentials)
    if user_id is None:
        raise HTTPException(status_code=401)
    with request.app.state.sessions.get(SessionTags(user_id=user_id)) as session:
        yield session


def create_app(logins: Mapping[str, str]) -> FastAPI:
    """Return the service; `logins` maps a bearer token to its user, where yours checks a JWT."""
    app = FastAPI()
    app.state.logins, app.state.sessions = logins, TaskSessions(max=256)
    app.add_exception_handler(ClientError, denied)
    app.get("/users/{user_id}/notes")(read_notes)
    app.put("/users/{user_id}/notes/{note_id}")(write_note)
    return app


# Not `async`: FastAPI runs these in worker threads, where boto3 may wait.
def read_notes(user_id: str, session: Annotated[TaskSession, Depends(task_session)]) -> list[str]:
    """Return the notes of the user that the URL names."""
    found = session.client("dynamodb").query(
        TableName=os.environ["NOTES_TABLE"],
        KeyConditionExpression="#owner = :owner",
        ExpressionAttributeNames={"#owner": "owner"},
        ExpressionAttributeValues={":owner": {"S": f"USER#{user_id}"}},
    )
    return [item["text"]["S"] for item in found["Items"]]


def write_note(user_id: str, note_id: str, text: str, session: Annotated[TaskSession, Depends(task_session)]) -> None:
    """Write a note of the user that the URL names."""
    item = {"owner": {"S": f"USER#{user_id}"}, "note_id": {"S": note_id}, "text": {"S": text}}
    session.client("dynamodb").put_item(TableName=os.environ["NOTES_TABLE"], Item=item)


def denied(_: Request, error: Any) -> JSONResponse:
    """Answer 403 to what IAM denies, and 502 to what else AWS says. The text names roles and tables: keep it inside."""
    code = error.response["Error"]["Code"]
    return JSONResponse(
        {"error": "denied" if "AccessDenied" in code else "failed"}, 403 if "AccessDenied" in code else 502
    )
