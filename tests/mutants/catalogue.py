"""The mechanisms that are taken out, what stands in their place, and the tests that must notice."""

from dataclasses import dataclass

BATCH, RELAY, READER = "libs/db/batch.py", "libs/messaging/relay.py", "libs/messaging/reader.py"
CRASH, RACES = "tests/faults/test_crash_points.py", "tests/integration/test_races.py"
SMS, MATRIX = "tests/faults/test_sms_crash.py", "tests/faults/test_matrix.py"
CHAIN, MEDIATION = "tests/integration/test_chain.py", "tests/component/test_mediation_cases.py"


@dataclass(frozen=True)
class Replacement:
    """`old` must stand in the file exactly once."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """A mechanism, what takes its place, and the tests that must not pass without it."""

    mechanism: str
    instead: str
    replacements: tuple[Replacement, ...]
    tests: tuple[str, ...]


PUBLISHING = """\
            await self._publish(states)  # acknowledged before the events that may need them (G8)
            await self._publish([row for row in rows if row["kind"] != "state"])
"""
DELETING = """\
            await tx.execute("delete from outbox where id = any($1)", [row["id"] for row in rows])
"""

MUTANTS = (
    Mutant(
        "inbox",
        "every delivery counts as the first",
        (Replacement(BATCH, "            if name not in fresh:\n", "            if name is None:\n"),),
        (
            f"{CHAIN}::test_g7_a_second_delivery_changes_nothing",
            f"{CRASH}::test_killed_after_publish_before_the_pointer_is_deleted",
            f"{MATRIX}::test_rows_20_31_32_repeats_a_burst_and_a_hot_case",
        ),
    ),
    Mutant(
        "bucket lock",
        "relays share the pointers by row locks (SKIP LOCKED)",
        (
            Replacement(RELAY, "where pg_try_advisory_xact_lock($2, b)", "where $2::int is not null"),
            Replacement(RELAY, "order by id limit $2) o", "order by id limit $2 for update skip locked) o"),
        ),
        (
            f"{CRASH}::test_a_relay_that_stalls_and_wakes_late_breaks_no_order",
            f"{MATRIX}::test_rows_4_25_frozen_in_mid_batch_or_without_a_processor",
        ),
    ),
    Mutant(
        "outbox",
        "a pointer is deleted before the broker has its record",
        (
            Replacement(
                RELAY,
                PUBLISHING + DELETING,
                DELETING + PUBLISHING.replace("    " * 3, "    " * 2),
            ),
        ),
        (
            f"{CRASH}::test_killed_after_commit_before_publish",
            f"{CHAIN}::test_the_relay_waits_out_a_broker_that_is_away",
            f"{MATRIX}::test_rows_1_3_5_killed_at_every_point[relay-deadlines]",
        ),
    ),
    Mutant(
        "lock order",
        "case heads and inbox rows are written in the order in which works came",
        (
            Replacement(BATCH, "sorted(self._deciding.slots.items())", "list(self._deciding.slots.items())"),
            Replacement(BATCH, "$3::int[]) order by 1\n", "$3::int[])\n"),
            Replacement(
                BATCH,
                "sorted({name for *_, name in events})",
                "list(dict.fromkeys(name for *_, name in events))",
            ),
            Replacement(BATCH, "            order by 1, 2\n", ""),
        ),
        (
            f"{RACES}::test_g1_new_cases_are_locked_in_one_order",
            f"{RACES}::test_g1_inbox_rows_are_locked_in_one_order",
        ),
    ),
    Mutant(
        "offsets in the transaction",
        "where to read on is left to Kafka's own commit",
        (
            Replacement(BATCH, "            await store_offsets(tx, self._offsets)\n", "            pass\n"),
            Replacement(READER, "                    consumer.seek(tp, known.get(name, 0))\n", ""),
        ),
        (
            f"{CHAIN}::test_g10_a_consumer_reads_on_from_where_its_database_is",
            f"{CRASH}::test_killed_in_the_middle_of_a_topic",
        ),
    ),
    Mutant(
        "attempt row",
        "what a call is about to send is not written before the call",
        (
            Replacement(
                "services/notify/store/cases.py",
                "            if before is None or before.messages.get(message.id) is not message\n",
                "            if (before is None or before.messages.get(message.id) is not message)\n"
                "            and message.state != 'sending'\n",
            ),
        ),
        (
            f"{SMS}::test_g19_killed_in_the_middle_of_a_call_it_never_sends_again",
            f"{MATRIX}::test_rows_1_3_5_killed_at_every_point[provider]",
        ),
    ),
    Mutant(
        "explicit commit",
        "where to read on is stored before the batch is done, as by the driver's own commits",
        (
            Replacement(
                READER,
                "                    await self.handle(batch, offsets)\n",
                "                    async with self.database.transaction() as tx:\n"
                "                        await store_offsets(tx, offsets)\n"
                "                    await self.handle(batch, offsets)\n",
            ),
            Replacement(READER, "import Offset\n", "import Offset, store_offsets\n"),
        ),
        (f"{MATRIX}::test_rows_1_3_5_killed_at_every_point[consumer-copy]",),
    ),
    Mutant(
        "watchdog of a client",
        "a client that returns nothing is waited for without end",
        (Replacement(READER, "                if patience <= 0:\n", "                if False:\n"),),
        (f"{MATRIX}::test_row_6_members_come_and_go_and_a_client_is_stuck",),
    ),
    Mutant(
        "command timeout",
        "an answer of PostgreSQL is waited for without end",
        (
            Replacement(
                "libs/db/pool.py",
                "            command_timeout=command_timeout,\n            timeout",
                "            timeout",
            ),
        ),
        (f"{MATRIX}::test_rows_11_14_postgres_is_silent",),
    ),
    Mutant(
        "parking",
        "an event that cannot be handled now is passed over",
        (
            Replacement(
                "libs/db/deciding.py",
                "            self.writes.failures.append(failure)\n",
                "            del failure\n",
            ),
        ),
        (
            f"{CHAIN}::test_a_failing_event_parks_its_case_in_order_and_no_other",
            f"{MATRIX}::test_rows_10_12_13_postgres_stops_throws_everybody_out_and_is_locked",
        ),
    ),
    Mutant(
        "version check",
        "a case that another writer made or moved meanwhile is overwritten",
        (
            Replacement(BATCH, "            if written != len(new):\n                raise Conflict\n", ""),
            Replacement(BATCH, "            if written != len(old):\n                raise Conflict\n", ""),
        ),
        (f"{RACES}::test_two_that_create_one_case_at_once_both_count",),
    ),
    Mutant(
        "version guard of a compacted copy",
        "whichever dossier comes last is kept",
        (
            Replacement(
                "services/mediation/store/copies.py",
                "where not dossier.erased and dossier.version < excluded.version",
                "where not dossier.erased",
            ),
        ),
        (f"{MEDIATION}::test_an_older_dossier_does_not_overwrite_and_an_erased_one_stays_away",),
    ),
)
