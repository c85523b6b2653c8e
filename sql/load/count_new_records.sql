-- Updates core.pulls.new_record_count: a file that is loaded late may turn out to be the first one with a record.
-- Inputs: core.pulls; `moved`, one row per file whose rows a load changed: source_file, and how many rows it has more (or fewer) by that.
-- Parameter: $load_num.
UPDATE core.pulls SET
    new_record_count = pulls.new_record_count + moved.moved_count,
    load_num = $load_num
FROM moved
WHERE pulls.source_file = moved.source_file AND moved.moved_count <> 0;
