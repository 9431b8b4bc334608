"""Backups: the hub's rows and content, in a folder or a bucket, and a hub made of them again.

objects/ab/cdef…              content under its SHA-256, shared by all backups of the place
backups/{moment}/tables/…     rows, a compressed file a table, portable between databases
backups/{moment}/objects…     which content lies under which key of the store
backups/{moment}/manifest.json   sums of those files, sealed; written last: a backup without
                                 it is none
"""
