"""Read sheets from outside: files of any kind in; a bill of materials for a spreadsheet or a browser out."""
