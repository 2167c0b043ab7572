import { assertLimits } from "@raft2kube/std/assert.ts";
import type { ShareLimits } from "@raft2kube/std/shares.ts";
import { PIECES_OF_TURN_MAX } from "@raft2kube/streaming/limits.ts";

/** The largest body of a write, as upstream's limit for its etcd client with headroom. */
export const BODY_BYTES_MAX = 3 * 1024 * 1024;
/**
 * Values in a body, or in the stored object that a request names, from which on a thread does the
 * work: up to then it holds the loop for some 20 ms. Below the bytes there are not as many.
 */
export const LARGE_VALUES = 2_000;
export const LARGE_BYTES_MIN = 8 * 1024;
/** Bytes of an object that are parsed in some 10 ms: a larger one has a turn for it. */
export const QUICKLY_PARSED_BYTES = 128 * 1024;
/** Copies of a JSON patch that is not large: each may double the object. */
export const SMALL_PATCH_COPIES_MAX = 2;
/**
 * Bytes that cost at least as much as a value. Those of YAML and protobuf cannot be counted without
 * decoding; JSON of few long texts is work too.
 */
export const BYTES_PER_VALUE = { yaml: 4, protobuf: 16, json: 256 };
/** Large requests that wait for a thread of theirs or are in it, and the bytes of their bodies. */
export const LARGE_REQUESTS_MAX = 64;
export const LARGE_REQUESTS_BYTES_MAX = 64 * 1024 * 1024;
/** A thread's own memory; a request that needs more ends it, and others wait for the next. */
export const LARGE_HEAP_MB_MAX = 1_024;
/**
 * A large request that takes longer is ended with its thread, as its work may not yield; the next
 * ones have another thread. Three times what the largest took on two idle cores.
 */
export const LARGE_REQUEST_MS = 30_000;
/** The thread ends when nothing large has come for this long. */
export const LARGE_IDLE_MS = 60_000;
/** All headers of one request. */
export const HEADER_BYTES_MAX = 64 * 1024;

/**
 * Characters and terms of a selector in a request: watches keep them, and they are compared with
 * each object of a list, and with each that changes. Upstream has no bound.
 */
export const REQUEST_SELECTOR_CHARS_MAX = 16 * 1024;
export const REQUEST_SELECTOR_TERMS_MAX = 100;
/** Ranges of an Accept header: they are sorted as upstream does, which is quadratic. */
export const ACCEPT_RANGES_MAX = 64;
/** Time from the first byte of a request to the last of its body. */
export const REQUEST_BODY_TIMEOUT_MS = 30_000;
/** How long the rest of a body that was refused is read and dropped. */
export const REFUSED_BODY_MS = 1_000;
/** Time from connecting to the end of TLS's handshake (upstream's). */
export const HANDSHAKE_TIMEOUT_MS = 32_000;
/** Time from connecting to the last byte of the headers. */
export const HEADERS_TIMEOUT_MS = 20_000;
/** How often connections are looked at for these limits. */
export const CONNECTION_CHECK_MS = 5_000;
/** A connection without requests is closed after this. */
export const KEEP_ALIVE_TIMEOUT_MS = 180_000;
/** Connections whose handshake is not done, in all and of one address. */
export const HANDSHAKES_MAX = 2_048;
export const HANDSHAKES_OF_ADDRESS_MAX = 256;
/**
 * Open connections, idle ones too: in all, and of one user or one address without a certificate. As
 * many as of one are reserved for nodes and the control plane.
 */
export const CONNECTIONS_MAX = 8_192;
export const CONNECTIONS_OF_OWNER_MAX = 1_024;
/** Connections that show no certificate: beyond it an address with few takes another's. */
export const CONNECTIONS_UNKNOWN_MAX: number = CONNECTIONS_MAX / 2;
/** Requests of an owner in one turn of the event loop, after which none of its bytes are read. */
export const REQUESTS_OF_READ_MAX = 64;
/** Pieces of bodies (frames) that cost as much as a request. */
export const PIECES_OF_REQUEST: number = PIECES_OF_TURN_MAX / REQUESTS_OF_READ_MAX;
/**
 * Bytes of an HTTP/2 connection for each request and each piece of a body, and those beside them:
 * one with more, that is of frames which carry nothing, is closed.
 */
