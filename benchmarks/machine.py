"""The machine a figure was measured on, in one line. No benchmark by itself."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path


def machine() -> str:
    """Date, processor, cores, Python."""
    model, info = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if info.exists():
        lines = (line for line in info.read_text(encoding="utf-8").splitlines() if "model name" in line)
        model = next((line.split(":")[1].strip() for line in lines), model)
    when = datetime.now(UTC).date().isoformat()
    return f"{when}, {model}, {os.cpu_count()} cores, Python {platform.python_version()}"


if __name__ == "__main__":
    print(machine())
