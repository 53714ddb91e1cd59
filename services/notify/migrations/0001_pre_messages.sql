-- What notify owns: messages with their attempts, replies, stop words, and the copy of how applicants are reached.

-- The codes of a case by which messages are decided, from intake's events (or passed on by mediation's).
create table correspondence (
    case_id           uuid primary key,
    district          text not null,
    facts_version     integer,  -- intake's; 0: passed on by another service; null: no facts yet
    kind              text,
    track             text,
    topic             text,
    lawful_route      text,
    flags             text[] not null,
    query_code        text not null,
    anonymous         boolean not null,
    sms_consent       boolean not null,
    dossier_version   integer not null,
    respondent_agreed boolean not null
) with (fillfactor = 80);

-- The dossier's compartment `contact`: the number sealed again, and a keyed hash to find its cases by. After
-- erasure the row stays without both, so that an older record cannot come back (G12).
create table contact (
    case_id     uuid primary key,
    version     bigint not null,
    erased      boolean not null,
    reachable   boolean not null,
    safe        boolean not null,
    phone       bytea,
    phone_index bytea
);
create index contact_phone on contact (phone_index) where phone_index is not null;

create table message (
    message_id      uuid primary key,
    case_id         uuid not null,
    district        text not null,
    template        text not null,
    party           text not null,
    trigger         text not null,
    trigger_version integer not null,
    "values"        json not null,
    state           text not null check (state in ('planned', 'suppressed', 'deferred', 'sending',
        'indeterminate', 'sent', 'delivered', 'failed', 'expired')),
    reason          text,
    planned_at      timestamptz not null,
    changed_at      timestamptz not null,
    not_before      timestamptz,
    attempts        smallint not null,
    allowed         smallint not null,
    answered_at     timestamptz,
    repeat          smallint not null,
    trace           text
) with (fillfactor = 70);
-- One message per case, template, party and version of the trigger event, whoever plans it; repeats are numbered.
create unique index message_once on message (case_id, template, party, trigger, trigger_version, repeat);
create index message_due on message (not_before)
    where state in ('planned', 'deferred') and not_before is not null;
create index message_waiting on message (case_id)
    where state = 'deferred' and not_before is null;
create index message_unsent on message (planned_at) where state in ('planned', 'deferred');
create index message_silent on message (changed_at) where state in ('sending', 'indeterminate', 'sent');

-- Committed before the provider is called: a crash around the call leaves the row, and so no second call (G19).
create table attempt (
    message_id uuid not null,
    number     smallint not null,
    at         timestamptz not null,
    outcome    text,
    code       text,
    ended_at   timestamptz,
    primary key (message_id, number)
) with (fillfactor = 80);

-- What citizens wrote. Of a number that belongs to no case the number is kept too, so that a person can call.
create table received (
    received_id uuid primary key,
    ref         bytea not null unique,  -- a digest of the provider's number of it: a repeated one is not kept twice
    case_id     uuid,
    at          timestamptz not null,
    meaning     text not null,
    rating      smallint,
    in_reply_to uuid,
    text        bytea,
    phone       bytea
);
create index received_case on received (case_id) where case_id is not null;

-- Numbers, as keyed hashes, whose owners sent the stop word.
create table opt_out (
    phone_index bytea primary key,
    since       timestamptz not null
);
