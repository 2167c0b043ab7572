import { assertLimits } from "@raft2kube/std/assert.ts";

// Every bound of the store. Sizes in bytes, times in milliseconds, unless the name says otherwise.

/** Raft: one append message carries at most this much data (at least one entry). */
export const APPEND_BYTES_MAX = 1024 * 1024;
/** Raft: appends under way to one follower. */
export const INFLIGHT_APPENDS_MAX = 256;
export const INFLIGHT_BYTES_MAX = 16 * 1024 * 1024;
/**
 * Raft: data proposed and not yet applied; beyond it proposals are refused with "too many
 * requests".
 */
export const UNCOMMITTED_BYTES_MAX = 64 * 1024 * 1024;
/**
 * Raft: committed entries handed to the state machine in one go, so that a turn of the loop stays
 * short.
 */
export const APPLY_BATCH_BYTES_MAX = 1024 * 1024;
/** Raft: a heartbeat each tick, an election after ten without one (etcd's defaults). */
export const TICK_MS = 100;
export const ELECTION_TICKS = 10;
export const HEARTBEAT_TICKS = 1;
/** Raft: read attempts under way. */
export const PENDING_READS_MAX = 10_000;

/** Peers: messages waiting for one member; more are lost, and sent again by Raft's own rules. */
export const PEER_QUEUE_MESSAGES_MAX = 4_096;
export const PEER_QUEUE_BYTES_MAX = 64 * 1024 * 1024;
/** Peers: messages put into one frame, at least one. */
export const PEER_BATCH_BYTES = 2 * 1024 * 1024;
/** Peers: a stream's receiver reports this often; after a longer silence it is given up. */
export const PEER_ALIVE_INTERVAL_MS = 1_000;
export const PEER_SILENCE_MS = 5_000;
/** Peers: between a broken stream and the next attempt. */
export const PEER_RECONNECT_MS = 200;
/** Peers: members that called before the membership named them. */
export const PEERS_MAX = 16;

/**
 * Snapshots: pairs in one checked block, at least one; and the largest block that a reader accepts.
 */
export const SNAPSHOT_BLOCK_BYTES = 256 * 1024;
export const SNAPSHOT_BLOCK_BYTES_MAX = 64 * 1024 * 1024;
/** Snapshots: one part on the wire, and how often the receiver says how far it is. */
export const SNAPSHOT_PART_BYTES = 256 * 1024;
export const SNAPSHOT_REPORT_BYTES = 1024 * 1024;
/** Snapshots: a receiver silent for longer is given up; attempts to deliver one, time between. */
export const SNAPSHOT_SILENCE_MS = 15_000;
export const SNAPSHOT_ATTEMPTS_MAX = 5;
export const SNAPSHOT_RETRY_MS = 500;

/** Snapshots as bbolt files: one message of the stream to a client (etcd's). */
export const SNAPSHOT_BLOB_BYTES = 32 * 1024;
/** Import: size of a batch of records written to the backend. */
export const IMPORT_BATCH_BYTES = 1024 * 1024;

/** Log: size of a segment file, preallocated. */
export const SEGMENT_BYTES = 8 * 1024 * 1024;
/** Log: one record; etcd's request limit and a snapshot mark of many members. */
export const RECORD_BYTES_MAX = 16 * 1024 * 1024;
/** Log: one command, without the other fields of its record. */
export const ENTRY_BYTES_MAX = RECORD_BYTES_MAX - 1024;
/**
 * Log: entries kept after they are applied, for followers that are a little behind (etcd keeps
 * 5,000).
 */
export const LOG_TAIL_ENTRIES_MAX = 5_000;
export const LOG_TAIL_BYTES_MAX = 8 * 1024 * 1024;
/**
 * Log: time after a sync until the mark that vouches for it is itself synced, at the latest. A
 * shorter time would cost an idle member a second sync for each write.
 */
export const SYNCED_MARK_DELAY_MS = 500;
/** Log: emptied segments kept for reuse. */
export const SPARE_SEGMENTS_MAX = 1;