export const FRAMED_BYTES_MAX: number = HEADER_BYTES_MAX;
export const IDLE_FRAMES_BYTES_MAX = 1024 * 1024;
export const IDLE_FRAMES_CHECK_MS = 1_000;
/** Streams that one HTTP/2 connection may hold open at a time. */
export const HTTP2_STREAMS_MAX = 1_000;
/**
 * Streams that the client of one connection may reset, and how many more each second; the
 * connection then ends (CVE-2023-44487). Clients reset watches that they give up.
 */
export const HTTP2_RESETS_MAX = 250;
export const HTTP2_RESETS_PER_S = 33;
/**
 * The unread answers that one HTTP/2 connection may hold before new requests on it are refused
 * (ENHANCE_YOUR_CALM). Node's 10 MB are a few lists side by side.
 */
export const HTTP2_CONNECTION_MB_MAX = 256;
/**
 * A request that is not a watch, log, exec or proxy is given up after this, or after its `timeout`
 * if that is shorter; an answer that is under way is cut.
 */
export const REQUEST_TIMEOUT_MS = 60_000;
/** Longest delay of Node's timers; a longer one would fire immediately. */
export const TIMER_MS_MAX = 2 ** 31 - 1;
/**
 * Requests that start in one turn of the event loop, some 150 us each at least, and those that wait
 * for a later one, of one user or of one address without a certificate.
 */
export const REQUESTS_OF_TURN_MAX = 4;
export const REQUESTS_WAITING_MAX = 2_000;
/** Requests worked on at a time (upstream's --max-requests-inflight and the mutating one). */
export const READING_IN_FLIGHT_MAX = 400;
export const WRITING_IN_FLIGHT_MAX = 200;
/**
 * The share of one user, or of the service accounts of one namespace, of these and of the bytes
 * below; as much is reserved for nodes and the control plane.
 */
export const SHARE = 0.25;

/**
 * The shares of users and nodes of something that there are `all` of. A node has half of the
 * reserve: its root may also use the shares of the service accounts of all pods there.
 */
export function sharesOf(all: number): ShareLimits {
  const [each, reserved] = [Math.ceil(all * SHARE), Math.floor(all * SHARE)];
  return { all, each, reserved, eachOfReserve: Math.ceil(reserved / 2) };
}
/**
 * Watches, followed logs and streams at a time of one user, or of the service accounts of one
 * namespace together; a watch counts once for each TERMS_PER_WATCH terms of its selectors.
 */
export const LASTING_OF_USER_MAX = 2_000;
export const TERMS_PER_WATCH = 4;
/** Bytes of answers that are built, or not yet read; further ones wait, some of each owner. */
export const ANSWERS_BYTES_MAX = 256 * 1024 * 1024;
export const ANSWERS_WAITING_MAX = 8;
/**
 * Answers up to this size do not wait: they and their streams are bounded for each owner, and a
 * client that leaves more of them unread is disconnected.
 */
