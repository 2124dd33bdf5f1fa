"""Runs the studies that `openmov.studies` declares.

    names, data --plan--> trainings and measurements, each by the hash of all that decides it
         --trainings--> WORK/trainings     --measurements--> WORK/measurements
         --fill--> tables, curves, changes --write--> OUT/table1.html, .md, .json ...

`layout` knows where things lie and what their keys are made of; `stage` which videos stand for the paper's; `answers`
how an entrant's embeddings become answers. A key holds the recipe, the code, the data and the backbone: what was made
under another key is never used, so a study that is resumed after a change does anew what the change touches.
"""
