-- By what others' cases against the same side are found: keyed hashes of the respondents' folded names. A case
-- may have several, an accusation none.
create table respondent_trace (
    case_id uuid not null,
    name    bytea not null,
    primary key (name, case_id)
);
create index respondent_trace_case on respondent_trace (case_id);
