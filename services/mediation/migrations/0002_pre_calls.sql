-- A call that stands in for a message names it (template, party, id); a task that was done has a result.
alter table task add column about jsonb not null default '{}';
alter table task add column result text;

-- What persons do with a task is decided on all tasks of its case.
drop index task_case;
create index task_case on task (case_id);
