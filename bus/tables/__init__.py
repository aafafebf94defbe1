"""Tables that agencies send as files, read row by row and fitted to a contract's schema.

`opening.open_table` reads CSV, TSV, JSON Lines, XLSX, XLS and ODS and says what it assumed;
`binding.bind` joins its columns to the fields of a schema, by a mapping file (`mapping`) or by
name, and gives each row as values for Avro or as every reason why it can't be one.
"""
