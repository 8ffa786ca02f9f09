"""The tables of the papers that sklssl implements, run again."""
