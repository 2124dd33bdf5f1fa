"""ShapesAV: the synthetic world that ships with the project, and the tiny CLIP that knows its words.

    vocabulary    8 shapes x 8 motions x 8 sounds -> class names, base / novel split
    scene         where the shape is at any instant; motions and sounds as drawn signs, which videos never carry
    families      ShapesAV-Scenes: backgrounds that go with the classes
    render        scene -> pictures          sound    scene -> waveform
    pool          scenes -> media files, manifests and vocabularies on disk

    captions      marked stills with sentences, the word list, the model card
    tiny_clip     pretraining (alone knows torch)     weights/, weights_wide/    what ships

A clip shows what is in its scene and nothing else: a still does not tell the motion, no picture tells the sound.
"""
