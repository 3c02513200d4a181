"""AgentCore Memory. On the compute role: memory has no leading key that a session tag could hold to."""

from datetime import UTC, datetime

import boto3

from examples.reference_agent.settings import Settings


def remember(settings: Settings, *, repo: str, task_id: str, text: str) -> None:
    """Keep one line for later tasks on the same repository; nothing when no memory is configured."""
    if not settings.memory_id:
        return
    boto3.client("bedrock-agentcore").create_event(
        memoryId=settings.memory_id,
        actorId=repo,
        sessionId=task_id,
        eventTimestamp=datetime.now(UTC),
        payload=[{"conversational": {"role": "ASSISTANT", "content": {"text": text}}}],
    )