export const ANSWER_SMALL_BYTES = 64 * 1024;
export const SMALL_ANSWERS_BYTES_MAX = 16 * 1024 * 1024;
export const STREAM_BYTES = 8 * 1024;
/** How much longer a list may be in YAML, or indented, than its JSON: else it is JSON. */
export const INDENTED_FACTOR = 3;
/** Characters of the cells of a row of a Table, beside as many as its object has bytes. */
export const ROW_CHARACTERS_MIN = 1_024;
/** Larger answers are sent in pieces, each of which the client must read within a time. */
export const ANSWER_PIECE_BYTES = 64 * 1024;
/** Memory of pieces that is kept for the next ones, and for how long. */
export const SPARE_PIECES_MAX = 128;
export const SPARE_PIECES_MS = 1_000;
export const ANSWER_STALL_MS = 10_000;
/** Bytes of bodies that are incomplete or worked on. */
export const BODIES_BYTES_MAX = 128 * 1024 * 1024;
/** Answers at least this large are compressed for clients that ask for gzip. */
export const GZIP_BYTES_MIN = 128 * 1024;
/** Attempts of a write against a changing object before the client gets a conflict. */
export const UPDATE_ATTEMPTS_MAX = 20;
/** Names tried for `generateName` before giving up (upstream's 8). */
export const GENERATE_NAME_ATTEMPTS_MAX = 8;
/** Evicted pods that a disruption budget remembers until they are gone (upstream's). */
export const DISRUPTED_PODS_MAX = 2_000;
/** Addresses that a node itself writes about it: each is compared with those of all nodes. */
export const NODE_ADDRESSES_MAX = 256;
/** Capacities that a node publishes: the scheduler compares each with each pod's new claim. */
export const NODE_CAPACITIES_MAX = 256;
/** Characters of JSON of the topology of each, which the scheduler compares with nodes. */
export const NODE_TOPOLOGY_CHARS_MAX = 4_096;
/** How long the addresses of a node that is no longer Ready remain its own: it may be rebooting. */
export const NODE_ADDRESS_KEPT_MS = 300_000;
/** How long a count of stored objects is reused for resources without a cache (upstream's). */
export const OBJECT_COUNT_MS = 60_000;
/** How long the health check waits for the store. */
export const STORE_CHECK_TIMEOUT_MS = 2_000;
/** Keys fetched from the store at a time. */
export const STORE_PAGE_KEYS = 500;
/** A list's first page has fewer, and those after it as many as objects of its size fit into. */
export const STORE_FIRST_PAGE_KEYS = 16;
export const STORE_PAGE_BYTES = 8 * 1024 * 1024;
/** No more than these, as objects that follow small ones may be large: 48 MiB. */
export const STORE_BUDGETED_PAGE_KEYS = 32;
/** Bytes of lists that are read from the store, until they are answered. */
export const STORE_READS_BYTES_MAX = 256 * 1024 * 1024;
/** Events that one resource's history has, and the memory that they may take. */
export const HISTORY_EVENTS_MAX = 10_000;
export const HISTORY_BYTES_MAX = 16 * 1024 * 1024;
/** The same of all histories of this process together. */
export const HISTORIES_BYTES_MAX = 24 * 1024 * 1024;
/** Objects of all kinds that were just written and are remembered in full, and their bytes. */
export const RECENT_WRITES_MAX = 1_024;
export const RECENT_WRITES_BYTES_MAX = 4 * 1024 * 1024;
/**
 * Past states of one resource kept for lists at a revision, at about 1 KB each. None is older than
 * the resource's history, whose events reference their objects.
 */
export const STATES_MAX = 2_000;
/** Events waiting in front of one watcher before it is closed as too slow, and their bytes. */
export const WATCHER_QUEUE_EVENTS_MAX = 10_000;
export const WATCHER_QUEUE_BYTES_MAX = 8 * 1024 * 1024;
/** The same of all watchers together; what several wait for counts once. */
export const WATCH_QUEUES_BYTES_MAX = 256 * 1024 * 1024;
/** Time between two writes to watchers under load; when idle an event is sent immediately. */
export const FLUSH_INTERVAL_MS = 10;
/** How long writing to watchers holds the loop before others come in between. */
export const FLUSH_SLICE_MS = 5;
/** Time before a broken watch on the store is opened again. */
export const FEED_RETRY_MS = 250;
/** How long a read waits for the cache to be as new as the store, before it asks the store. */
export const FRESH_WAIT_MS = 3_000;
/** How often the store is asked again how far a watch is. */
export const PROGRESS_RETRY_MS = 100;
/** Time between bookmarks. */
export const BOOKMARK_INTERVAL_MS = 60_000;
/** A watch without `timeoutSeconds` ends between this and twice this. */
export const WATCH_TIMEOUT_MS_MIN = 1_800_000;

