"""The paper's tables and figures, and questions of our own, declared as data. `openmov.api.study` runs them.

    study.py       what a study is: entrants, rows, columns, findings
    entrants.py    the entrants that several studies share
    main_tables.py part_tables.py figures.py     the paper's
    beyond.py      our own, of the same trainings
    catalogue.py   their names on the command line
    scale.py       how many clips, epochs and seeds on ShapesAV, and what they cost
    published.py   the paper's number behind a cell
    filled.py      a study with its numbers
    comparing.py   two entrants over the same clips
    page.py        how it is shown

**To add a study**, declare a `Study` beside the others and put it into `catalogue.py`. Its table says, row by row,
which `Entrant` answers, and, column by column, which figure is shown; the plan, the trainings, the measurements and the
pages follow. Entrants whose recipes are equal share their training; `entrants.py` holds those of several studies.

- another training: `Entrant(("mov",), changes=("training.modality_dropout=0.2",))`
- another way to answer from what is trained: a function with a name in `api/study/answers.py`, `Entrant(answer=NAME)`
- other fields of `prediction`: `Entrant(answering=("prediction.beta=0.5",))`
- other videos: an `Arm` with a name of its own in `api/study/world.py`; columns then say `arm=NAME`
- what the paper has no number for: a `Row` without `paper`; what is only quoted: a `Row` without an entrant
- a question that the paper does not ask: a `Study` with `own=True`
"""
