-- What the text of a case that came without a kind suggests: made once by the worker, shown until a person decides.
create table suggested (
    case_id uuid primary key,
    at      timestamptz not null,
    lists   jsonb not null
);
-- The worker looks here every second: the queue of those without a kind is short beside all cases.
create index intake_case_unkinded on intake_case (case_id) where state = 'registered' and kind is null;
