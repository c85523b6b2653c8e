-- Deletes from core.listings the folders that were listed again.
-- Inputs: core.listings; `noted`, in its columns.
DELETE FROM core.listings
USING noted
WHERE listings.folder = noted.folder;
