# schema.sql as one C string
s/["\\]/\\&/g
s/.*/"&\\n"/
1i static const char store_schema_sql[] =
$a ;
