"""docs/reliability.md: what the kept runs came to."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.figures import Row
from faults.checker import CHECKS
from faults.nemesis import FAULTS
from faults.run import Result

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
MARK = "<!-- runs: written by `python -m faults report` -->"


def write(results: Sequence[Result], recovery: Sequence[Row]) -> None:
    """Replace what stands behind the mark; what people wrote before it stays."""
    before = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    lines = [*_lines(results), *_caught_up(recovery)]
    PAGE.write_text(before + MARK + "\n\n" + "\n".join(lines) + "\n", encoding="utf-8")


def _lines(results: Sequence[Result]) -> Iterator[str]:
    yield "| seed | seconds | faults | requests (times asked) | cases | events | repeats absorbed | SMS |"
    yield "|---|---|---|---|---|---|---|---|"
    for result in results:
        yield (
            f"| {result.seed} | {result.seconds:.0f} | {len(result.faults)} | {result.requests} "
            f"({result.asked}) | {result.cases} | {result.events} | {result.repeats} | {result.messages} |"
        )
    yield ""
    for result in results:
        verdict = "every promise held" if result.passed else f"**{len(result.findings)} findings**"
        yield (
            f"- Seed {result.seed}, {result.rate:g} requests a second: {verdict}; {result.partner_acts} acts "
            f"of partners, {result.clocks_run_out} clocks ran out."
        )
        yield from (f"  - {finding}" for finding in result.findings[:20])
    yield ""
    yield "| fault | struck | held, seconds (least to most) | all in service again, seconds (median, most) |"
    yield "|---|---|---|---|"
    struck: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for result in results:
        for one in result.faults:
            struck[str(one["fault"])].append((float(str(one["lasted"])), float(str(one["recovery"]))))
    for name in FAULTS:
        if times := struck.get(name):
            lasted, back = sorted(t[0] for t in times), sorted(t[1] for t in times)
            yield (
                f"| `{name}` | {len(times)} | {lasted[0]:.1f} to {lasted[-1]:.1f} "
                f"| {back[len(back) // 2]:.1f}, {back[-1]:.1f} |"
            )
    yield ""
    yield "Judged by: " + "; ".join(CHECKS) + "."


def _caught_up(rows: Sequence[Row]) -> Iterator[str]:
    if rows:
        yield ""
        yield "How fast it catches up (`python -m faults recover`):"
        yield ""
        yield "| | measured | aim | met |"
        yield "|---|---|---|---|"
        for row in rows:
            met = "" if row.met is None else "yes" if row.met else "**no**"
            yield f"| {row.what} | {row.value} | {row.aim} | {met} |"
