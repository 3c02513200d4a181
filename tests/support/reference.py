"""The reference stack's template, synthesized once for each set of switches."""

from typing import Any

from tests.support import RECOMMENDED_FLAGS
from tests.support.shared import shared


def synthesize_reference(**context: Any) -> dict[str, Any]:
    """Return the reference stack's template under the project's own flags and this context."""
    name = "-".join(["reference", *(f"{key}={value}" for key, value in sorted(context.items()))])
    template: dict[str, Any] = shared(name, lambda: _synthesize(context))
    return template


def _synthesize(context: dict[str, Any]) -> dict[str, Any]:
    import aws_cdk as cdk

    from app import STACK_NAME, ReferenceStack

    app = cdk.App(context={**RECOMMENDED_FLAGS, **context})
    ReferenceStack(app, STACK_NAME, synthesizer=cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False))
    template: dict[str, Any] = app.synth().get_stack_by_name(STACK_NAME).template
    return template
