"""Arrays on disk, in one format.

    entry           the format: a safetensors file that says whose it is and proves its bytes
    cache           a folder of entries, found by what they were made from
    pack            the same entries in tar files, in a folder or behind a web address (remote)
    features        frozen embeddings of many videos in a few mapped files
    class_vectors   embedded class names
    usage           what lies in a cache folder, and making it less

Knows nothing of videos and networks.
"""
