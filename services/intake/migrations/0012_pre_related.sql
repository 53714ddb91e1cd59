-- Cases that belong together, noted on both.
alter table intake_case add column related jsonb not null default '[]';
