"""Many small bodies in one file, each told to its sender only once it is on disk; a burst shares the syncing.

A segment is a row of frames: a line of JSON that says what the body is, how long it is and its CRC-32, then the body,
byte for byte, then a line break. While it is written to it ends in `.open`. Once it is large or old enough, or somebody
wants to read it, it is sealed: it loses that ending, and is never written to again. Who writes or seals holds a lock on
the file for just as long, so a writer that finds its segment sealed begins the next. What is torn at the end of an
`.open` file was never told to anybody, and goes when it is sealed.
"""
