//! Algorithms of the builtins that need no evaluator.
