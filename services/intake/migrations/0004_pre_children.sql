-- Children of a case: id, kind and query code of each.
alter table intake_case add column children jsonb not null default '[]';

-- Which cases mediation has closed, by the newest of its events that says so: a copy, not a fact of intake's.
create table closing (
    case_id uuid primary key,
    version bigint not null,
    closed  boolean not null
);
