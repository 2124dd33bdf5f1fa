"""Well-known data sets, from the folders and annotation files people have to a manifest and a vocabulary.

    annotation files --one module a data set--> ListedClips          what there should be
    folder           --look_into--------------> VideoFile            what there is
    both             --match------------------> Records, and the clips that are missing or broken

`builder.build` does all of it, `catalogue` names the data sets. Knows nothing of networks.
"""
