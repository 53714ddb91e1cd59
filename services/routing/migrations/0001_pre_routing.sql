-- Routing's own facts: organisations, areas, loads, cases with their attempts, and the needs of citizens.

create table organisation (
    org_id   text primary key,
    district text not null,
    version  integer not null,
    profile  json not null,
    keys     json not null  -- every key ever issued: its hash, never the key
);
create index organisation_district on organisation (district, org_id);

-- What an organisation carries: reserved with a proposal, given back with the case's end (G5). The day's offers
-- are those of the local day `day`.
create table org_load (
    org_id  text primary key references organisation,
    open    integer not null default 0 check (open >= 0),
    day     date,
    new     integer not null default 0,
    last_at timestamptz
) with (fillfactor = 50);

create table area (
    code     text primary key,
    district text not null,
    version  integer not null,
    profile  json not null
);
create index area_district on area (district, code);

-- One row per district: the lock and the ETag of its tree.
create table area_tree (
    district text primary key,
    version  integer not null
);

create table routing_case (
    case_id       uuid primary key,
    district      text not null,
    status        text not null,
    facts         json,
    needs_version bigint not null  -- the dossier that a choice depends on; 0: none
) with (fillfactor = 80);
create index routing_case_waiting on routing_case (case_id) where status = 'waiting_needs';

-- Every attempt with all that it rests on. `note` is a person's free text, sealed under a key of its own.
create table assignment (
    case_id       uuid not null,
    number        integer not null,
    assignment_id uuid not null,
    at            timestamptz not null,
    result        text not null,
    org_id        text,
    org_type      text,
    target_type   text,
    reason        text,
    because       text not null,
    referral_type text,
    referral_org  text,
    rule_version  text not null,
    candidates    json not null,
    "out"         json not null,
    co_mediators  json not null,
    by_person     text,
    note          bytea,
    note_key      bytea,
    note_key_version integer,
    primary key (case_id, number)
);

-- Routing's copy of the dossier's compartment `needs`, sealed again under a key of the case. After erasure the
-- row stays without content, so that an older record cannot come back (G12).
create table needs (
    case_id     uuid primary key,
    version     bigint not null,
    erased      boolean not null,
    sealed      bytea,
    data_key    bytea,
    key_version integer
);
