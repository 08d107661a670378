"""One row looked at, duplicates, and the groups that splits keep together."""
