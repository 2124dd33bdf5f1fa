"""The entrants that several studies share, so that they are trained once."""

from openmov.studies.study import Entrant

CLIP = Entrant(("mov",), answer="frozen")
"""The frozen backbone: it is read off MOV's pass over the clips, before anything trained."""
MOV = Entrant(("mov",))
"""With the paper's beta and temperatures."""
MOV_CALIBRATED = Entrant(("mov",), answer="calibrated")
"""With beta and tau_v chosen on held-out base classes."""
LARGER_CLIP = Entrant(("mov",), answer="frozen", backbone="larger")
"""The frozen larger backbone."""
LARGER_MOV = Entrant(("mov",), backbone="larger")
"""MOV on the larger backbone."""
EXTRA_ONLY = Entrant(("{extra}_only",))
"""Flow or sound alone, its encoder fine-tuned."""
VIDEO_ONLY = Entrant(("video_only",))
"""The frozen video encoder with a trained head."""
SCORE_FUSION = Entrant(("video_only", "{extra}_only"))
"""The mean of the probabilities of the two."""
SYMMETRIC = Entrant(("mov",), changes=("model.fusion=symmetric",))
"""MOV whose flow or sound attends to the trained video, not to the frozen one."""
COOP = Entrant(("coop",))
"""A learned context in place of the prompt, everything else frozen."""
ADAPTER = Entrant(("clip_adapter",))
"""A small network behind each side, everything else frozen."""
