"""The paper's tables and figures and questions of our own as runnable studies; `results` and the demo.

    study.py          what a study is, and the methods that several share
    paper_studies.py  own_studies.py     the declarations; catalogue.py their names on the command line
    data.py           which videos stand for the paper's; world.py and scale.py: ShapesAV in their place
    trainings.py      what has to be trained and measured for a study; plan.py what of it is missing, and for how long
    folders.py        where it lies, under which keys; context.py what goes into a key, and the trainings themselves
    measure.py        evaluations of one method; run.py all of it, from names to pages
    outcome.py        a study with its numbers; fill.py puts them there; differences.py compares two methods
    page.py           how it is shown
    tasks.py          ShapesAV's two tasks as demo.py and results.py train and measure them

**To add a study**, declare a `Study` beside the others and put it into `catalogue.py`. Its table says, row by row,
which `MethodSpec` answers, and, column by column, which metric is shown; the plan, the trainings, the measurements and
the pages follow. Methods whose recipes are equal share their training.

- another training: `MethodSpec(("mov",), changes=("training.modality_dropout=0.2",))`
- another way to answer from what is trained: a function with a name in `measure.ANSWERS`, `MethodSpec(answer=NAME)`
- other fields of `prediction`: `MethodSpec(answering=("prediction.beta=0.5",))`
- other videos: a `Track` with a name of its own in `world.py`; columns then say `track=NAME`
- what the paper has no number for: a `Row` without `paper`; what is only quoted: a `Row` without a method
- a question that the paper does not ask: a `Study` with `own=True`
"""
