"""Size of the functions' zip, and how long a function takes to import from it.

Run ``python benchmarks/lambda_zip.py``. The import runs in a fresh interpreter, once without and once with
compiled files beside the sources; Lambda has none of its own for a zip like this at a cold start.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from io import BytesIO
from pathlib import Path

from machine import describe

from stockctl.backends.aws.stack.lambda_code import HANDLERS, build

RUNS = 5
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    "TABLE_NAME": "t", "ALERTS_TABLE": "a", "BUCKET": "b",
    "TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:t", "SMA_SHORT": "5", "SMA_LONG": "20",
    "THRESHOLD_PERCENT": "5", "ALERT_MAX_AGE_SECONDS": "0", "TTL_DAYS": "0",
    "POWERTOOLS_SERVICE_NAME": "bench", "POWERTOOLS_METRICS_NAMESPACE": "bench",
}  # fmt: skip
PROGRAM = """
import json, sys, time
sys.path.insert(0, {folder!r})
begun = time.perf_counter()
import boto3
boto = time.perf_counter()
__import__({module!r})
print(json.dumps([boto - begun, time.perf_counter() - boto, len(sys.modules)]))
"""


def main() -> None:
    """Print the figures."""
    bundle = build()
    print(describe())
    print(f"zip: {len(bundle.data):,} bytes, {len(bundle.files):,} files, SHA-256 {bundle.sha256}")
    parts: Counter[str] = Counter()
    for name, content in bundle.files:
        parts[name.split("/")[0]] += len(content)
    for part, size in parts.most_common():
        print(f"  {part:24} {size:>10,} bytes unpacked")
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(BytesIO(bundle.data)).extractall(folder)
        for module in HANDLERS:
            cold = measure(folder, module, compiled=False)
            measure(folder, module, compiled=True)
            warm = measure(folder, module, compiled=True)
            print(f"{module}: {cold}; with compiled files: {warm}")


def measure(folder: str, module: str, *, compiled: bool) -> str:
    """Return the median of some imports in fresh interpreters, boto3 apart."""
    runs = [run(folder, module, compiled=compiled) for _ in range(RUNS)]
    boto, own, modules = (statistics.median(run[place] for run in runs) for place in range(3))
    return f"{own * 1000:.0f} ms after {boto * 1000:.0f} ms of boto3, {modules:.0f} modules loaded"


def run(folder: str, module: str, *, compiled: bool) -> list[float]:
    """Import once, in an interpreter of its own."""
    flags = [] if compiled else ["-B"]
    program = PROGRAM.format(folder=folder, module=module)
    environment = {"PATH": os.environ["PATH"], **ENVIRONMENT}
    done = subprocess.run(
        [sys.executable, *flags, "-c", program],
        env=environment,
        cwd=Path(folder),
        capture_output=True,
        check=True,
    )
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
