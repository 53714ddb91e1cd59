"""The command `heshi`. Each command is a few lines here; the work is done in the module that it names."""

import asyncio
import json
import logging
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import typer

from libs.web import fieldtexts
from libs.web.errors import Refusal
from ops.stack.errors import StackError

app = typer.Typer(
    help="Heshi (和事) on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command; what a person can mend is one sentence and exit code 1, never a traceback."""
    logging.basicConfig(handlers=[logging.NullHandler()])  # a driver's own words say nothing that ours do not
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # progress shows when it is piped too
    try:
        app()
    except StackError as error:
        sys.exit(f"heshi: {error}")
    except Refusal as refusal:
        sys.exit(f"heshi: {refusal.title.en}. {fieldtexts.worded(refusal.detail, 'en')}".rstrip())


def names(text: str) -> list[str]:
    """`a,b` as a list."""
    return [name.strip() for name in text.split(",") if name.strip()]


@app.command()
def up(
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when all is ready and leave it running.")
    ] = False,
    only: Annotated[str, typer.Option(help="Start these parts alone, as in postgres,kafka.")] = "",
    without: Annotated[str, typer.Option(help="Leave these parts out.")] = "",
    demo_data: Annotated[bool, typer.Option(help="Begin with the sample district's data.")] = True,
    welcome: Annotated[bool, typer.Option(hidden=True)] = True,
) -> None:
    """Start the stack and keep it running until Ctrl-C."""
    from ops.stack import run

    if detach:
        run.detached(names(only), names(without), demo_data=demo_data)
    else:
        run.foreground(names(only), names(without), demo_data=demo_data, greet=welcome)


@app.command()
def down() -> None:
    """Stop the stack that runs from HESHI_HOME; nothing is lost."""
    from ops.stack import run

    run.stop()


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Health, lag, outbox age, parked, dead letters, overdue; exit code 1 unless all parts are ready."""
    from ops import status

    sys.exit(status.show(as_json=as_json))


@app.command()
def token(
    role: Annotated[str, typer.Option(help="A role of data/roles.json in lower case.")],
    user: Annotated[str | None, typer.Option(help="Whose name the token bears.")] = None,
    district: Annotated[str, typer.Option(help="Six digits.")] = "990101",
    ttl: Annotated[str, typer.Option(help="How long it lives, as in 30s, 5m or 12h.")] = "5m",
) -> None:
    """Print a staff token for scripts; it needs the local signing key."""
    from ops import tokens

    print(tokens.issue(role, user, district, tokens.duration(ttl)))


@app.command()
def keys() -> None:
    """Make the keys and the first accounts that HESHI_HOME lacks; print the sign-in names on first use."""
    import os

    from ops.stack.home import Home
    from ops.stack.keys import ensure_accounts, ensure_keys

    home = Home.from_environment()
    ensure_keys(home, os.environ.get("HESHI_MODE", "demo"))
    if not home.accounts.exists():
        for name, password in ensure_accounts(home).items():
            print(f"{name:<11} {password}")


topics = typer.Typer(help="The topics that topics.yaml declares.", no_args_is_help=True)
app.add_typer(topics, name="topics")


@topics.command("apply")
def topics_apply() -> None:
    """Create the missing topics and check the others."""
    from ops.installation import Installation
    from ops.stack.prepare import apply_topics

    created = asyncio.run(apply_topics(Installation.current().kafka))
    print("\n".join(created) if created else "All topics are there.")


@app.command()
def migrate(
    phase: Annotated[
        Literal["pre", "post", "all"], typer.Option(help="Before or after the new code rolls out.")
    ] = "all",
    service: Annotated[list[str] | None, typer.Option(help="This service alone.")] = None,
) -> None:
    """Make missing databases and apply missing migrations, under a lock."""
    from ops.installation import Installation
    from ops.stack.parts import SERVICES
    from ops.stack.prepare import migrate_services

    applied = migrate_services(Installation.current().postgres, service or SERVICES, phase)
    for name, migrations in applied.items():
        print(f"{name:<11} {', '.join(migrations) or 'up to date'}")


letters = typer.Typer(help="What could not be handled. Names are as in routing:12.", no_args_is_help=True)
app.add_typer(letters, name="deadletters")

Why = Annotated[str, typer.Option("--reason", help="Why; it is kept with the letter.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without, it is only tried.")]


@letters.command("list")
def letters_list(
    service: Annotated[list[str] | None, typer.Option(help="This service alone.")] = None,
) -> None:
    """Letters that wait for a person."""
    from ops import deadletters

    print("\n".join(deadletters.listing(service or [])) or "There are none.")


@letters.command("show")
def letters_show(name: str) -> None:
    """One letter with its headers; never what it says."""
    from ops import deadletters

    print(deadletters.show(name))


@letters.command("replay")
def letters_replay(name: str, why: Why, yes: Yes = False) -> None:
    """Put the event back at its place in its case's order."""
    from ops import deadletters

    print(deadletters.settle("replay", name, why, really=yes))


