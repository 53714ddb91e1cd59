-- The tables of the shared mechanisms, the same in every service's database.

-- One row per case of this service: the lock that every writer takes first, and the number of its events (G1, G6).
create table case_head (
    case_id  uuid primary key,
    district text not null,
    version  integer not null
) with (fillfactor = 80);

-- Every event for ever: the service's timeline and the partners' feed (G7). Read in the order (tx, id) up to the
-- oldest running transaction, since identity values do not follow commits (G9).
create table event (
    id             bigint generated always as identity,
    tx             xid8 not null default pg_current_xact_id(),
    event_id       uuid not null,
    case_id        uuid not null,
    district       text not null,
    topic          text not null,
    type           text not null,
    schema_version smallint not null,
    version        integer not null,
    occurred_at    timestamptz not null,
    causation_id   uuid,
    correlation_id uuid not null,
    traceparent    text,
    payload        json not null,
    primary key (event_id, occurred_at)
) partition by range (occurred_at);
create index event_case on event (case_id, version);
create index event_order on event (tx, id);
create table event_other partition of event default;

create function event_partition(month date) returns void language plpgsql as $$
declare
    name text := 'event_' || to_char(month, 'YYYYMM');
    start timestamptz := (date_trunc('month', month)::timestamp) at time zone 'UTC';
    stop timestamptz := ((date_trunc('month', month) + interval '1 month')::timestamp) at time zone 'UTC';
begin
    if to_regclass(name) is null
       and not exists (select from event_other where occurred_at >= start and occurred_at < stop) then
        execute format('create table %I partition of event for values from (%L) to (%L)', name, start, stop);
    end if;
end $$;
do $$ begin
    perform event_partition((date_trunc('month', now()) + make_interval(months => n))::date)
    from generate_series(0, 2) n;
end $$;

-- Pointers to what is not yet published; deleted when the broker has it.
create table outbox (
    id          bigint generated always as identity primary key,
    bucket      smallint not null,
    kind        text not null check (kind in ('event', 'state', 'dead')),
    event_id    uuid,
    occurred_at timestamptz,
    topic       text,
    key         text,
    dead_id     bigint,
    created_at  timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
create index outbox_bucket on outbox (bucket, id);

-- The current record of each key of the compacted topics that this service owns (G12); value null: a tombstone.
create table state_record (
    topic      text not null,
    key        text not null,
    version    bigint not null,
    value      bytea,
    headers    json not null,
    changed_at timestamptz not null default now(),
    primary key (topic, key)
);

create table inbox (
    consumer text not null,
    event_id uuid not null,
    status   text not null check (status in ('done', 'parked', 'dead')),
    at       timestamptz not null default now(),
    primary key (consumer, event_id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
create index inbox_at on inbox using brin (at);

-- Where each consumer reads on, written with the effects of what it read (G10); as_of: when it last stood at the end.
create table consumer_offset (
    consumer    text not null,
    topic       text not null,
    partition   integer not null,
    next_offset bigint not null,
    as_of       timestamptz,
    primary key (consumer, topic, partition)
);

-- HMACs of key and body, and the first answer without personal fields (G4).
create table idempotency (
    scope      bytea primary key,
    body       bytea not null,
    status     smallint not null,
    answer     json,
    version    integer not null,
    location   text,
    created_at timestamptz not null default now()
);
create index idempotency_created on idempotency using brin (created_at);

create table deadline (
    case_id     uuid not null,
    rule        text not null,
    district    text not null,
    due_at      timestamptz not null,
    due_on      date,
    warn_at     timestamptz,
    provisional boolean not null,
    started_at  timestamptz not null,
    status      text not null check (status in ('open', 'met', 'missed', 'ended')),
    warned      boolean not null,
    working     json not null,
    primary key (case_id, rule)
);
create index deadline_due on deadline (due_at) where status = 'open';
create index deadline_warn on deadline (warn_at) where status = 'open' and not warned;

-- Events that could not be handled yet, in order per case; all later ones of the case wait behind them.
create table parked (
    id              bigint generated always as identity primary key,
    consumer        text not null,
    case_id         uuid not null,
    event_id        uuid not null,
    topic           text not null,
    partition       integer not null,
    "offset"        bigint not null,
    key             bytea,
    value           bytea,
    headers         json not null,
    attempts        integer not null,
    next_at         timestamptz not null,
    first_failed_at timestamptz not null default now(),
    error_type      text not null,
    error           text not null
);
create index parked_case on parked (consumer, case_id, "offset");
create index parked_next on parked (next_at);

create table dead_letter (
    id              bigint generated always as identity primary key,
    consumer        text not null,
    case_id         uuid,
    event_id        uuid not null,
    version         integer,
    topic           text not null,
    partition       integer not null,
    "offset"        bigint not null,
    key             bytea,
    value           bytea,
    headers         json not null,
    attempts        integer not null,
    first_failed_at timestamptz not null,
    dead_at         timestamptz not null default now(),
    error_type      text not null,
    error           text not null,
    status          text not null default 'dead' check (status in ('dead', 'replayed', 'waived')),
    settled_at      timestamptz,
    settled_by      text,
    settled_why     text
);
create index dead_letter_case on dead_letter (consumer, case_id) where status = 'dead';

-- Who did what, in 16 hash chains: a writer takes any free head, so they do not wait for each other.
create table audit (
    chain   smallint not null,
    seq     bigint not null,
    at      timestamptz not null,
    actor   text not null,
    action  text not null,
    case_id uuid,
    detail  json not null,
    prev    bytea not null,
    hash    bytea not null,
    primary key (chain, seq)
);
create index audit_case on audit (case_id) where case_id is not null;
create table audit_head (
    chain smallint primary key,
    seq   bigint not null,
    hash  bytea not null
);
insert into audit_head select n, 0, decode(repeat('00', 32), 'hex') from generate_series(0, 15) n;
