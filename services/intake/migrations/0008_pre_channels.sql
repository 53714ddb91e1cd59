-- By which portal a case came; null where staff entered it. A portal's lists hold its own cases alone.
alter table intake_case add column portal text;
create index intake_case_portal on intake_case (portal, case_id) where portal is not null;

-- Keys of portals, by the SHA-256 of each. `last_used_at` is right to a minute. Rows stay when a key is revoked:
-- the audit log names keys by their id.
create table channel_key (
    key_id       text primary key,
    channel      text not null,
    district     text not null,
    hash         bytea not null unique,
    shown        text not null,
    scopes       text[] not null,
    issued_at    timestamptz not null,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);
create index channel_key_order on channel_key (district, channel, key_id);

-- Who saw what of a case, page by page in the order of time.
create index audit_case_time on audit (case_id, at, chain, seq) where case_id is not null;
drop index audit_case;
