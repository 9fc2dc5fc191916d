"""`pulsards check FILE|DIR`: whether files of data are sound, and what is in them. They are changed only with `--fix`."""
