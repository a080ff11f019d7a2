"""Commands: one module each, with `define_flags()` and `main(argv)`; `app.run` runs them."""
