"""How data outlives the process: codecs of Redis' own formats, without any I/O of their own."""
