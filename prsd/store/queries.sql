-- Every statement of the store, by name. Numbers are those of the tables; see schema.sql.

-- name: head
-- Where the log ends: at the start of the writer, and to notice a lost tail.
SELECT number, checksum FROM head

-- name: lineage
-- At the start: which log this is.
SELECT name, first_incarnation, behind FROM lineage

-- name: begin_lineage
-- Somebody goes on from an older copy on purpose.
UPDATE lineage SET name = lower(hex(randomblob(16))), first_incarnation = :first_incarnation, behind = ''

-- name: note_behind
-- An agent knows more than the log: no later start may go on from it either.
UPDATE lineage SET behind = :behind

-- name: move_head
-- Once for each transaction.
UPDATE head SET number = :number, checksum = :checksum

-- name: insert_fact
-- The log itself.
INSERT INTO facts (number, job, step, kind, first, recorded_at, body, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: all_facts
-- A restart: reads the whole log in order, to verify it and to fold what is unfinished.
SELECT number, job, step, kind, first, recorded_at, body, checksum FROM facts ORDER BY number

-- name: ended_jobs
-- A restart: the jobs whose facts are verified but not folded.
SELECT number FROM jobs WHERE ended_at IS NOT NULL

-- name: insert_job
-- With the fact that records the job.
INSERT INTO jobs (name, request_id, display_name, notices, created_at, state, reason)
VALUES (:name, :request_id, :display_name, :notices, :created_at, :state, :reason)

-- name: insert_document
-- With the fact that records the job.
INSERT INTO documents (job, body, crc32) VALUES (:job, :body, :crc32)

-- name: insert_step
-- With the fact that records the job.
INSERT INTO steps (job, name, terms, state, reason, started_at, ended_at, division_ended, divided, succeeded, empty, failed,
                   retried, short, items_total, items_succeeded, items_failed)
VALUES (:job, :name, :terms, :state, :reason, :started_at, :ended_at, :division_ended, :divided, :succeeded, :empty, :failed,
        :retried, :short, :items_total, :items_succeeded, :items_failed)

-- name: insert_definition
-- With the fact that records the job.
INSERT INTO definitions (step, body, crc32) VALUES (:step, :body, :crc32)

-- name: update_job
-- Once for each transaction that changed the job's summary.
UPDATE jobs SET state = :state, reason = :reason, started_at = :started_at, ended_at = :ended_at WHERE number = :number

-- name: update_step
-- Once for each transaction that changed the step's summary.
UPDATE steps SET state = :state, reason = :reason, started_at = :started_at, ended_at = :ended_at,
                 division_ended = :division_ended, divided = :divided, succeeded = :succeeded, empty = :empty,
                 failed = :failed, retried = :retried, short = :short, items_total = :items_total,
                 items_succeeded = :items_succeeded, items_failed = :items_failed
WHERE number = :number

-- name: job_by_name
-- Answers for one job, and lets the writer go on with a job of before a restart.
SELECT * FROM jobs WHERE name = :name

-- name: job_by_request
-- A repeated submission must be answered with the job that the first one made.
SELECT name FROM jobs WHERE request_id = :request_id

-- name: jobs_by_prefix
-- People type the beginning of a name; more than one answer means that they must type more.
SELECT * FROM jobs WHERE substr(name, 1, length(:prefix)) = :prefix ORDER BY number DESC LIMIT :limit

-- name: newest_jobs
-- Lists of jobs, and @latest.
SELECT * FROM jobs ORDER BY number DESC LIMIT :limit

-- name: document
-- The pipeline of a job, for what its rows do not say.
SELECT body, crc32 FROM documents JOIN jobs ON jobs.number = documents.job WHERE jobs.name = :name

-- name: steps_of_job
-- The steps in the order of the pipeline: they are inserted in that order.
SELECT * FROM steps WHERE job = :job ORDER BY number

-- name: step_number
-- Every query about one step begins with it.
SELECT steps.number FROM steps JOIN jobs ON jobs.number = steps.job WHERE jobs.name = :job AND steps.name = :step

-- name: definition
-- An agent is told of a step.
SELECT body, crc32 FROM definitions WHERE step = :step

-- name: insert_reuse_key
-- With the fact that records the job.
INSERT INTO reuse_keys (step, name, key, own, body, crc32) VALUES (:step, :name, :key, :own, :body, :crc32)

-- name: reuse_key
-- A step has completed, or is resumed: what its results rest on.
SELECT key, own, body, crc32 FROM reuse_keys WHERE step = :step

-- name: reusable_steps
-- A submission: the steps that ran and completed with this key, newest first.
SELECT jobs.name AS job, steps.name AS step
FROM reuse_keys JOIN steps ON steps.number = reuse_keys.step JOIN jobs ON jobs.number = steps.job
WHERE reuse_keys.key = :key AND reuse_keys.own = 1 AND steps.state = 'Completed'
ORDER BY reuse_keys.step DESC LIMIT :limit

-- name: keys_of_name
-- Why a step runs: what the latest completed ones of its name had that it has not.
SELECT jobs.name AS job, steps.name AS step, reuse_keys.key, reuse_keys.own, reuse_keys.body, reuse_keys.crc32
FROM reuse_keys JOIN steps ON steps.number = reuse_keys.step JOIN jobs ON jobs.number = steps.job
WHERE reuse_keys.name = :name AND reuse_keys.own = 1 AND steps.state = 'Completed'
ORDER BY reuse_keys.step DESC LIMIT :limit

-- name: facts_of_kind
-- Divisions and commits of a step: few, wanted in recorded order.
SELECT number, body FROM facts WHERE step = :step AND kind = :kind ORDER BY number

-- name: facts_by_mini_batch
-- A page of results or failures in the order of mini-batches, after the last row of the page before.
SELECT number, first, body FROM facts
WHERE step = :step AND kind = :kind AND (first, number) > (:first, :number)
ORDER BY first, number LIMIT :limit

-- name: errors_since
-- What the error groups of a step have not counted yet.
SELECT number, body FROM facts WHERE step = :step AND kind IN (:failure, :start_failure) AND number > :number ORDER BY number

-- name: first_error
-- The error that people should see first.
SELECT number, body FROM facts WHERE step = :step AND kind IN (:failure, :start_failure) ORDER BY number LIMIT 1
