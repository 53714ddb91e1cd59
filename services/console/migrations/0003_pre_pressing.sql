-- What was missed stays visible until the case moves on, and cases can be listed by what presses most: a missed
-- duty since it was due, else the next open one.
alter table case_view
    add column intake_missed text,
    add column intake_missed_at timestamptz,
    add column mediation_missed text,
    add column mediation_missed_at timestamptz;
alter table case_view add column pressing_at timestamptz generated always as (coalesce(
    least(intake_missed_at, mediation_missed_at), least(intake_due_at, mediation_due_at))) stored;
create index case_view_pressing on case_view (district, pressing_at, case_id) where pressing_at is not null;
create index case_view_pressing_org on case_view (org_id, district, pressing_at, case_id)
    where pressing_at is not null;
create index case_view_pressing_reports on case_view (district, pressing_at, case_id)
    where pressing_at is not null and kind = 'REP';