@letters.command("waive")
def letters_waive(name: str, why: Why, yes: Yes = False) -> None:
    """Give the event up for good."""
    from ops import deadletters

    print(deadletters.settle("waive", name, why, really=yes))


audit = typer.Typer(help="The hash chains of who did what.", no_args_is_help=True)
app.add_typer(audit, name="audit")


@audit.command("verify")
def audit_verify(
    service: Annotated[list[str] | None, typer.Option(help="This service alone.")] = None,
) -> None:
    """Check every chain against its published heads; exit code 1 and each place when one does not hold."""
    from ops import chains

    found = chains.verify_all(service or [])
    for owner, place in found.places:
        print(f"{owner}: chain {place.chain}, entry {place.seq}: {place.kind}")
    print(
        f"{found.rows} entries, {found.heads} published heads, {len(found.places)} places that do not hold."
    )
    sys.exit(1 if found.places else 0)


@audit.command("case")
def audit_case(case_id: UUID) -> None:
    """Who did what to a case and who read it, in all services, in the order of time."""
    from ops import chains

    for row in chains.of_case(case_id):
        detail = " ".join(f"{name}={value}" for name, value in row.detail.items())
        print(f"{row.at:%Y-%m-%d %H:%M:%S} {row.service} {row.actor} {row.action} {detail}".rstrip())


@app.command()
def republish(
    service: Annotated[str, typer.Option(help="Whose events.")],
    since: Annotated[datetime | None, typer.Option(help="Events from then on (UTC).")] = None,
    case: Annotated[UUID | None, typer.Option(help="Events of this case alone.")] = None,
) -> None:
    """Send stored events again, under their ids: readers that have them do nothing."""
    from ops import chains

    print(f"{chains.republish(service, since, case)} records go out again.")


District = Annotated[str, typer.Option(help="The district that it is about.")]
Role = Annotated[str, typer.Option(help="As whom; of an accusation it is sealed_officer.")]


@app.command()
def erase(
    case_id: UUID,
    reason: Annotated[str, typer.Option(help="A code of reasons.json, `erased`.")],
    role: Role = "supervisor",
    district: District = "990101",
    yes: Yes = False,
) -> None:
    """Erase what is known of people in a finished case, in every service. It cannot be undone."""
    from ops import persons

    if not yes:
        sys.exit(f"heshi: nothing was done; --yes erases case {case_id} for good.")
    left = asyncio.run(persons.erase(case_id, reason, role, district, print))
    for service, tables in left.items():
        held = ", ".join(f"{rows} rows of {name}" for name, rows in tables.items() if rows)
        print(f"{service} still holds {held}" if held else f"{service} has not heard of it yet")
    if left:
        sys.exit("heshi: it goes on by itself once the services run; ask again by the same command.")
    print("Erased everywhere; the broker's log drops the dossier within a day.")