/** Groups or extras from which on impersonation is first checked for all together (upstream's). */
export const IMPERSONATION_PARTS_MANY = 4;
/** Single grants of a role that are compared, and names of rules that they meet: seconds of slices. */
export const ROLE_GRANTS_MAX = 10_000;
export const GRANT_NAMES_MAX = 50_000_000;
/** Names in a user's rules that a request is compared with in one turn of the event loop. */
export const RULE_NAMES_OF_TURN = 20_000;
/** Characters of the rules, as JSON, that a SelfSubjectRulesReview shows; others are left out. */
export const REVIEWED_CHARS_MAX = 2 * 1024 * 1024;

/** How long a verified token is believed without being verified again. */
export const TOKEN_CACHE_MS = 10_000;
export const TOKEN_CACHE_ENTRIES_MAX = 4_096;
/** Tolerated skew in tokens' times; a deleted pod's token is valid for as long (upstream's). */
export const TOKEN_LEEWAY_MS = 60_000;
/** A service account token's least and greatest lifetime. */
export const TOKEN_SECONDS_MIN = 600;
export const TOKEN_SECONDS_MAX = 365 * 24 * 3600;

/** How long a server that is closing waits for its removal from the endpoints of `kubernetes`. */
export const LEAVE_TIMEOUT_MS = 2_000;
/** Retry-After of a server that closes (upstream's). */
export const CLOSING_RETRY_S = 5;
/** How long `close()` lets requests in flight finish. */
export const DRAIN_TIMEOUT_MS = 5_000;
/** How often the store is compacted, and with it history older than this is dropped. */
export const COMPACTION_INTERVAL_MS = 300_000;
/** How often its size is looked at; it is compacted before for a growth of a third of its rest. */
export const STORE_LOOK_MS = 5_000;
export const STORE_GROWTH_BYTES_MIN = 64 * 1024 * 1024;
export const STORE_GROWTH_BYTES_MAX = 256 * 1024 * 1024;
/** The store's quota (etcd's default), what is left of an unknown one, and the part for nodes. */
export const STORE_SPACE = { quota_bytes: 2 ** 31, rest_bytes: 2 ** 30, reserve: 1 / 8 } as const;
/** The part to be written until the next look, of each of its rest; and what an object counts as. */
export const STORE_WRITES = { part: 1 / 4, each: 1 / 8, object_bytes: 4 * 1024 } as const;
/** The part of the store that a namespace may have in any case, and a node add in EVENT_TTL_S. */
export const NAMESPACE_LEAST = 1 / 32;

/** Addresses tried for a Service while other servers take the same ones. */
export const ADDRESS_ATTEMPTS_MAX = 50;
/** How often the default ServiceCIDR is made again if it is gone (upstream's 10 s). */
export const SERVICE_CIDR_INTERVAL_MS = 10_000;
/** How often what is reserved is compared with the Services that hold it. */
export const REPAIR_INTERVAL_MS = 60_000;
/**
 * Repairs in a row that find a reservation unused before it is released: a write in flight has time
 * to end (upstream's 3).
 */
