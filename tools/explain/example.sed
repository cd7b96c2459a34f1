# an example as a C string
s/["\\]/\\&/g
s/.*/"&\\n"/
