-- Files with many matters at once. The row stays for ever, so that a file that comes again doubles nothing: it holds
-- keyed hashes, counts and codes. `data_key` seals the file's parts and what is kept of its faulty rows; it goes
-- with them.
create table import (
    import_id    uuid primary key,
    credential   text not null,
    actor        jsonb not null,
    content      bytea not null,
    form         text not null check (form in ('csv', 'xlsx')),
    received_at  timestamptz not null,
    trace        text,
    key_version  integer not null,
    data_key     bytea,
    state        text not null check (state in ('received', 'checking', 'taking', 'done', 'unreadable')),
    headings     text[] not null default '{}',
    rows         integer,
    checked      integer not null default 0,
    taken        integer not null default 0,
    refused      integer not null default 0,
    upto         integer not null default 0,
    problem      jsonb,
    finished_at  timestamptz,
    leased_by    uuid,
    leased_until timestamptz
);
create unique index import_content on import (credential, content) where state <> 'unreadable';
create index import_open on import (received_at) where state in ('received', 'checking', 'taking');
create index import_kept on import (finished_at) where data_key is not null;

-- A file as it came, in sealed parts, until its rows are taken.
create table import_part (
    import_id uuid not null,
    number    integer not null,
    content   bytea not null,
    at        timestamptz not null default now(),
    primary key (import_id, number)
);

-- Rows that were not taken: why, and their cells, sealed, until the error file is fetched or its time is over.
create table import_fault (
    import_id uuid not null,
    number    integer not null,
    faults    jsonb not null,
    content   bytea not null,
    primary key (import_id, number)
);
