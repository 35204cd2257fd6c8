"""Do the strategies find better prompts for fewer calls? See `tests.benchmarks.proof.suite`."""
