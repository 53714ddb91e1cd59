-- The board's newest rows for each kind of reader, straight from an index: whole districts, one organisation's
-- cases, reports alone. Without them a partner's page reads a district's whole past for a handful of rows.
create index case_view_board on case_view (district, registered_at desc, case_id);
create index case_view_board_org on case_view (org_id, district, registered_at desc, case_id);
create index case_view_board_reports on case_view (district, registered_at desc, case_id) where kind = 'REP';
drop index case_view_newest;
