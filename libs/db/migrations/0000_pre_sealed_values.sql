-- What is sealed does not get shorter: records of usual size stay in their row as they are, uncompressed.
alter table state_record alter column value set storage external;
alter table state_record set (toast_tuple_target = 8160);
