"""A double of the Hugging Face hub for tests: `server` speaks its protocol, `repositories` has the layouts of models.

PYTHONPATH=tests python -m hub      runs it alone, and prints what points a shell to it
"""
