"""What only the finished tree can show, asked once per stack at synth, with one resolve for all questions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import aws_cdk as cdk
import jsii
from constructs import IConstruct, IValidation

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.stack_context import StackContext

_KEPT_AS = "_session_scoping_finished"
_TREE_KEPT_AS = "_session_scoping_tree"

Protected = tuple[IConstruct, Callable[[], Iterable[Section]]]
"""A session role, and the Denies of what compute roles reach through it alone."""


@dataclass(frozen=True)
class Check:
    """
    One question about the finished tree.

    Args:
        value: What to resolve.
        errors: Says what is wrong with it once it is resolved. Each error names its construct.
    """

    value: Any
    errors: Callable[[Any], Iterable[str]]


@dataclass(frozen=True)
class FinishedTree:
    """
    Every construct of the app at synth, each followed by its own resource.

    Attributes:
        constructs: The constructs, parents first.
        read_by: Who has read it: a second synth reads a tree of its own.
    """

    constructs: Sequence[IConstruct]
    read_by: list[object] = field(default_factory=list)

    def resource_of(self, construct: IConstruct) -> cdk.CfnResource:
        """Return what a construct with one resource, such as a role, is in the template."""
        found = self.constructs[self._places[id(construct)] + 1]
        assert isinstance(found, cdk.CfnResource)  # noqa: S101 - an L2 makes its resource before anything else
        return found

    @cached_property
    def _places(self) -> dict[int, int]:
        return {id(one): place for place, one in enumerate(self.constructs)}


@jsii.implements(IValidation)
class SynthChecks:
    """Runs the checks of all constructs of one stack at synth; each error fails the synth."""

    def __init__(self, stack: cdk.Stack) -> None:
        self._stack, self._node = stack, stack.node
        self._tree: FinishedTree | None = None
        self._sources: list[Callable[[], Iterable[Check]]] = []
        self._reserved: set[str] = set()
        self.protected: list[Protected] = []

    @classmethod
    def of(cls, context: StackContext) -> "SynthChecks":
        """Return the checks of a stack; there is one of these per stack, kept on the stack itself."""
        kept = vars(context.stack)
        if _KEPT_AS not in kept:
            kept[_KEPT_AS] = cls(context.stack)
            kept[_KEPT_AS]._node.add_validation(kept[_KEPT_AS])
        checks: SynthChecks = kept[_KEPT_AS]
        return checks

    @property
    def tree(self) -> FinishedTree:
        """The app's constructs; read once for all stacks."""
        if self._tree is None:
            kept, root = vars(self._root), self._root
            tree: FinishedTree | None = kept.get(_TREE_KEPT_AS)
            if tree is None or self in tree.read_by:
                tree = kept[_TREE_KEPT_AS] = FinishedTree(root.node.find_all())
            tree.read_by.append(self)
            self._tree = tree
        return self._tree

    @cached_property
    def _root(self) -> IConstruct:
        return self._node.root

    @property
    def of_app(self) -> list["SynthChecks"]:
        """The checks of every stack of the app."""
        found = (vars(one).get(_KEPT_AS) for one in self.tree.constructs)
        return [checks for checks in found if checks is not None]

    def protect(self, owner: IConstruct, denied: Callable[[], Iterable[Section]]) -> None:
        """Say what of the owner's data no compute role may reach; asked at synth, when all of it is known."""
        self.protected.append((owner, denied))

    def add(self, *sources: Callable[[], Iterable[Check]]) -> None:
        """Add checks; each source is called at synth, so it sees what was added late."""
        self._sources.extend(sources)

    def reserve(self, tag_keys: Iterable[str]) -> None:
        """Refuse these session tags' keys among the tags of the stack and of the stacks it is nested in."""
        self._reserved.update(tag_keys)

    def validate(self) -> list[str]:
        """Return the errors found."""
        self._tree = None
        checks = [check for source in self._sources for check in source()]
        # In a dict each, because a list loses what resolves to nothing.
        answers = self._stack.resolve([{"value": check.value} for check in checks])
        errors = [
            error for check, answer in zip(checks, answers, strict=True) for error in check.errors(answer.get("value"))
        ]
        return [*self._stack_tag_errors(), *errors]

    def _stack_tag_errors(self) -> Iterable[str]:
        """Stack tags reach roles through CloudFormation and show in no template."""
        stack: cdk.Stack | None = self._stack if self._reserved else None
        while stack is not None:
            for error in reserved_tags(stack.tags.tag_values(), self._reserved):
                yield f"stack `{stack.node.path}`: {error}"
            stack = stack.nested_stack_parent if isinstance(stack, cdk.NestedStack) else None


def reserved_tags(present: Iterable[str], tag_keys: Iterable[str]) -> Iterable[str]:
    """
    Refuse a session tag's key as a resource tag, where it would replace a tag the session lacks.

    Tags given to `cdk deploy --tags` cannot be seen here at all. Source: IAM guide, id_session-tags.
    """
    reserved = {key.casefold() for key in tag_keys}
    for key in present:
        if key.casefold() in reserved:
            yield (
                f"tag `{key}` is a session tag of the role: got it as a resource tag, expected none; IAM reads both as "
                "one principal tag, so a session without its own would carry this one; fix: rename it, or add it with "
                'exclude_resource_types=["AWS::IAM::Role"]'
            )
