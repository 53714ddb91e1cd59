-- What was said before each amendment (version: the case's after it), sealed as it was in `vault`; never changed.
create table vault_former (
    case_id     uuid not null,
    version     integer not null,
    key_version integer not null,
    applicant   bytea not null,
    story       bytea not null,
    primary key (case_id, version)
);
