"""Improve the prompt of a language model, and prove it, as a Dagster asset graph.

    cli             `autoprompt`: reads arguments, writes what comes out
    commands/       what it does, a file for each command
    definitions     the Dagster definitions: what `dg` and `dagster` load
    assets, checks  dataset, baseline_score, optimizer_iterations, best_prompt, test_comparison;
                    what is checked of them
    sensors         re-runs an experiment whose dataset has changed
    partitions      experiments and their iterations
    search_session  one experiment's spec, dataset, files and models, bound into its search
    loading         its dataset, as the file stands now
    glances         whether the tables of all experiments may have changed, without reading them
    configuration   the resources of a run, as environment and command line say
    metadata, report_input, progress
                    what people see: on an asset's page, in the report, while a run goes on
    frames, frame_rows
                    what a search found as pandas data frames: `autoprompt_assets.results`
    failures, interrupts, outputs
                    what a user can mend, in plain words; Ctrl-C and SIGTERM; where lines go
    engine/         the search itself; its page says what is where
    resources/      the outside: files and endpoints (the folder stands beside this package in
                    the repository; a link here leads to it)
    experiments/    the shipped experiments
    docs/           pages that README leads to

What a grader or a strategy of your own imports: `engine.grading` and `engine.optimizers`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
