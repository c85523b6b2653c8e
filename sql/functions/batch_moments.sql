-- batch_left_at and batch_answered_at: the moments between which the gateway may have charged a batch.
-- Without an answer both are the submission. An answer before its submission was timed by a clock that was set back meanwhile: both
-- are then the time of the answer.
CREATE OR REPLACE MACRO batch_left_at(submitted_at, answered_at) AS least(submitted_at, answered_at);

CREATE OR REPLACE MACRO batch_answered_at(submitted_at, answered_at) AS coalesce(answered_at, submitted_at);