/** Requests: etcd's defaults for --max-request-bytes and --max-txn-ops. */
export const REQUEST_BYTES_MAX = 1_572_864;
/** Locks and elections: a lease that the store grants for them, in seconds (etcd's). */
export const SESSION_TTL_S = 60;
/** Requests: what etcd allows gRPC on top of the request limit. */
export const GRPC_OVERHEAD_BYTES = 512 * 1024;
export const TXN_OPERATIONS_MAX = 128;
/**
 * Operations and comparisons of a transaction and of all that are nested in it together; or three
 * times `--max-txn-ops`, where that is more. etcd bounds each branch alone.
 */
export const TXN_TREE_OPERATIONS_MAX = 4_096;
/**
 * Requests: how long a proposal or linearizable read may take (etcd: 5 s + two election
 * timeouts).
 */
export const REQUEST_TIMEOUT_MS = 7_000;
/** Requests: proposals waiting for their entry to be applied. */
export const PENDING_PROPOSALS_MAX = 50_000;
export const PENDING_PROPOSALS_BYTES_MAX = 128 * 1024 * 1024;

/** State: records applied and not yet in the backend. At the bound proposals wait for a flush. */
export const UNFLUSHED_BYTES_MAX = 64 * 1024 * 1024;
/**
 * State: a flush starts when this much waits, or after FLUSH_INTERVAL_MS (etcd's batch interval).
 */
export const FLUSH_BYTES = 512 * 1024;
export const FLUSH_INTERVAL_MS = 100;
/** State: recent revisions kept in memory after their flush, for watches and reads. */
export const RECENT_BYTES_MAX = 8 * 1024 * 1024;
/** State: decoded records of older revisions kept in memory. */
export const RECORD_CACHE_BYTES_MAX = 8 * 1024 * 1024;
/**
 * State: keys that one turn of the loop looks up for a range, and records that it reads; longer
 * ranges yield in between.
 */
export const RANGE_CHUNK_KEYS = 10_000;
export const RANGE_CHUNK_RECORDS = 100;
/** State: reads that one turn of the loop starts, if it has time for them. */
export const READS_OF_TURN = 1_000;
/** State: keys that one turn of the loop compacts. */
export const COMPACT_CHUNK_KEYS = 1_000;
/**
 * State: after a compaction the engine is made to give back space once the backend is this much,
 * and a quarter, larger than after the last time. MAX bounds that growth: a quarter of a large
 * backend is more than its quota leaves. By itself the engine merges old files late, or never
 * where values are large and keys only grow, and the quota counts what it keeps.
 */
export const RECLAIM_BYTES_MIN = 64 * 1024 * 1024;
export const RECLAIM_GROWTH = 0.25;
export const RECLAIM_BYTES_MAX = 128 * 1024 * 1024;

/** State: etcd's default for --quota-backend-bytes. */
export const QUOTA_BYTES_DEFAULT = 2 * 1024 * 1024 * 1024;
/** Scrub: members compare what they have this often, and wait this long for each other's hash. */
export const SCRUB_INTERVAL_MS = 3_600_000;
export const SCRUB_TIMEOUT_MS = 600_000;
/**
 * Disk: what a file keeps for this member, and how much free space is too little. Both are many
 * times what may wait to be written: a flush, a segment of the log, a table of the database.
 */
export const DISK_RESERVE_BYTES = 64 * 1024 * 1024;
export const DISK_LOW_BYTES = 48 * 1024 * 1024;
/** Disk: what must be free before data is taken again. */
export const DISK_ENOUGH_BYTES = 64 * 1024 * 1024;
/** Disk: between two looks at the free space; before a command that adds data as often as this. */
export const DISK_LOOK_INTERVAL_MS = 250;
export const DISK_LOOK_REST_MS = 10;
/** State: the size on disk is measured no more often. */
export const QUOTA_MEASURE_INTERVAL_MS = 1_000;

/**
 * Watch: responses waiting in one stream for their reader; beyond it its watches fall behind and
 * catch up later.
 */
