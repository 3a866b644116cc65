"""The benchmark: the same work by prs and by others, interleaved in one run. Start it with `make bench`.

Read `__main__` first: it makes the inputs, goes through workloads, rounds and tools, and writes JSON, a table and a picture.

    contenders/     what runs in the environments of the others, standard library plus the tool itself: `work` is the run()
                    of every workload, the same for all; `driver` is a tool's process; then one adapter for each tool
    entry_scripts/  the same run()s for us
    workloads/      W1 to W8: sizes, input, one round of ours, one round of a peer, check of the output
    figures         what is measured, in words and units; `targets` what it should be
    samples, table, picture    pure: medians and ratios, Markdown, SVG

Ours is the real programs in a folder of their own: prsd, prs-agent with two workers, prsctl; everything durable. It is timed
from submission to Completed by the daemon's clock and, where the peers' workers are warm, also from the moment when the
first worker is ready. Peers are timed from the first call of a warm pool of two workers to the last result at the caller.

CPU time is that of a tool's whole process tree: this process is the reaper of all orphans below it, so what all living
descendants have used plus what all dead ones had used grows by exactly what the one tool that is alive uses.
"""
