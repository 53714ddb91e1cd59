-- Files of a case. The content is an object outside the database, named by `attachment_id`; `sealed` holds the file's name
-- and the key of its content, encrypted with the case's data key. Both go with the content; the row then says what became
-- of it, until the case is erased.
create table attachment (
    attachment_id uuid primary key,
    case_id       uuid not null,
    media         text not null,
    size          integer not null,
    state         text not null check (state in ('quarantined', 'released', 'rejected', 'removed')),
    received_at   timestamptz not null,
    by            text not null,
    sealed        bytea,
    reason        text,
    settled_at    timestamptz,
    next_scan     timestamptz not null default now(),
    check ((sealed is null) = (state in ('rejected', 'removed')))
);
create index attachment_case on attachment (case_id);
create index attachment_unscanned on attachment (next_scan) where state = 'quarantined';

-- Objects that are to be deleted: written with the change that made them unwanted, gone when they are.
create table attachment_gone (
    attachment_id uuid primary key,
    case_id       uuid not null
);
create index attachment_gone_case on attachment_gone (case_id);
