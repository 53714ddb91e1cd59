-- A copy of routing's areas: the words of an address that point to a place. Newest version of each code.
create table area (
    code     text primary key,
    district text not null,
    level    text not null,
    words    text[] not null,
    version  bigint not null
);
