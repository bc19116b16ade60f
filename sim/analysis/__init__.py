"""What a run's or a sweep's folder shows, from its files alone: savings with intervals, figures, explanations, reports.

    from sim.analysis.tables import load_run
    from sim.analysis.summary import summarise, table
    print(summarise(load_run("results/quickstart/20261123-210000-abcd")))

What all share lies here (tables, measures, bootstrap, summary; look and page for what is drawn and written); `run/` has
the figures and the report of one run, `sweep/` those of a grid of runs, `explain/` one user's start in words.
"""
