"""Reading sheets from outside: opening files of any kind, and parts lists for a spreadsheet or a browser."""
