"""
Compare installing and importing the agent half with plain boto3: `python -m benchmarks.footprint`.

Import time is processor time in fresh interpreters: first boto3, then the agent half on top; medians of 25.
"""

import importlib.metadata
import statistics
import subprocess
import sys
from pathlib import Path

ROUNDS = 25
PROBE = """
import time
first = time.process_time()
import boto3
second = time.process_time()
from session_scoping import SessionTags
from session_scoping.agent import TaskSession
print((second - first) * 1000, (time.process_time() - second) * 1000)
"""


def import_milliseconds() -> tuple[float, float]:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    plain, added = done.stdout.split()
    return float(plain), float(added)


def size_of(distribution: str) -> int:
    files = importlib.metadata.files(distribution) or []
    return sum(Path(str(file.locate())).stat().st_size for file in files if file.suffix != ".pyc")


def our_size() -> int:
    package = Path(__file__).parents[1] / "session_scoping"
    return sum(file.stat().st_size for file in package.rglob("*.py"))


def main() -> None:
    import_milliseconds()
    pairs = [import_milliseconds() for _ in range(ROUNDS)]
    plain, added = (statistics.median(times) for times in zip(*pairs, strict=True))
    needed = ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3")
    boto3_size = sum(size_of(name) for name in needed)
    print("| | plain boto3 | with session-scoping[agent] | difference |")
    print("|---|---|---|---|")
    print(f"| import, milliseconds of processor time | {plain:.0f} | {plain + added:.0f} | {added:.1f} |")
    print(
        f"| installed, megabytes | {boto3_size / 1e6:.2f} | {(boto3_size + our_size()) / 1e6:.2f} "
        f"| {our_size() / 1e6:.2f} |"
    )


if __name__ == "__main__":
    main()
