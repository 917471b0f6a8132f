"""Time of ``augtune --help`` against a bare typer program with two commands, side by side in one run.

    python benchmarks/startup.py [ROUNDS]

Both run in turn, each in a fresh interpreter with the same output going to a pipe; the medians are compared.
Prints the ratio and which heavy modules ``augtune --help`` loaded; exit status 1 if any was, or above twice.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

HEAVY = ("torch", "transformers", "openai", "plotly", "scipy", "sklearn", "datasets", "pyarrow", "pandas", "pydantic")
LIMIT = 2.0

BARE = """
import typer

app = typer.Typer()


@app.command()
def greet(name: str) -> None:
    \"\"\"Greet.\"\"\"


@app.command()
def leave(name: str) -> None:
    \"\"\"Leave.\"\"\"


app()
"""
OURS = "import sys; from augtune.cli.main import main; sys.argv[0] = 'augtune'; sys.exit(main())"
LOADED = (
    "import contextlib, io, sys\n"
    "from augtune.cli.main import main\n"
    "with contextlib.redirect_stdout(io.StringIO()):\n"
    "    main(['--help'])\n"
    f"print(*[name for name in {HEAVY!r} if name in sys.modules])"
)


def seconds(code: str) -> float:
    """Return the wall time of one fresh interpreter that is asked for help."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, "--help"], check=True, stdout=subprocess.PIPE, env=os.environ)
    return time.perf_counter() - start


def loaded() -> list[str]:
    """Return the heavy modules that are in memory after ``augtune --help``."""
    done = subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True)
    return done.stdout.split()


def measure(rounds: int) -> tuple[float, float]:
    """Return the median seconds of the bare program and of augtune, run in turn; the first round only warms up."""
    bare, ours = [], []
    for _ in range(rounds + 1):
        bare.append(seconds(BARE))
        ours.append(seconds(OURS))
    return statistics.median(bare[1:]), statistics.median(ours[1:])


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    bare, ours = measure(rounds)
    heavy = loaded()
    print(f"bare typer program, two commands   {1000 * bare:6.0f} ms   median of {rounds}")
    print(f"augtune --help                     {1000 * ours:6.0f} ms   median of {rounds}")
    print(f"ratio                              {ours / bare:6.2f}      at most {LIMIT:.0f}")
    print(f"heavy modules loaded               {', '.join(heavy) or 'none':>6}      of {', '.join(HEAVY)}")
    return 0 if ours / bare <= LIMIT and not heavy else 1


if __name__ == "__main__":
    sys.exit(main())
