"""What each Lambda function of this library consists of, and how it gets into the function's asset."""

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Bundle:
    """
    One function's files.

    Attributes:
        handler: The function's `Handler` property. It is part of users' templates, so it stays when a module moves:
            the asset holds a module of this name.
        module: The module of this package that defines `handler`.
        files: Every file that module imports, below the package, and nothing else; a test holds both.
    """

    handler: str
    module: str
    files: tuple[str, ...]

    @property
    def staged(self) -> tuple[str, ...]:
        """Return the name of every staged file, below the package."""
        entry = self._entry
        return (*self.files, f"{entry.parent}/__init__.py", str(entry))

    @property
    def _entry(self) -> Path:
        return Path(*self.handler.split(".")[1:-1]).with_suffix(".py")

    def stage(self, target_dir: str | Path) -> Path:
        """
        Copy the files into a directory that becomes the function's code asset.

        The function's runtime brings boto3; nothing is installed. The same files give the same asset hash.

        Args:
            target_dir: Where. Made when it is missing; a file that is already there and not ours stays.

        Returns:
            The directory.
        """
        package, target = Path(__file__).parents[1], Path(target_dir)
        for name in self.staged:
            copy = target / "session_scoping" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            if name in self.files:
                shutil.copyfile(package / name, copy)
            else:
                copy.write_text(f"from {self.module} import handler\n" if name == str(self._entry) else "")
            copy.chmod(0o644)
        return target


_CONTRACT = (
    "__init__.py",
    "contract/__init__.py",
    "contract/arns.py",
    "contract/doors.py",
    "contract/errors.py",
    "contract/jws.py",
    "contract/names.py",
    "contract/strict_json.py",
)
_TOKENS = ("contract/tags.py", "contract/task_token.py", "lambdas/__init__.py")

CREDENTIAL_BROKER = Bundle(
    "session_scoping.broker.handler.handler",
    "session_scoping.lambdas.credential_broker.handler",
    (
        *_CONTRACT,
        *_TOKENS,
        "contract/boto_errors.py",
        "contract/environment.py",
        "lambdas/credential_broker/__init__.py",
        "lambdas/credential_broker/checks.py",
        "lambdas/credential_broker/exchange.py",
        "lambdas/credential_broker/handler.py",
        "lambdas/credential_broker/refusal.py",
        "lambdas/credential_broker/settings.py",
    ),
)

KEY_SET = Bundle(
    "session_scoping.key_set.handler.handler",
    "session_scoping.lambdas.key_set.handler",
    (
        *_CONTRACT,
        *_TOKENS,
        "contract/environment.py",
        "lambdas/key_set/__init__.py",
        "lambdas/key_set/handler.py",
        "lambdas/key_set/jwk.py",
    ),
)
