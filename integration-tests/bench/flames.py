"""make flames: where each role's processor time goes while shoppers check out, as a flame graph of each.

    python flames.py [--seconds S] [--warm-up S] [--in-flight N] [--shards N]

The roles run in processes of their own. One after the other is looked at with perf (Debian's linux-perf) while baskets are
made and checked out in a closed loop; inferno (crates.io, installed by `cargo install inferno`) draws docs/flames/ROLE.svg.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from figures import Figures  # noqa: E402
from harness.roles import installed_apart  # noqa: E402
from harness.stack import NEVER_FLUSH, ROOT, Stack  # noqa: E402

ROLES = ("gateway", "handler", "projector", "connector")
FREQUENCY_HZ = 299  # no divisor of what else ticks
STACK_BYTES = 16384  # of each sample: librdkafka from Debian has no frame pointers
SMALLEST = "0.3"  # pixels; less is left out, which keeps the files small


def recorded(pid: int, seconds: int, file: Path) -> None:
    subprocess.run(
        ["perf", "record", "-F", str(FREQUENCY_HZ), "--call-graph", f"dwarf,{STACK_BYTES}", "-p", str(pid), "-o", file, "--", "sleep", str(seconds)],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def drawn(role: str, file: Path, folder: Path) -> Path:
    """A thread's name is the lowest frame, so that each of a role's threads has a tower of its own."""
    script = subprocess.run(["perf", "script", "-i", file], check=True, capture_output=True).stdout
    stacks = subprocess.run(["inferno-collapse-perf"], input=script, check=True, capture_output=True).stdout
    svg = folder / f"{role}.svg"
    with svg.open("wb") as out:
        subprocess.run(
            ["inferno-flamegraph", "--title", f"{role}: processor time while baskets are checked out", "--minwidth", SMALLEST],
            input=stacks, check=True, stdout=out,
        )  # fmt: skip
    return svg


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=8, help="of each role")
    parser.add_argument("--warm-up", type=int, default=30)
    parser.add_argument("--in-flight", type=int, default=512)
    parser.add_argument("--shards", type=int, default=1)
    arguments = parser.parse_args()
    stack = Stack({"DAYBOOK_LOCAL_KAFKA_FLUSH_MESSAGES": NEVER_FLUSH})
    docs = ROOT / "docs" / "flames"
    docs.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="daybook-flames-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        try:
            stack.up()
            with installed_apart(stack, "flames", shards=arguments.shards) as roles:
                roles.start()
                figures = Figures(roles.daybook, folder, (len(ROLES) + 1) * arguments.seconds, arguments.in_flight)
                figures.prepare()
                figures.warm_up(arguments.warm_up)
                load = threading.Thread(target=figures.baskets)
                load.start()
                for role in ROLES:
                    recorded(roles[role].pid, arguments.seconds, folder / f"{role}.perf")
                load.join()
            for role in ROLES:
                print(drawn(role, folder / f"{role}.perf", docs), flush=True)
        finally:
            stack.discard()


if __name__ == "__main__":
    main()
