"""
A rule pack that fails a synth in which a session could reach more than its own data.

    Validations.of(app).add_plugins(AwsSolutionsChecks(app), SessionScopingChecks())

The rules look at the shape of statements, on every synth, without a solver. `session-scoping verify` proves.
"""

from importlib.metadata import version
from pathlib import Path

import aws_cdk as cdk
import jsii

from session_scoping.verify.deployment.collecting import collect
from session_scoping.verify.files.assembly import stack_name_of
from session_scoping.verify.files.reading import template_in
from session_scoping.verify.files.source import Source, nested_scopes, scopes_of
from session_scoping.verify.intrinsics.exports import link
from session_scoping.verify.intrinsics.scope import Scope
from session_scoping.verify.reports.findings import NAG_RULES, Finding, findings

__all__ = ["SessionScopingChecks"]

DOCUMENTATION = "docs/verify.md#rule-pack"


@jsii.implements(cdk.IPolicyValidationPlugin)
class SessionScopingChecks:
    """
    Fails the synth on a statement that opens a session role, or hands tenant data to a compute role.

    Rules have stable ids and are listed in docs/verify.md: `SessionScoping-UnscopedStatement`,
    `-TenantGrantOnComputeRole`, `-UnconditionedTrust`, `-UnkeyedAccess`, `-ReservedTag`.
    """

    @property
    def name(self) -> str:
        """Name of the pack in the validation report."""
        return "SessionScoping"

    @property
    def version(self) -> str:
        """Version of session-scoping."""
        return version("session-scoping")

    @property
    def rule_ids(self) -> list[str]:
        """Ids of all rules."""
        return [rule.id for rule in NAG_RULES]

    def validate(self, context: cdk.IPolicyValidationContext) -> cdk.PolicyValidationPluginReport:
        """Check all templates of the app together, so that a policy in one stack is seen on a role in another."""
        paths = [Path(path) for path in context.template_paths]
        scopes: list[Scope] = []
        owners: dict[str, str] = {}
        for path in paths:
            template = template_in(path)
            if template is None:
                # A stack without resources has no `Resources` section and nothing to check.
                continue
            name = stack_name_of(path)
            if name in owners:
                # Of a stack in another Stage: neither may take the other's place.
                name = f"{name}#{len(owners)}"
            scope = Scope(name, template, stack_name=stack_name_of(path))
            owners[name] = str(path)
            scopes += [scope, *nested_scopes(scope, path.parent)]
        found = [_violation(finding, owners) for finding in findings(collect(link(scopes)))]
        return cdk.PolicyValidationPluginReport(success=not found, violations=found)


def _violation(finding: Finding, owners: dict[str, str]) -> cdk.PolicyViolation:
    stack, _, logical_id = finding.role.id.rpartition(".")
    resource = cdk.PolicyViolatingResource(
        resource_logical_id=logical_id,
        template_path=owners.get(stack.partition("/")[0], stack),
        locations=[finding.where],
        construct_path=finding.role.label,
    )
    return cdk.PolicyViolation(
        rule_name=finding.rule.id,
        # The report prints no locations, and two violations with equal texts only once.
        description=f"{finding.rule.description} Found in {finding.where}.",
        fix=finding.rule.fix,
        severity="error",
        rule_metadata={"documentation": DOCUMENTATION},
        violating_resources=[resource],
    )


def check_template(source: Source) -> list[str]:
    """
    Return the ids of the rules that templates break, for tests that do not synthesize an app.

    Args:
        source: A template or a directory of them, as `session_scoping.verify.verify` takes it.

    Raises:
        InvalidInputError: The source cannot be read.
    """
    return [finding.rule.id for finding in findings(collect(scopes_of(source)))]