export const REPAIRS_UNTIL_RELEASE = 3;
/** How often an apiserver says that it is alive, and how long that is believed. */
export const PEER_INTERVAL_MS = 10_000;
export const PEER_LEASE_S = 30;
/** How long an apiserver's identity Lease lasts, and how often it is renewed (upstream's). */
export const IDENTITY_LEASE_S = 3_600;
export const IDENTITY_RENEW_MS = 10_000;
/** How often Leases of apiservers that are gone are looked for (upstream's). */
export const IDENTITY_COLLECT_MS = 3_600_000;
/** How often the record of legacy tokens' start is looked at, and the least time to a new one. */
export const LEGACY_RECORD_CHECK_MS = 60_000;
export const LEGACY_RECORD_AGAIN_MS = 1_800_000;
/** How often priority levels and flow schemas get back what they lost (upstream's). */
export const FLOW_CONTROL_MEND_MS = 60_000;
/** The pause before a periodic task is retried after a failure. */
export const ROUND_RETRY_MS = 1_000;
/** Pause until the next look for instances of a definition that is being deleted. */
export const INSTANCES_LEFT_MS = 1_000;
/** Interval of looking again for instances of a definition that is being deleted. */
export const INSTANCES_CHECK_MS = 60_000;
/** Definitions whose instances are deleted side by side. */
export const INSTANCES_WORKERS = 4;
/** How long an Event lives (upstream's --event-ttl). */
export const EVENT_TTL_S = 3_600;
/** Objects written within this time share one lease of the store. */
export const LEASE_SHARING_MS = 60_000;
/** Objects on one lease, so that its end does not stop the store. */
export const LEASE_OBJECTS_MAX = 1_000;
/** How long a namespace is believed to have no LimitRange or quota (upstream's 30 s). */
export const EMPTY_NAMESPACE_MS = 30_000;
/** Namespaces remembered as empty, for LimitRanges and for quotas each (upstream's 10,000). */
export const EMPTY_NAMESPACES_MAX = 10_000;
/** Bytes that are read of a backend's error response. */
export const BACKEND_REFUSAL_BYTES_MAX = 64 * 1024;
/** The longest HTML tag whose links are rewritten behind `/proxy`. */
export const HTML_TAG_BYTES_MAX = 16 * 1024;

/** How often kubelets are scraped for the metrics API (metrics-server's --metric-resolution). */
export const METRICS_INTERVAL_MS = 15_000;
/** The time between the first two scrapes, so that the first client need not wait for long. */
export const METRICS_FIRST_WINDOW_MS = 2_000;
/** How long a request waits for the first two scrapes. */
export const METRICS_WAIT_MS = 8_000;
/** How long kubelets are scraped after the last request for metrics. */
export const METRICS_IDLE_MS = 300_000;
/** How long a new container runs before its start counts as a measurement (metrics-server's). */
export const METRICS_FRESH_MS = 10_000;
/**
 * Bytes of a backend's answer at which no more is read until they are taken: less than the
 * 64 KiB of one read have of content when they come in chunks of one byte.
 */
export const BACKEND_READ_BYTES = 8 * 1024;
/** How long a kubelet may take for its metrics (metrics-server's). */
export const METRICS_TIMEOUT_MS = 10_000;
/** Bytes that are read of one kubelet: all of its containers', or no pod there is measured. */
export const METRICS_BYTES_MAX = 32 * 1024 * 1024;
/** Pieces in which they come: each costs time and memory, one of a single byte too. */
export const METRICS_PIECES_MAX = 100_000;
/** A line of them has the names of a namespace, a pod and a container, 400 characters. */
export const METRICS_LINE_CHARS_MAX = 4_096;
export const METRICS_CONTAINERS_MAX = 10_000;
/** Kubelets that are scraped side by side. */
export const METRICS_NODES_AT_ONCE_MAX = 16;

/** The longest answer of a webhook: a patch of the largest object fits. */
export const WEBHOOK_ANSWER_BYTES_MAX = 8 * 1024 * 1024;
/** Memory of answers of admission and conversion that are longer than small ones. */
export const WEBHOOK_ANSWERS_BYTES_MAX = 256 * 1024 * 1024;
/** Pieces of an answer of a webhook or an aggregated API server: one of a byte costs time too. */
export const ANSWER_PIECES_MAX = 20_000;
/** A longer one has a turn of the event loop: a patch of 12 KB can be 10 ms of work. */
export const ANSWER_QUICK_BYTES = 4 * 1024;
/**
 * Values of such an answer outside of its texts, as of an aggregated API server's: of 8 MiB of them
 * parsing takes a second. The largest batch of a conversion has some 600,000.
 */
