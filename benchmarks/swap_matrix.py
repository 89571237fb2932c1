"""Which recorded conversations go on where, and what they lose: `python -m benchmarks.swap_matrix`.

Every recorded request with tool calls and results is continued on each wire (on its own, by another model), and every
recorded answer that holds something only its vendor can read. Each body is held against the vendor's request schema
and written rules, and searched for sealed texts of another's. It needs the recorded traffic (`HARNESS_SHARED`).
"""

import json
import sys
import time
from collections import Counter
from dataclasses import asdict

from benchmarks.reporting import arguments, machine, versions
from tests.dialects.swap_matrix import SERVERS, WIRES, Pair, at_home, matrix, recorded_answers, recorded_requests
from tests.recorded_traffic import vendors_folder

SCHEMAS = ("openai", "anthropic", "google-genai", "botocore")


def main() -> int:
    """Print the matrix; the exit code says whether every body was sound."""
    options = arguments("Swap every recorded conversation to every wire.")
    if not vendors_folder().is_dir():
        print(f"no recorded traffic at {vendors_folder()}: set HARNESS_SHARED", file=sys.stderr)
        return 2
    started = time.process_time()
    requests, answers = recorded_requests(), recorded_answers()
    tables = {
        "requests with tools": matrix(requests, WIRES | SERVERS),
        "answers with sealed blocks": matrix(answers, WIRES | SERVERS),
        "requests back home": at_home(requests),
        "answers back home": at_home(answers),
    }
    seconds = time.process_time() - started
    if options.json:
        shown = {name: [asdict(pair) for pair in pairs] for name, pairs in tables.items()}
        ran = {"machine": machine(), "versions": versions(*SCHEMAS), "cpu_seconds": seconds}
        print(json.dumps({**ran, "tables": shown}))
    else:
        print(", ".join(f"{name} {version}" for name, version in versions(*SCHEMAS).items()))
        for name, pairs in tables.items():
            _print_table(name, pairs)
        print(f"{seconds:.0f} s of CPU")
    return int(any(pair.invalid or pair.leaked for pairs in tables.values() for pair in pairs))


def _print_table(name: str, pairs: list[Pair]) -> None:
    told = [pair for pair in pairs if pair.histories]
    print(f"\n{name}: {sum(pair.histories for pair in told)} continuations in {len(told)} pairs")
    print(f"{'from':<20}{'to':<20}{'histories':>10}{'as it was':>10}{'lost parts':>11}{'refused':>9}{'leaked':>8}")
    changes = Counter[str]()
    for pair in told:
        counts = f"{pair.histories:>10}{pair.untouched:>10}{pair.lost:>11}{len(pair.invalid):>9}{len(pair.leaked):>8}"
        print(f"{pair.source:<20}{pair.target:<20}{counts}")
        changes += pair.changes
    for said, count in changes.most_common():
        print(f"  {count:>6} {said.replace('_', ' ')}")


if __name__ == "__main__":
    sys.exit(main())
