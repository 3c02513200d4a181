"""What both halves know of Bedrock. Standard library only."""

INVOKE_ACTIONS = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")
"""
Every way to run a model: Converse and ConverseStream are these two actions.

Source: service authorization reference, list_amazonbedrock.
"""
