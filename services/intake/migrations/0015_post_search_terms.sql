-- search_token_terms does for both, and nothing is planned by how common a word is.
drop index search_token_tokens;
drop index search_token_ages;
alter table search_token alter column tokens set statistics default;