export const STREAM_QUEUE_BYTES_MAX = 1024 * 1024;
export const STREAM_QUEUE_RESPONSES_MAX = 1_000;
/** Watch: events of one watch that wait for their reader go into one response up to this. */
export const MERGED_EVENTS_BYTES = 256 * 1024;
/** Watch: responses that one stream sends a second; beyond it events wait to go together. */
export const STREAM_RESPONSES_PER_S = 5_000;
/** Watch: the longest rest, and the shortest that a timer can measure. */
export const STREAM_REST_MS_MAX = 20;
export const STREAM_REST_MS_MIN = 2;
/** Watch: events put into one response while catching up. */
export const CATCH_UP_EVENTS_MAX = 1_000;
/**
 * Watch: changes that a watch looks through in its turn while catching up, and how many have one in
 * a turn of the loop.
 */
export const CATCH_UP_CHANGES_MAX = 1_000;
export const CATCH_UPS_OF_TURN = 4;
/** Watch: changes that a watch reads of the backend at a time, and how many do so, of one client. */
export const CATCH_UP_SCAN_CHANGES_MAX = 10_000;
export const CATCH_UP_SCANS = { all: 8, ofClient: 4 } as const;
/**
 * Watch: a notice to idle watchers that asked for one (etcd: 10 minutes; Kubernetes wants 5
 * seconds).
 */
export const WATCH_PROGRESS_INTERVAL_MS = 600_000;
/** The shortest that can be asked for (etcd's minWatchProgressInterval). */
export const WATCH_PROGRESS_INTERVAL_MS_MIN = 100;

/** Members: how long a leader that stops waits for its successor. */
export const HAND_OVER_TIMEOUT_MS = 2 * TICK_MS * ELECTION_TICKS;
/** Members: how long a removed member keeps running, so that its last answers leave. */
export const REMOVED_GRACE_MS = 2 * TICK_MS * ELECTION_TICKS;
/** Watch: streams that want a leader end after this many elections without one (etcd's). */
export const NO_LEADER_ELECTIONS_MAX = 3;

/** Members: a learner with this share of the log may become a voter (etcd's). */
export const LEARNER_READY_SHARE = 0.9;
/** Members: learners at a time (etcd's default). */
export const LEARNERS_MAX = 1;

/** Lease: the longest TTL, in seconds (etcd's). */
export const LEASE_TTL_S_MAX = 9_000_000_000;
/** Lease: the shortest TTL, in seconds: one and a half elections, rounded up (etcd's rule). */
export const LEASE_TTL_S_MIN = Math.ceil((TICK_MS * ELECTION_TICKS * 1.5) / 1000);
/** Lease: expired leases revoked per round, and the rounds' interval. */
export const LEASE_REVOKES_MAX = 1_000;
export const LEASE_CHECK_INTERVAL_MS = 500;
/**
 * Lease: what is left is recorded this often (etcd's), or after this share of a shorter TTL; and
 * leases in one record (etcd's).
 */
export const LEASE_CHECKPOINT_INTERVAL_MS = 300_000;
export const LEASE_CHECKPOINT_SHARE = 0.5;
export const LEASE_CHECKPOINTS_MAX = 1_000;

/** Metrics: client versions that are counted apart; and how much of one is kept. */
export const CLIENT_VERSIONS_MAX = 64;
export const CLIENT_VERSION_CHARS_MAX = 32;

/** Auth: how long an unused token is valid (etcd's). */
export const TOKEN_TTL_MS = 300_000;
/** Auth: simple tokens at a time; the one used longest ago goes first. */
export const SIMPLE_TOKENS_MAX = 100_000;
/** Auth: bcrypt's cost and its bounds (etcd's), and the longest password that it takes. */
export const BCRYPT_COST_DEFAULT = 10;
export const BCRYPT_COST_MIN = 4;
export const BCRYPT_COST_MAX = 31;
export const BCRYPT_PASSWORD_BYTES_MAX = 72;
/** Auth: passwords that wait to be hashed or compared. */
export const PASSWORDS_MAX = 1_000;
/** Auth: sign-ins that are started again since users or roles changed meanwhile. */
export const SIGN_IN_ATTEMPTS_MAX = 5;

