"""Read sheets from outside: files of any kind in; lists of parts for spreadsheets, programs, browsers out."""
