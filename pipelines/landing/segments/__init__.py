"""Segments: append-only files of many small bodies, each acknowledged only once it is on disk; a burst shares one sync.

A segment is a sequence of frames: a header (a line of JSON with the body's size and CRC-32), the body byte for byte,
and a line break. While it is being written its name ends in `.open`. Once it is large or old enough, or a reader needs
it, it is sealed: renamed without `.open`, and never written again. Writing and sealing hold a lock on the file, so a
writer that finds its segment sealed begins the next one. A torn frame at the end of an `.open` file was never
acknowledged, and is cut off when the segment is sealed.
"""