export const ANSWER_VALUES_MAX = 750_000;
/** Values of a verdict, whose patch is a text, beside those of its request, which it may repeat. */
export const VERDICT_VALUES_MAX = 10_000;
/** The time of a webhook that converts custom resources (upstream's). */
export const CONVERSION_TIMEOUT_MS = 30_000;
/** Objects of one call of such a webhook, and their bytes: the answer may be larger. */
export const CONVERSION_OBJECTS_MAX = 500;
export const CONVERSION_BYTES_MAX = 4 * 1024 * 1024;
/** Values of a conversion's answer beside four times those of the objects that it is sent. */
export const CONVERTED_VALUES_MAX = 10_000;
/** Labels, and annotations, that a conversion changes: they are validated in the event loop. */
export const CONVERTED_TEXTS_MAX = 1_000;
/** Bytes that are read of an answer of a webhook that is no success. */
export const WEBHOOK_REFUSAL_BYTES_MAX = 4 * 1024;
/** Calls of webhooks under way in one process. */
export const WEBHOOK_CALLS_MAX = 1_024;
/** Calls of webhooks for one user: more are refused, also where a policy ignores failures. */
export const WEBHOOK_CALLS_OF_USER_MAX = 256;
/** Webhooks to which connections are kept (upstream's 200), and their number to each. */
export const WEBHOOK_AGENTS_MAX = 200;
export const WEBHOOK_CONNECTIONS_MAX = 64;
export const WEBHOOK_IDLE_CONNECTIONS_MAX = 8;
/** Handshakes with webhooks under way, and how long one keeps others waiting. */
export const WEBHOOK_HANDSHAKES = { places: 2, turn_ms: 10 } as const;
/** How long a connection to a webhook is kept without a call: shorter than servers' usual 90 s. */
export const WEBHOOK_IDLE_MS = 30_000;
/** Calls under way to one issuer of tokens, or webhook that authenticates or authorizes. */
export const REMOTE_CALLS_MAX = 256;
/** Connections to it: a call that is under way waits for no other's. */
export const REMOTE_CONNECTIONS_MAX: number = REMOTE_CALLS_MAX;
/** The longest token that is looked into: go-jose's bound. */
export const TOKEN_BYTES_MAX = 250_000;
/** How long an issuer of tokens may take for one document (upstream's), and its bytes. */
export const ISSUER_TIMEOUT_MS = 30_000;
export const ISSUER_BYTES_MAX = 1024 * 1024;
/** Keys of one issuer. */
export const ISSUER_KEYS_MAX = 1_000;
/** Time between attempts to reach an issuer that has not answered yet (upstream's). */
export const ISSUER_RETRY_MS = 10_000;
/** Least time between two looks at an issuer's keys: tokens that name unknown keys cause such. */
export const ISSUER_KEYS_AGAIN_MS = 1_000;
/** How long a changed configuration's issuers have to answer (upstream's), else it is refused. */
export const ISSUERS_READY_MS = 60_000;
/** Issuers of one configuration (upstream's). */
export const ISSUERS_MAX = 64;
/** Values of groups, and of one extra, that a token's claims give its user. */
export const CLAIM_VALUES_MAX = 10_000;
/** How long a token that a webhook decided about is known, by default (upstream's). */
export const TOKEN_WEBHOOK_CACHE_MS = 120_000;
/** Answers of webhooks that authorize that are known, of each (upstream's). */
export const AUTHORIZATION_CACHE_ENTRIES_MAX = 8_192;
/** Characters of a request's attributes up to which its answer is kept (upstream's). */
export const AUTHORIZATION_CACHED_CHARS_MAX = 10_000;
/** How long a webhook that authenticates or authorizes may take (upstream's). */
export const REVIEW_TIMEOUT_MS = 30_000;
/** Attempts to reach a webhook, and the pauses between them (upstream's, which grow by half). */
export const REVIEW_ATTEMPTS_MAX = 5;
export const REVIEW_PAUSES = { first_ms: 500, most_ms: 2_000 } as const;
/** The longest answer of a webhook that authenticates or authorizes. */
export const REVIEW_BYTES_MAX = 1024 * 1024;
/** Match conditions of one webhook (upstream's). */
export const MATCH_CONDITIONS_MAX = 64;

