"""Commands: a row of `table.COMMANDS` and a module each; `app.run` runs them."""
