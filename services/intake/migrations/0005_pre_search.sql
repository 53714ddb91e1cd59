-- By which words of its narrative a case is found: keyed hashes, the key another in each district (G22). A table
-- of its own, so that a backup may leave it out (`heshi reindex` makes it anew) and a case's row stays short.
create table search_token (
    case_id uuid primary key,
    tokens  integer[] not null
);
create index search_token_tokens on search_token using gin (tokens) with (fastupdate = on);
-- The planner walks from the newest case for a common word and asks the index for a rare one: it must know
-- which are common.
alter table search_token alter column tokens set statistics 500;
