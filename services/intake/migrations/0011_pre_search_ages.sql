-- Rows of search_token lie in the order of their ids, so of their age: an index that names the pages of some days
-- costs a few KiB, and a search need not read the pages of all years for what it finds in the last weeks.
create index search_token_ages on search_token using brin (case_id) with (pages_per_range = 32, autosummarize = on);
