"""Reads a template, or a whole `cdk.out` with its nested stacks, and never runs anything it reads."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from session_scoping.errors import InvalidInputError
from session_scoping.verify.intrinsics import text_of
from session_scoping.verify.scope import Scope
from session_scoping.verify.text import Unmodelled, plain

_SUFFIXES = (".json", ".template", ".yaml", ".yml")


def read_template(path: Path) -> dict[str, Any]:
    """
    Return one parsed CloudFormation template.

    Raises:
        InvalidInputError: The file is missing, is no JSON or YAML, or has no `Resources`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, type(error).__name__) from error
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        parsed = _read_yaml(path, text) if path.suffix in {".yaml", ".yml", ".template"} else None
        if parsed is None:
            raise _unreadable(path, "text that is not JSON") from error
    if not isinstance(parsed, dict) or not isinstance(parsed.get("Resources"), dict):
        raise _unreadable(path, "JSON without a `Resources` section")
    return parsed


def _unreadable(path: Path, got: str) -> InvalidInputError:
    return InvalidInputError(
        f"cannot read `{path}`",
        got=got,
        expected="a CloudFormation template or a cdk.out directory",
        why="there is nothing to prove about it",
        fix="run `cdk synth` and pass cdk.out or one *.template.json",
    )


def load(path: Path, parameters: Mapping[str, str] | None = None) -> list[Scope]:
    """
    Read every stack under a path.

    Args:
        path: A template, or a directory `cdk synth` wrote.
        parameters: Values of template parameters. Default: a parameter may hold anything.

    Returns:
        One scope per stack, nested stacks included, with their exports known to each other.
    """
    files = _stack_files(path)
    if not files:
        raise _unreadable(path, "no template in it")
    scopes: list[Scope] = []
    envs = {env for _, _, env in files}
    for name, file, env in files:
        # Stacks whose Region and account differ must not share the tokens that stand for them.
        scope = Scope(name, read_template(file), env=f"@{env}" if len(envs) > 1 else "", account=_account_in(env))
        scope.arguments = {key: (value, None) for key, value in (parameters or {}).items()}
        scopes += [scope, *nested_scopes(scope, file.parent)]
    return link(scopes)


def _account_in(environment: str) -> str:
    """Return the account of an environment as CDK writes it, `aws://account/region`; empty when it is left open."""
    account = environment.removeprefix("aws://").partition("/")[0]
    return account if account.isdigit() else ""


def link(scopes: list[Scope]) -> list[Scope]:
    """Make the exports of every scope visible to all the others."""
    exports: dict[str, tuple[Any, Scope]] = {}
    by_output: dict[str, list[tuple[Any, Scope]]] = {}
    for scope in scopes:
        outputs = scope.template.get("Outputs")
        for output in outputs.values() if isinstance(outputs, dict) else ():
            export = output.get("Export") if isinstance(output, dict) else None
            name = text_of(export["Name"], scope) if isinstance(export, dict) and "Name" in export else ()
            key = None if isinstance(name, Unmodelled) else plain(name)
            if key:
                exports[key] = (output.get("Value"), scope)
        for name, output in outputs.items() if isinstance(outputs, dict) else ():
            if isinstance(output, dict) and "Value" in output:
                by_output.setdefault(f"{scope.name}.{name}", []).append((output["Value"], scope))
    # Two stacks of one name, in two Regions, are not told apart by it.
    exports |= {key: found[0] for key, found in by_output.items() if len(found) == 1}
    for scope in scopes:
        scope.exports = exports
    return scopes


def _stack_files(path: Path) -> list[tuple[str, Path, str]]:
    if not path.is_dir():
        return [(_stem(path), path, "")]
    manifest = path / "manifest.json"
    if not manifest.exists():
        found = sorted(path.glob("*.template.json")) or sorted(
            file for file in path.iterdir() if file.suffix in _SUFFIXES and _looks_like_template(file)
        )
        return [(_stem(file), file, "") for file in found if not file.name.endswith(".nested.template.json")]
    return _from_manifest(path, manifest)


