"""YAML as CloudFormation reads it: short tags for intrinsics, no dates, keys as they are written."""

from collections.abc import Hashable
from typing import Any

import yaml

from session_scoping.verify.files.odd_input import OddInputError, twice


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with CloudFormation's rules."""

    # CloudFormation has no dates: `Version: 2012-10-17` is text.
    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own attribute
        first: [(tag, expression) for tag, expression in found if tag != "tag:yaml.org,2002:timestamp"]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Refuse a key that occurs twice, before merging puts keys of other mappings beside a mapping's own."""
        node = super().compose_mapping_node(anchor)
        keys = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        double = twice(str(key.value) for key in keys if isinstance(key, yaml.ScalarNode))
        if double is not None:
            raise OddInputError(f"the key `{double}` twice in one object")
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Read each key as the text it is: YAML would make None of the operator `Null`, and True of `on`."""
        if not isinstance(node, yaml.MappingNode):
            raise yaml.constructor.ConstructorError(None, None, "not a mapping", node.start_mark)
        self.flatten_mapping(node)
        return {_key(key): self.construct_object(value, deep=deep) for key, value in node.value}


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.tag.startswith("!"):
        raise yaml.constructor.ConstructorError(None, None, "a key that is not text", node.start_mark)
    return str(node.value)


def _short_tag(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        value: Any = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        value = loader.construct_scalar(node)  # type: ignore[arg-type]
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_tag)


def parse_yaml(text: str) -> Any:
    """
    Return what a YAML text holds.

    Raises:
        Exception: Of PyYAML, or of whatever Python type an explicit tag asks for.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of SafeLoader
