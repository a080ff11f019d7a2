"""Analysis: measurements of why residual learning works, and of what a trained network does."""