def _from_manifest(path: Path, manifest: Path) -> list[tuple[str, Path, str]]:
    try:
        artifacts = json.loads(manifest.read_text(encoding="utf-8")).get("artifacts", {})
        found: list[tuple[str, Path, str]] = []
        for name, artifact in sorted(artifacts.items()):
            properties = artifact.get("properties", {})
            if artifact.get("type") == "aws:cloudformation:stack":
                file = path / properties["templateFile"]
                found.append((str(properties.get("stackName", name)), file, str(artifact.get("environment", ""))))
            elif artifact.get("type") == "cdk:cloud-assembly":
                found += _stack_files(path / properties["directoryName"])
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise _unreadable(manifest, "a manifest that is not CDK's") from error
    return found


def _stem(path: Path) -> str:
    return path.name.removesuffix(".json").removesuffix(".template")


def _looks_like_template(path: Path) -> bool:
    try:
        return '"Resources"' in path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def nested_scopes(scope: Scope, directory: Path, *, depth: int = 0) -> list[Scope]:
    """Read the nested stacks of a stack whose templates lie beside its own, and make them its children."""
    found: list[Scope] = []
    for logical_id, resource in scope.resources.items():
        if resource.get("Type") != "AWS::CloudFormation::Stack":
            continue
        metadata = resource.get("Metadata")
        asset = metadata.get("aws:asset:path") if isinstance(metadata, dict) else None
        asset = asset or _asset_of(json.dumps(scope.properties(logical_id).get("TemplateURL")), directory)
        file = directory / str(asset)
        # A template outside the assembly is not ours to read: the path comes from the template itself.
        if not asset or depth > 8 or directory.resolve() not in file.resolve().parents or not file.exists():
            continue
        child = Scope(f"{scope.name}/{logical_id}", read_template(file), env=scope.env, account=scope.account)
        arguments = scope.properties(logical_id).get("Parameters")
        child.arguments = {
            key: (value, scope) for key, value in (arguments.items() if isinstance(arguments, dict) else ())
        }
        scope.children[logical_id] = child
        found += [child, *nested_scopes(child, directory, depth=depth + 1)]
    return found


def _asset_of(url: str, directory: Path) -> str | None:
    """Return the file a nested stack's URL stands for: CDK names the asset by its hash and lists it."""
    for manifest in sorted(directory.glob("*.assets.json")):
        try:
            files = json.loads(manifest.read_text(encoding="utf-8")).get("files", {})
            for digest, entry in files.items():
                if digest in url:
                    return str(entry["source"]["path"])
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            continue
    return None


def _read_yaml(path: Path, text: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise InvalidInputError(
            f"cannot read `{path}`",
            got="YAML, and no YAML reader is installed",
            expected="JSON, as `cdk synth` writes it",
            why="PyYAML is not a dependency of session-scoping",
            fix="pip install pyyaml, or convert the template to JSON",
        ) from error

    class Loader(yaml.SafeLoader):
        """YAML with CloudFormation's short tags."""

    def short_tag(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
        if isinstance(node, yaml.SequenceNode):
            value: Any = loader.construct_sequence(node, deep=True)
        elif isinstance(node, yaml.MappingNode):
            value = loader.construct_mapping(node, deep=True)
        else:
            value = loader.construct_scalar(node)  # type: ignore[arg-type]
        return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}

    Loader.add_multi_constructor("!", short_tag)
    # CloudFormation has no dates: `Version: 2012-10-17` is text.
    Loader.yaml_implicit_resolvers = {
        first: [(tag, expression) for tag, expression in found if tag != "tag:yaml.org,2002:timestamp"]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.yaml_implicit_resolvers = {
        key: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for key, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        return yaml.load(text, Loader=Loader)  # noqa: S506 - a subclass of SafeLoader
    except (yaml.YAMLError, RecursionError) as error:
        raise _unreadable(path, "text that is neither JSON nor YAML") from error
