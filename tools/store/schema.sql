-- The results database, schema 1. The views are the stable SQL interface; tables may grow columns, never change their meaning.
-- Addresses, process numbers and counters are integers; times are nanoseconds since 1970 (…_ns in session and run).
PRAGMA application_id = 0x43535043;
PRAGMA user_version = 1;

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE module (id INTEGER PRIMARY KEY, path TEXT NOT NULL, build_id TEXT NOT NULL, UNIQUE (path, build_id)) STRICT;
CREATE TABLE file (id INTEGER PRIMARY KEY, path TEXT NOT NULL, hash TEXT NOT NULL, content BLOB, -- zstd; NULL: was not readable
  UNIQUE (path, hash)) STRICT;

CREATE TABLE frame (id INTEGER PRIMARY KEY, module_id INTEGER REFERENCES module, pc_off INTEGER NOT NULL, inline_depth INTEGER NOT NULL,
  func TEXT, func_off INTEGER NOT NULL, file_id INTEGER REFERENCES file, line INTEGER NOT NULL, inlined INTEGER NOT NULL, internal INTEGER NOT NULL) STRICT;
CREATE UNIQUE INDEX frame_place ON frame (ifnull(module_id, 0), pc_off, inline_depth, ifnull(func, ''), ifnull(file_id, 0), line);
CREATE TABLE stack (id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, depth INTEGER NOT NULL) STRICT;
CREATE TABLE stack_frame (stack_id INTEGER NOT NULL REFERENCES stack, idx INTEGER NOT NULL, frame_id INTEGER NOT NULL REFERENCES frame,
  PRIMARY KEY (stack_id, idx)) STRICT, WITHOUT ROWID;

-- One session is one cspcheck; one run is one process that it checked.
CREATE TABLE session (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, started_ns INTEGER NOT NULL, ended_ns INTEGER, argv TEXT NOT NULL, cwd TEXT NOT NULL,
  host TEXT NOT NULL, tool_version TEXT NOT NULL, exit_status INTEGER) STRICT;
CREATE TABLE run (id INTEGER PRIMARY KEY, session_id INTEGER NOT NULL REFERENCES session, pid INTEGER NOT NULL, ppid INTEGER NOT NULL, exe TEXT NOT NULL,
  seed INTEGER NOT NULL, procs INTEGER NOT NULL, instrumented INTEGER NOT NULL, started_ns INTEGER NOT NULL, exit_status INTEGER, term_signal INTEGER,
  outcome TEXT, goroutines INTEGER) STRICT; -- outcome: running, exited, killed, timeout, vanished
CREATE INDEX run_session ON run (session_id);

-- An issue is what all reports with one fingerprint have in common.
CREATE TABLE issue (id INTEGER PRIMARY KEY, fp TEXT NOT NULL UNIQUE, fp_version INTEGER NOT NULL, rule INTEGER NOT NULL, kind TEXT NOT NULL, title TEXT NOT NULL,
  site TEXT NOT NULL, first_session INTEGER NOT NULL REFERENCES session, last_session INTEGER NOT NULL REFERENCES session) STRICT;
CREATE INDEX issue_rule ON issue (rule);
CREATE TABLE report (id INTEGER PRIMARY KEY, issue_id INTEGER NOT NULL REFERENCES issue, run_id INTEGER NOT NULL REFERENCES run, seq INTEGER NOT NULL,
  at_ns INTEGER NOT NULL, proof TEXT, gate INTEGER NOT NULL, cause TEXT, occurrences INTEGER NOT NULL DEFAULT 1) STRICT;
CREATE INDEX report_issue ON report (issue_id, run_id);
CREATE INDEX report_run ON report (run_id);
CREATE TABLE report_part (report_id INTEGER NOT NULL REFERENCES report, ord INTEGER NOT NULL, role TEXT NOT NULL, op TEXT NOT NULL, gid INTEGER NOT NULL,
  addr INTEGER NOT NULL, size INTEGER NOT NULL, stack_id INTEGER NOT NULL REFERENCES stack, note TEXT, objects TEXT, -- objects: JSON [{"addr","kind"}]
  PRIMARY KEY (report_id, ord)) STRICT, WITHOUT ROWID;
CREATE TABLE goroutine (report_id INTEGER NOT NULL REFERENCES report, ord INTEGER NOT NULL, gid INTEGER NOT NULL, parent_gid INTEGER NOT NULL, name TEXT NOT NULL,
  state TEXT NOT NULL, entry TEXT, blocked_ns INTEGER NOT NULL, created_stack INTEGER NOT NULL REFERENCES stack,
  PRIMARY KEY (report_id, ord)) STRICT, WITHOUT ROWID;
CREATE TABLE object (report_id INTEGER NOT NULL REFERENCES report, ord INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT, addr INTEGER NOT NULL,
  size INTEGER NOT NULL, gid INTEGER NOT NULL, cap INTEGER NOT NULL, len INTEGER NOT NULL, closed INTEGER NOT NULL,
  created_stack INTEGER NOT NULL REFERENCES stack, closed_stack INTEGER NOT NULL REFERENCES stack, PRIMARY KEY (report_id, ord)) STRICT, WITHOUT ROWID;
CREATE TABLE wait_edge (report_id INTEGER NOT NULL REFERENCES report, ord INTEGER NOT NULL, from_kind TEXT NOT NULL, from_id INTEGER NOT NULL,
  to_kind TEXT NOT NULL, to_id INTEGER NOT NULL, label TEXT NOT NULL, stack_id INTEGER NOT NULL REFERENCES stack,
  PRIMARY KEY (report_id, ord)) STRICT, WITHOUT ROWID;

CREATE VIEW v_new_issues AS
  SELECT i.id, i.fp, 'CSP' || i.rule AS rule, i.kind, i.title, i.site, s.started_ns AS first_seen_ns
  FROM issue i JOIN session s ON s.id = i.first_session WHERE i.first_session = (SELECT max(id) FROM session);
CREATE VIEW v_leak_cluster AS
  SELECT i.id AS issue_id, i.title, i.site, max(r.proof) AS proof, sum(r.occurrences) AS goroutines, count(DISTINCT r.run_id) AS runs,
         max(g.blocked_ns) AS blocked_ns_max, min(g.gid) AS first_gid
  FROM issue i JOIN report r ON r.issue_id = i.id LEFT JOIN goroutine g ON g.report_id = r.id AND g.ord = 0
  WHERE i.kind = 'leak' GROUP BY i.id;