@app.command("export-person")
def export_person(
    phone: Annotated[str, typer.Option(prompt=True, hide_input=True, help="The whole number.")],
    purpose: Annotated[str, typer.Option(help="What the file is for; it stays with the audit record.")],
    to: Annotated[Path, typer.Option(help="A file that only you may read; an existing one is refused.")],
    role: Role = "supervisor",
    district: District = "990101",
) -> None:
    """Write all that is kept of a person into a file, as JSON. Without --phone the number is asked for.

    It holds the cases whose applicant has this number now, not those of a guardian or of a former number.
    """
    from ops import persons

    with persons.private(to) as file:
        told = asyncio.run(persons.file_of(phone, purpose, role, district))
        json.dump(told, file, ensure_ascii=False, indent=1)
    print(f"{len(told['cases'])} cases in {to}.")


@app.command()
def reindex() -> None:
    """Make anew what cases are found by: words of the narrative, respondents. Intake goes on meanwhile.

    After an upgrade that brings it, a restore without it, a change of data/search.json, a new key `search`.
    """
    from ops import reindex

    print(f"{reindex.reindex()} cases can be found by text and respondent.")


org = typer.Typer(help="Partner organisations.", no_args_is_help=True)
key = typer.Typer(help="API keys of a partner's software.", no_args_is_help=True)
app.add_typer(org, name="org")
org.add_typer(key, name="key")


@key.command("issue")
def key_issue(
    org_id: str,
    scope: Annotated[
        list[str] | None, typer.Option(help="What it may do; without, all a partner may.")
    ] = None,
    district: District = "990101",
) -> None:
    """Print a new key, once; returns when mediation and notify have it. Its id goes to standard error."""
    from ops import orgkeys

    key_id, secret = asyncio.run(orgkeys.issue(org_id, scope or [], district))
    print(secret)
    print(f"Key {key_id} of {org_id}; `heshi org key revoke {key_id}` takes it back.", file=sys.stderr)
    tell_who_waits(asyncio.run(orgkeys.those_without(org_id)))


@key.command("revoke")
def key_revoke(key_id: str, district: District = "990101") -> None:
    """Take a key back; returns when mediation and notify let nobody in by it."""
    from ops import orgkeys

    org_id = asyncio.run(orgkeys.revoke(key_id, district))
    print(f"Key {key_id} of {org_id} is revoked.", file=sys.stderr)
    tell_who_waits(asyncio.run(orgkeys.those_without(org_id)))


def tell_who_waits(without: list[str]) -> None:
    """Exit code 1 when a service does not have the change yet."""
    if without:
        sys.exit(f"heshi: {', '.join(without)} has it not yet, and gets it once it runs: see `heshi status`.")


channel = typer.Typer(help="Portals: other systems that register matters.", no_args_is_help=True)
channel_key = typer.Typer(help="API keys of a portal.", no_args_is_help=True)
app.add_typer(channel, name="channel")
channel.add_typer(channel_key, name="key")


@channel_key.command("issue")
def channel_key_issue(
    name: str,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="read, web, grid, api, verified-phones; without, all but the last."),
    ] = None,
    expires: Annotated[str | None, typer.Option(help="For how long it is good, as in 2160h.")] = None,
    district: District = "990101",
) -> None:
    """Print a new key, once; it opens intake's doors from now on. Its id goes to standard error."""
    from ops import channelkeys, tokens

    lifetime = tokens.duration(expires) if expires else None
    key_id, secret = asyncio.run(channelkeys.issue(name, scope or [], lifetime, district))
    print(secret)
    print(f"Key {key_id} of {name}; `heshi channel key revoke {key_id}` takes it back.", file=sys.stderr)


@channel_key.command("list")
def channel_key_list(district: District = "990101") -> None:
    """Every key: id, how it begins, what it may do, whether it is live, when it was used last."""
    from ops import channelkeys

    rows = asyncio.run(channelkeys.listed(district))
    print("\n".join(map(channelkeys.in_words, rows)) or "There are none.")


@channel_key.command("revoke")
def channel_key_revoke(key_id: str, district: District = "990101") -> None:
    """Take a key back; within two seconds it opens nothing any more."""
    from ops import channelkeys

    name = asyncio.run(channelkeys.revoke(key_id, district))
    print(f"Key {key_id} of {name} is revoked.", file=sys.stderr)
