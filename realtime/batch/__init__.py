"""Many files: a folder or a list of videos is erased into a folder that mirrors it, on one machine or on many.

    from realtime.batch.run import erase_batch
    result = erase_batch("archive", "archive-erased", lookahead=1.0)
    print(result.counts)

`tree` says which files there are, `journal` what was done with them, `driver` gives each as tasks to a pool of workers
and puts what they wrote into place.
"""
