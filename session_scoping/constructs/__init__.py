"""
The CDK constructs (extra `[cdk]`): one folder for each thing a platform engineer knows by name.

Data flows one way: tables, objects and models render statements; documents pack them into managed policies; the
constructs attach those to roles. The public door is `session_scoping`: each name loads its own module on first use,
and a module loads only those of the CDK that every app with it uses; any other is reached as `cdk.aws_...`, which the
CDK loads on first use. An app pays for what it makes.
"""

from session_scoping.contract.errors import MissingExtraError

try:
    import aws_cdk  # noqa: F401 - asked for here, so that its absence gets one clear sentence
except ImportError as error:
    raise MissingExtraError(
        "the constructs need the CDK: got no module `aws_cdk`, expected it to be installed; it is an extra because "
        'agent images do without it; fix: pip install "session-scoping[cdk]"'
    ) from error