/** How often an aggregated API server is asked whether it answers (upstream's resync). */
export const AGGREGATED_CHECK_MS = 30_000;
/** Requests of one check side by side, the time of each, and the bytes of their answers. */
export const AGGREGATED_CHECKS = 5;
export const AGGREGATED_CHECK_TIMEOUT_MS = 5_000;
export const AGGREGATED_CHECK_BYTES_MAX = 4 * 1024 * 1024;
/** Pauses after checks that failed, and checks at a time (upstream's). */
export const AGGREGATED_CHECKS_PAUSES = { first_ms: 5, most_ms: 30_000 } as const;
export const AGGREGATED_WORKERS = 5;
/** How long an aggregated API server may take for a request for discovery (upstream's). */
export const AGGREGATED_DISCOVERY_MS = 5_000;
/** The longest discovery and OpenAPI of an aggregated API server: 50 ms of parsing each. */
export const AGGREGATED_DISCOVERY_BYTES_MAX = 2 * 1024 * 1024;
export const AGGREGATED_OPENAPI_BYTES_MAX = 4 * 1024 * 1024;
/** Resources of its version: the garbage collector watches each. */
export const AGGREGATED_RESOURCES_MAX = 1_000;
/** How long it may take for OpenAPI, which it may have to make first (upstream's). */
export const AGGREGATED_OPENAPI_MS = 10_000;
/** How often these are read again, and the pauses after failures (upstream's). */
export const AGGREGATED_DOCUMENTS_MS = 60_000;
export const AGGREGATED_DOCUMENTS_PAUSES = { first_ms: 500, most_ms: 60_000 } as const;
export const AGGREGATED_DOCUMENTS_WORKERS = 2;
/** Requests passed on to one aggregated API server at a time, besides watches and streams. */
export const AGGREGATED_IN_FLIGHT_MAX = 200;
/** Watches and streams passed on to one at a time. */
export const AGGREGATED_LASTING_MAX = 1_600;
/**
 * Bytes of a list and of a watch of an aggregated API server that controllers read: a page has the
 * metadata of 500 objects, and a watch that was broken off is started again.
 */
export const AGGREGATED_LIST_BYTES_MAX = 4 * 1024 * 1024;
export const AGGREGATED_WATCH_BYTES_MAX = 1024 * 1024;

/** The cost of one expression, and of all of a policy or of all conditions (upstream's). */
export const EXPRESSION_COST_MAX = 1_000_000;
export const POLICY_COST_MAX = 10_000_000;
export const MATCH_CONDITIONS_COST_MAX = 2_500_000;
/** Steps of one expression in the thread of large requests: more than its cost allows for. */
export const EXPRESSION_STEPS_MAX = 4_000_000;
/** Objects with the parameters of one binding: each is another evaluation of the policy. */
export const POLICY_PARAMS_MAX = 1_000;
/** Kinds for which the expressions of a policy are checked (upstream's). */
export const POLICY_TYPES_MAX = 10;
/** Time between two attempts to write the statuses of policies. */
export const POLICY_STATUS_MS = 1_000;
/** Bytes of a message that an expression makes, and of an audit annotation (upstream's). */
export const EXPRESSION_MESSAGE_BYTES_MAX = 5 * 1_024;
export const AUDIT_ANNOTATION_BYTES_MAX = 10 * 1_024;

/** Bytes of an audit event in the log; longer ones lose their bodies (upstream's, of webhooks). */
export const AUDIT_LOG_EVENT_BYTES_MAX = 4 * BODY_BYTES_MAX;
/** Bytes of a list in an audit event; of a longer one only the head is written. */
export const AUDIT_LIST_BYTES_MAX = 1024 * 1024;
/** Characters of a user agent in an event (upstream's). */
export const AUDIT_USER_AGENT_CHARACTERS_MAX = 1_024;
/** Bytes of audit events that wait for one backend. */
export const AUDIT_BUFFER_BYTES_MAX = 64 * 1024 * 1024;
/** Attempts to write one batch of audit events (upstream's). */
export const AUDIT_ATTEMPTS_MAX = 6;
/** How long an audit webhook may take, and the bytes that are read of its answer. */
export const AUDIT_WEBHOOK_TIMEOUT_MS = 30_000;
export const AUDIT_WEBHOOK_ANSWER_BYTES_MAX = 64 * 1024;
/** Audit annotations of one request: some for each webhook and policy that it concerns. */
export const AUDIT_ANNOTATIONS_MAX = 256;
/** The longest name of a field manager. */
export const FIELD_MANAGER_BYTES_MAX = 128;
/** How long a member of the store may take to say how it is. */
export const STORE_STATUS_MS = 3_000;

