-- Words of about one month are asked of one index, which then names no case of another: beside its words a case
-- has the first 17 bits of its id, which tell its age in steps of 2^31 ms (24.9 days).
create function search_terms(case_id uuid, tokens integer[]) returns integer[]
language sql immutable strict parallel safe
return tokens || (
    (get_byte(uuid_send(case_id), 0) << 9) + (get_byte(uuid_send(case_id), 1) << 1)
    + (get_byte(uuid_send(case_id), 2) >> 7)
);
create index search_token_terms on search_token using gin (search_terms(case_id, tokens)) with (fastupdate = on);
