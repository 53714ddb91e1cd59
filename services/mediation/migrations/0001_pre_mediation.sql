-- A case: `data` is the aggregate without clocks, tasks and words; the columns are what lists ask by.
create table mediation_case (
    case_id        uuid primary key,
    district       text not null,
    track          text not null,
    state          text not null,
    org_id         text,
    complained_org text,
    data           json not null
) with (fillfactor = 70);
-- Lists go backwards in time: case ids are UUIDv7.
create index mediation_case_newest on mediation_case (district, case_id);
create index mediation_case_state on mediation_case (district, state, case_id);
create index mediation_case_holder on mediation_case (org_id, case_id) where org_id is not null;

-- What persons have to do, in queues.
create table task (
    task_id     uuid primary key,
    case_id     uuid not null,
    district    text not null,
    queue       text not null,
    reason_code text not null,
    created_at  timestamptz not null,
    due_at      timestamptz not null,
    state       text not null check (state in ('open', 'taken', 'done')),
    owner       text
);
create index task_case on task (case_id) where state <> 'done';
create index task_queue on task (district, state, task_id);

-- A case's own key, wrapped by one from outside the database. Without it its words and copies are unreadable.
create table data_key (
    case_id     uuid primary key,
    key_version integer not null,
    wrapped     bytea not null
);

-- Personal: what organisations and parties said in words, sealed; never changed.
create table note (
    note_id     uuid primary key,
    case_id     uuid not null,
    org_id      text,
    kind        text not null,
    about       text,
    at          timestamptz not null,
    words       bytea not null
);
create index note_case on note (case_id, note_id);

-- Personal: the copy of intake's dossier, sealed again; of an erased case its version alone (G12).
create table dossier (
    case_id     uuid primary key,
    version     bigint not null,
    erased      boolean not null,
    contact     bytea,
    story       bytea
);

-- The copy of routing's organisations and of the keys by which their software is known.
create table organisation (
    org_id    text primary key,
    version   bigint not null,
    district  text,
    name      text,
    data_view text
);
create table organisation_key (
    hash   bytea primary key,
    org_id text not null,
    key_id text not null,
    scopes text[] not null
);
create index organisation_key_owner on organisation_key (org_id);

-- The organisations' feed reads events by holder in the order of commits (G9).
create index event_holder on event ((payload ->> 'org_id'), tx, id) where payload ->> 'org_id' is not null;
-- Cursors of an older epoch are void: a restore raises it, since positions may stand for other events then.
create table feed_epoch (epoch integer not null);
insert into feed_epoch values (1);

-- When the worker was last alive, and when it was missing: open offers wait that time (G17).
create table pulse (at timestamptz not null);
create table outage (
    since timestamptz primary key,
    until timestamptz not null
);
