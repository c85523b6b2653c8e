-- The number range of each recipient row, once when it is loaded: the books are closed far more often.
ALTER TABLE core.recipients ADD COLUMN number_range INTEGER;
UPDATE core.recipients SET number_range = number_range_of(phone)
WHERE phone IS NOT NULL;
