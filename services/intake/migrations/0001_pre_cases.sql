-- A case: the codes that events carry are one document, `facts`; the columns that lists ask by are made of it,
-- so that no code stands in two places.
create table intake_case (
    case_id       uuid primary key,
    district      text not null,
    state         text not null,
    facts         jsonb not null,
    said_urgency  text not null,
    reminders     integer not null,
    reason_code   text,
    directed_to   text,
    merged_into   uuid,
    happened_on   date,
    warnings      jsonb not null,
    twins         jsonb not null,
    credential    text,
    external_ref  text,
    kind          text generated always as (facts ->> 'kind') stored,
    category      text generated always as (facts ->> 'category') stored,
    grid          text generated always as (facts ->> 'grid') stored,
    query_code    text generated always as (facts ->> 'query_code') stored
);
create unique index intake_case_query_code on intake_case (query_code);
-- The caller's own number, unique per credential for ever.
create unique index intake_case_origin on intake_case (credential, external_ref) where external_ref is not null;
-- Lists go backwards in time: case ids are UUIDv7.
create index intake_case_newest on intake_case (district, case_id);
create index intake_case_state on intake_case (district, state, case_id);
create index intake_case_grid on intake_case (district, grid text_pattern_ops, case_id);
create index intake_case_flags on intake_case using gin ((facts -> 'flags'));
-- The triage queue is short; it has its own index so that it stays quick beside millions of finished cases.
create index intake_case_triage on intake_case (district, case_id) where state = 'registered' or grid is null;

-- What was said of people, sealed with the case's data key; the key is wrapped by one outside the database.
create table vault (
    case_id     uuid primary key,
    district    text not null,
    key_version integer not null,
    data_key    bytea not null,
    applicant   bytea not null,
    story       bytea not null
);

-- By what a case is found when its applicant calls again: keyed hashes of the whole number and its last four.
create table phone_trace (
    case_id   uuid primary key,
    whole     bytea not null,
    last_four bytea not null
);
create index phone_trace_whole on phone_trace (whole, case_id);
create index phone_trace_last_four on phone_trace (last_four, case_id);

-- Free texts that acts left (reasons, reminders, purposes), sealed with the case's data key; never changed.
create table note (
    note_id uuid primary key,
    case_id uuid not null,
    act     text not null,
    at      timestamptz not null,
    by      text not null,
    text    bytea not null
);
create index note_case on note (case_id, note_id);
