-- Consents as they were given and taken back; reasons to keep a case beyond its period; when a ruling ended it.
alter table intake_case
    add column consents jsonb not null default '[]',
    add column holds    jsonb not null default '[]',
    add column ended_at timestamptz;
-- When mediation closed a case. Where nobody told, periods count from today: late, never early.
alter table closing add column closed_at timestamptz default now();
update intake_case set ended_at = now() where state in ('refused', 'forwarded', 'merged', 'withdrawn');
