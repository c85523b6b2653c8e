-- The answers that held a reply without a time of its own. Files with replies that were loaded before are loaded again.
CREATE TABLE core.reply_arrivals (
    phone VARCHAR NOT NULL,
    content VARCHAR NOT NULL,
    access_num VARCHAR NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    source_file VARCHAR NOT NULL
);
DELETE FROM core.replies;
DELETE FROM core.pulls
WHERE kind = 'replies';
DELETE FROM core.rejects
WHERE source_file IN (
    SELECT f.source_file FROM core.files AS f
    WHERE f.kind IN ('replies', 'pushes')
);
DELETE FROM core.files
WHERE kind IN ('replies', 'pushes');