/**
 * Automatic compaction: by time at least this often, with several checks in between; by revision
 * every five minutes (etcd's).
 */
export const COMPACTION_INTERVAL_MS_MAX = 3_600_000;
export const COMPACTION_LOOKS = 10;
export const COMPACTION_REVISION_INTERVAL_MS = 300_000;

/** Log: applies, unary calls and syncs that take longer are warned of (etcd's). */
export const SLOW_APPLY_MS = 100;
export const SLOW_UNARY_MS = 300;
export const SLOW_SYNC_MS = 1_000;

assertLimits({
  "several heartbeats go out before an election": HEARTBEAT_TICKS < ELECTION_TICKS,
  "an append fits into what may be under way": APPEND_BYTES_MAX <= INFLIGHT_BYTES_MAX,
  "what is under way is part of what may be proposed": INFLIGHT_BYTES_MAX <= UNCOMMITTED_BYTES_MAX,
  "a proposal that waits may be uncommitted": UNCOMMITTED_BYTES_MAX <= PENDING_PROPOSALS_BYTES_MAX,
  "an append fits into a frame of messages": APPEND_BYTES_MAX <= PEER_BATCH_BYTES,
  "a frame fits into the queue of its member": PEER_BATCH_BYTES <= PEER_QUEUE_BYTES_MAX,
  "a request fits into an entry": REQUEST_BYTES_MAX + GRPC_OVERHEAD_BYTES <= ENTRY_BYTES_MAX,
  "a peer says that it lives several times before it is given up":
    3 * PEER_ALIVE_INTERVAL_MS < PEER_SILENCE_MS,
  "a stream is given up no sooner than an election begins":
    TICK_MS * ELECTION_TICKS < PEER_SILENCE_MS,
  "a request outlives two elections": 2 * TICK_MS * ELECTION_TICKS < REQUEST_TIMEOUT_MS,
  "a block and a part are what readers take":
    SNAPSHOT_BLOCK_BYTES <= SNAPSHOT_BLOCK_BYTES_MAX &&
    SNAPSHOT_PART_BYTES <= SNAPSHOT_REPORT_BYTES,
  "a flush begins before writers have to wait": FLUSH_BYTES < UNFLUSHED_BYTES_MAX,
  "what a transaction nests is more than one has": TXN_OPERATIONS_MAX <= TXN_TREE_OPERATIONS_MAX,
  "data is refused while the reserve still holds a segment":
    SEGMENT_BYTES < DISK_LOW_BYTES && DISK_LOW_BYTES < DISK_ENOUGH_BYTES,
  "the disk is looked at as often as commands may ask": DISK_LOOK_REST_MS < DISK_LOOK_INTERVAL_MS,
  "events that go together fit into the stream's queue":
    MERGED_EVENTS_BYTES <= STREAM_QUEUE_BYTES_MAX,
  "the rest between responses has a range": STREAM_REST_MS_MIN < STREAM_REST_MS_MAX,
  "a lease lives longer than an election":
    TICK_MS * ELECTION_TICKS < LEASE_TTL_S_MIN * 1_000 && LEASE_TTL_S_MIN < LEASE_TTL_S_MAX,
  "expired leases are looked for within the shortest TTL":
    LEASE_CHECK_INTERVAL_MS < LEASE_TTL_S_MIN * 1_000,
  "bcrypt's cost is within its bounds":
    BCRYPT_COST_MIN <= BCRYPT_COST_DEFAULT && BCRYPT_COST_DEFAULT <= BCRYPT_COST_MAX,
  "a scrub ends before the next": SCRUB_TIMEOUT_MS < SCRUB_INTERVAL_MS,
  "a notice of progress can be asked for more often":
    WATCH_PROGRESS_INTERVAL_MS_MIN <= WATCH_PROGRESS_INTERVAL_MS,
});
