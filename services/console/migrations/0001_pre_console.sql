-- The read model: built from events alone, thrown away and built again at will. It owns no fact of a case and
-- holds codes and dates only.

create table case_view (
    case_id              uuid primary key,
    district             text not null,
    query_code           text not null default '',
    kind                 text,
    category             text,
    urgency              text,
    flags                text[] not null default '{}',
    complained_about_org text,
    registered_at        timestamptz,
    intake_state         text,
    intake_rule          text,
    intake_due_on        date,
    intake_due_at        timestamptz,
    mediation_state      text,
    org_id               text,
    mediation_rule       text,
    mediation_due_on     date,
    mediation_due_at     timestamptz,
    message              text,
    message_state        text,
    message_at           timestamptz,
    -- The last event that each topic told of the case: what is not newer changes nothing.
    intake_version       integer not null default 0,
    routing_version      integer not null default 0,
    mediation_version    integer not null default 0,
    notify_version       integer not null default 0,
    -- The transaction that last changed the row: the live page reads in this order, up to the oldest transaction
    -- that still runs, since commits do not follow clocks (G9).
    tx                   xid8 not null default pg_current_xact_id()
);
create index case_view_order on case_view (tx);
create index case_view_newest on case_view (district, registered_at desc);

create table case_moment (
    case_id uuid not null,
    topic   text not null,
    version integer not null,
    type    text not null,
    at      timestamptz not null,
    detail  json not null,
    primary key (case_id, topic, version)
);

-- Signed-in browsers. The token itself is with the browser alone; here is its SHA-256.
create table session (
    token_hash bytea primary key,
    user_name  text not null,
    opened_at  timestamptz not null,
    seen_at    timestamptz not null
);
create index session_opened on session (opened_at);

-- Wrong passwords in a row, by hash of the name and of the address.
create table sign_in_tries (
    key     bytea primary key,
    count   integer not null,
    last_at timestamptz not null
);
create index sign_in_tries_last on sign_in_tries (last_at);
