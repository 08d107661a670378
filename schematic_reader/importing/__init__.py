"""Own sheets as rows of the data set's layout: KiCad projects, and pictures with lists of parts."""