assertLimits({
  "a patch of a whole object, in base64": (BODY_BYTES_MAX * 4) / 3 < WEBHOOK_ANSWER_BYTES_MAX,
  "one user's calls of webhooks are part of all": WEBHOOK_CALLS_OF_USER_MAX < WEBHOOK_CALLS_MAX,
  "a large body fits into what may wait": BODY_BYTES_MAX <= LARGE_REQUESTS_BYTES_MAX * SHARE,
  "one history is part of all": HISTORY_BYTES_MAX <= HISTORIES_BYTES_MAX,
  "one watcher's queue is part of all": WATCHER_QUEUE_BYTES_MAX <= WATCH_QUEUES_BYTES_MAX,
  "a small answer is a part of its owner's":
    ANSWER_SMALL_BYTES + STREAM_BYTES <= SMALL_ANSWERS_BYTES_MAX,
  "a body is a part of its owner's": BODY_BYTES_MAX + STREAM_BYTES <= BODIES_BYTES_MAX * SHARE,
  "connections are many owners'": 2 * CONNECTIONS_OF_OWNER_MAX < CONNECTIONS_MAX,
  "connections without a certificate leave those with one their share":
    CONNECTIONS_UNKNOWN_MAX + 2 * CONNECTIONS_OF_OWNER_MAX < CONNECTIONS_MAX,
  "handshakes are many addresses'": HANDSHAKES_OF_ADDRESS_MAX < HANDSHAKES_MAX,
  "a large request ends before its client gives up": LARGE_REQUEST_MS < REQUEST_TIMEOUT_MS,
  "a stalled answer ends before its request": ANSWER_STALL_MS < REQUEST_TIMEOUT_MS,
  "past states are those of events": STATES_MAX <= HISTORY_EVENTS_MAX,
  "a slice of a flush is shorter than the time between two": FLUSH_SLICE_MS < FLUSH_INTERVAL_MS,
  "the store is asked several times within a read's wait": PROGRESS_RETRY_MS < FRESH_WAIT_MS,
  "a read waits for the cache within its request": FRESH_WAIT_MS < REQUEST_TIMEOUT_MS,
  "headers, then the body, then the answer":
    HEADERS_TIMEOUT_MS <= REQUEST_BODY_TIMEOUT_MS && REQUEST_BODY_TIMEOUT_MS <= REQUEST_TIMEOUT_MS,
  "connections are looked at within their times": CONNECTION_CHECK_MS < HEADERS_TIMEOUT_MS,
  "an apiserver renews its leases before they end":
    PEER_INTERVAL_MS < PEER_LEASE_S * 1_000 && IDENTITY_RENEW_MS < IDENTITY_LEASE_S * 1_000,
  "lifetimes of tokens have a range": TOKEN_SECONDS_MIN < TOKEN_SECONDS_MAX,
  "each container has four lines of 500": METRICS_CONTAINERS_MAX * 2_000 <= METRICS_BYTES_MAX,
  "metrics are measured over more than one answer's time":
    METRICS_FIRST_WINDOW_MS < METRICS_WAIT_MS &&
    METRICS_WAIT_MS < REQUEST_TIMEOUT_MS &&
    METRICS_FRESH_MS < METRICS_INTERVAL_MS &&
    METRICS_INTERVAL_MS < METRICS_IDLE_MS,
  "a watch's end fits into a timer": 2 * WATCH_TIMEOUT_MS_MIN <= TIMER_MS_MAX,
});
