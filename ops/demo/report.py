"""The play as people read it: per case its number, its way, its states, its SMS, and whether all is as it
should be."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from libs.clocks import LOCAL
from ops.demo import samples
from ops.demo.compare import differences
from ops.demo.findings import Findings
from ops.demo.samples import Sample


@dataclass(frozen=True, slots=True)
class Story:
    """A case that was played, what became of it, and why it did not come to its end."""

    sample: Sample
    findings: Findings | None
    trouble: str | None


def tell(console: Console, story: Story) -> bool:
    """Print a case; whether it is as expected."""
    findings = story.findings
    title = f"Case {story.sample.number}"
    console.print()
    console.print(Rule(f"{title} · 编号 {findings.query_code}" if findings else title, align="left"))
    if findings is not None:
        _section(console, "Route 分派", _lines(map(Text, _route(findings))))
        _section(console, "States 状态", _states(findings))
        _section(console, "SMS 短信", _sms(findings))
    faults = list(_faults(story))
    verdict = Text("NOT MET 不符", "bold red") if faults else Text("MET 相符", "bold green")
    _section(console, "Result 结果", _lines([verdict, *map(Text, faults)]))
    return not faults


def sum_up(console: Console, played: int, unmet: Sequence[int], seconds: float) -> None:
    """Print the last line."""
    console.print()
    if unmet:
        told = f"{played - len(unmet)} of {played} cases as expected; not case {', '.join(map(str, unmet))}."
        console.print(Text(told, "bold red"))
    else:
        console.print(Text(f"All {played} cases as expected, in {seconds:.0f} s.", "bold green"))


def _faults(story: Story) -> Iterator[str]:
    if story.trouble is not None:
        yield f"It did not come to its end: {story.trouble}."
    if story.findings is not None:
        for name, wanted, found in differences(samples.expected(story.sample.number), story.findings.values):
            yield f"{name}: expected {wanted}, found {found}"


def _route(findings: Findings) -> Iterator[str]:
    """Every attempt of routing: who got it and why, who came next, who was out for which reasons."""
    for attempt in findings.attempts:
        because, referral = attempt["because"], attempt["referral"] or {}
        goal = attempt["org_id"] or referral.get("org_id") or attempt["reason"]
        yield f"{attempt['attempt']}. {goal} {findings.names.get(goal, '')} ({attempt['state']})"
        yield f"   because 理由: {because['zh']} ({because['en']})"
        ranked = (
            f"{row['rank']} {row['org_id']} (area level {row['area_level']}, load {row['load_ratio']:.2f})"
            for row in attempt["candidates"]
        )
        yield f"   candidates 候选: {', '.join(ranked) or '-'}"
        reasons = Counter(reason for row in attempt["out"] for reason in row["reasons"])
        told = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
        yield f"   out 排除: {len(attempt['out'])} organisations ({told}); rule {attempt['rule_version']}"
        if co := ", ".join(row["org_id"] or row["type"] for row in attempt["co_mediators"]):
            yield f"   co-mediators 协同: {co}"


def _states(findings: Findings) -> Table:
    grid = Table.grid(padding=(0, 2))
    for at, event, state in findings.timeline:
        local = at.astimezone(LOCAL)
        grid.add_row(f"{local:%m-%d %H:%M:%S}.{local.microsecond // 1000:03}", state, Text(event, "dim"))
    return grid


def _sms(findings: Findings) -> Table:
    grid = Table.grid(padding=(0, 2))
    for sms in findings.messages:
        grid.add_row(sms.template, sms.text)
    for message in findings.suppressed:
        grid.add_row(
            Text(message["template"], "dim"),
            Text(f"not sent 未发送 ({message['party']}): {message['reason']}", "dim"),
        )
    return grid


def _lines(lines: Iterable[Text]) -> Table:
    grid = Table.grid()
    for line in lines:
        grid.add_row(line)
    return grid


def _section(console: Console, title: str, content: Table) -> None:
    console.print(Text(title, "bold"))
    console.print(Padding(content, (0, 0, 0, 2), expand=False))
