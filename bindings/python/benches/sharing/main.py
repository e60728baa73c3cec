"""What it costs to share pictures with other processes, beside two other ways: prints a table of docs/performance.md.

The load is that of the Rust benchmark, which serves it (`crates/engine/benches/performance`). Each row is measured in
processes of its own, in turn, several times; medians are printed. CPU time is user and system time of the process
alone.

    scripts/bench-python [ROUNDS [WORD]]

limits the rounds, and the rows to those that contain a word.
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import fields

from processes import Load
from rows import ROWS, Figures


def main() -> None:
    rounds = max(1, int(sys.argv[1])) if len(sys.argv) > 1 else 3
    word = sys.argv[2] if len(sys.argv) > 2 else ""
    rows = [row for row in ROWS if word in row.name]
    results: dict[str, list[Figures]] = {row.name: [] for row in rows}
    load = Load(streams=4)
    with load:
        for number in range(1, rounds + 1):
            for row in rows:
                print(f"round {number} of {rounds}: {row.name}", file=sys.stderr)
                try:
                    results[row.name].append(row.measure(load.urls))
                except (OSError, ValueError, TimeoutError) as error:
                    print(f"  not measured: {error}", file=sys.stderr)
    print_table(results)


def print_table(results: dict[str, list[Figures]]) -> None:
    """Prints the table as Markdown."""
    print(
        "| Work | decoding alone | … and sharing | sharing | each reader | published → in hand p50 / p99 µs "
        "| arrived → in hand p50 / p99 ms | pictures lost | wanted |"
    )
    print("|---" * 9 + "|")
    for row in ROWS:
        if row.name in results:
            middle = medians(results[row.name])
            columns = [
                row.name,
                *(show(value, 3) for value in (middle.without_ms, middle.with_ms, middle.sharing_ms, middle.reader_ms)),
                pair(middle.age_p50_us, middle.age_p99_us, 0),
                pair(middle.delay_p50_ms, middle.delay_p99_ms, 1),
                show(middle.lost, 0),
                row.wanted,
            ]
            print("| " + " | ".join(columns) + " |")


def medians(rounds: list[Figures]) -> Figures:
    found = Figures()
    for field in fields(Figures):
        values = [value for figures in rounds if (value := getattr(figures, field.name)) is not None]
        if values:
            setattr(found, field.name, statistics.median(values))
    return found


def show(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def pair(first: float | None, second: float | None, digits: int) -> str:
    return "–" if first is None else f"{show(first, digits)} / {show(second, digits)}"


if __name__ == "__main__":
    main()
