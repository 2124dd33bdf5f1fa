"""Many predictions -> figures a person can judge.

Scorer, ClipBatches --evaluator--> Evaluation (result) --content--> ReportContent --report--> report.html, report.json

metrics      accuracy, intervals, bootstrap: arrays in, numbers out
result       what one evaluation found, and its JSON
evaluator    runs a Scorer over batches; the only module here that knows torch
content      what a report says: numbers, names and pictures
paper        the figures the paper published
charts, pictures   SVG and PNG
report, comparison   the pages
"""
