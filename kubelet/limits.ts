import { assertLimits } from "@raft2kube/std/assert.ts";

/** Upstream's defaults unless a comment says why not. */

/** A crashed container waits this long before its second restart; doubled up to the most. */
export const CRASH_BACK_OFF_MS = 10_000;
export const CRASH_BACK_OFF_MS_MAX = 300_000;
/** The same for image pulls. */
export const PULL_BACK_OFF_MS = 10_000;
export const PULL_BACK_OFF_MS_MAX = 300_000;
/** A pod whose sync failed (volumes, sandbox) is tried again after this. */
export const SYNC_BACK_OFF_MS = 1_000;
export const SYNC_BACK_OFF_MS_MAX = 10_000;
/** Every pod is looked at this often even when nothing happened. */
export const RESYNC_MS = 60_000;
/**
 * Time between two lists of all containers while the runtime streams events, and while it does not.
 */
export const RELIST_EVENTED_MS = 300_000;
export const RELIST_GENERIC_MS = 1_000;
/** A lost event stream is opened again after this. */
export const EVENTS_REOPEN_MS = 1_000;

/** Largest checkpoint (of devices, of allocated resources) that is read. */
export const CHECKPOINT_BYTES_MAX = 64 * 1024 * 1024;
/** Largest record of a CSI volume that is read: its handle is a part of one object. */
export const VOLUME_DATA_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Number of credentials kept of the pulls of one image, the newest; of its repositories, the first:
 * pods of others pull it each time; and of interrupted pulls, the newest.
 */
export const PULLED_CREDENTIALS_MAX = 100;
export const PULLED_REPOSITORIES_MAX = 1_000;
export const PULLS_CUT_SHORT_MAX = 1_000;
/** Characters of an image's repository with its registry (distribution's grammar). */
export const IMAGE_NAME_LENGTH_MAX = 255;
/**
 * Pull secrets of a pod, and the characters of all their texts: 20,000 registries at most, parsed
 * in 20 ms for each image.
 */
export const PULL_SECRETS_MAX = 64;
export const PULL_SECRETS_CHARACTERS_MAX = 256 * 1024;

/** One image's pull. */
export const IMAGE_PULL_TIMEOUT_MS = 1_800_000;
/** Time added to a container's grace period before StopContainer counts as hung. */
export const STOP_EXTRA_MS = 60_000;
/** Seconds that a container has at least between SIGTERM and SIGKILL (upstream: the same). */
export const GRACE_S_MIN = 2;
/** Seconds at most that a pod has to end of which only its containers are left. */
export const ORPHAN_GRACE_S_MAX = 30;

/** Longest line of output kept of an exec probe, and of an HTTP probe's body. */
export const PROBE_OUTPUT_BYTES_MAX = 10 * 1024;
/**
 * Probes of all pods of a node that start at a time, and how long each keeps its place: 400 plain
 * ones a second, of 0.3 ms of the event loop; 250 of TLS, which take three times as long, and of
 * gRPC; 50 commands, which are processes.
 */
export const PROBE_PLACES = 8;
export const PROBE_TURN_MS = 20;
export const PROBE_TURN_TLS_MS = 32;
export const PROBE_TURN_COMMAND_MS = 160;

/** Headers of an HTTP probe or hook: 35,000 take 150 ms each time. */
export const PROBE_HEADERS_MAX = 256;
/**
 * Characters of an HTTP probe's or hook's path and headers, more than servers take, and of a
 * probe's gRPC service or command: a megabyte takes 10 to 20 ms each time.
 */
export const PROBE_REQUEST_LENGTH_MAX = 64 << 10;
/** The longest that an HTTP probe or hook waits, 25 days: what a timer of Node takes. */
export const GET_MS_MAX = 2 ** 31 - 1;
/** An answer to a gRPC probe, which is a few bytes. */
export const PROBE_ANSWER_BYTES_MAX = 64 * 1024;
/** A termination message read from its file, and one made from the end of the log. */
export const TERMINATION_MESSAGE_BYTES_MAX = 4_096;
export const TERMINATION_LOG_BYTES_MAX = 2_048;
export const TERMINATION_LOG_LINES_MAX = 80;
/** Bytes read of the log for it: those lines' times and the longest line of a runtime, 16 KiB. */
export const TERMINATION_LOG_READ_BYTES = 32 * 1024;
/** Supplemental groups that a container's status shows: an image may have any number. */
export const GROUPS_SHOWN_MAX = 1_000;
/** The messages of all containers of a pod, which have equal parts. */
export const TERMINATION_MESSAGES_BYTES_MAX = 12 * 1024;

/** Heartbeats of the node. */
export const NODE_STATUS_MS = 10_000;
export const NODE_STATUS_REPORT_MS = 300_000;
export const NODE_LEASE_S = 40;
/** How often the node's Lease is renewed within its duration. */
export const NODE_LEASE_RENEWALS = 4;
export const NODE_RETRY_MS = 1_000;
/** Changes of devices are shown together: a plugin may change them without end. */
export const NODE_DEVICES_MS = 500;
/** How often, and how long, a new node is looked at until it is ready (upstream: the same). */
export const NODE_START_LOOK_MS = 100;
export const NODE_START_MS = 120_000;
/** Images named in the Node's status. */
export const NODE_IMAGES_MAX = 50;
export const PODS_MAX = 110;
/** Users and groups of one pod with a user namespace, each (upstream's `idsPerPod`). */
export const USERS_OF_POD = 65_536;
/** Labels and annotations of one pod that are passed to the runtime. */
export const POD_METADATA_BYTES_MAX = 16 * 1024;
/**
 * Processes and threads of one pod (upstream has no limit unless configured), and the share of the
 * machine's that all pods together may have; the rest is for the node itself.
 */
export const POD_PIDS_MAX = 4_096;
export const PODS_PIDS_SHARE = 0.9;
/**
 * The share of the machine's memory that buffers of one pod's TCP connections may have on cgroup
 * v1, where they count as no group's memory otherwise. The kernel gives those of the whole machine
 * a tenth of it (`net.ipv4.tcp_mem`), beyond which every connection slows down.
 */
export const POD_TCP_SHARE = 0.01;
/**
 * The share of the machine's memory that buffers of all TCP connections may have before pods with
 * most of them are evicted. The kernel takes measures from 6 % on.
 */
export const TCP_SHARE = 0.05;

/**
 * A container's environment, and its command line, with variables expanded, as config.json has
 * them. No program starts with more: execve(2) takes 6 MiB of both at most.
 */
export const EXPANDED_BYTES_MAX = 6 * 2 ** 20;
/**
 * Counts for each variable besides its text: a million with short names take seconds to be passed
 * on.
 */
export const VARIABLE_BYTES = 32;
/**
 * Ports of a namespace's Services that its containers have variables for, five each and more: no
 * program starts with those of twice as many.
 */
export const SERVICE_LINK_PORTS_MAX = 5_000;
/** Files of variables of one container (`fileKeyRef`): as much as an object's data. */
export const ENV_FILES_BYTES_MAX = 2 ** 20;
/**
 * The environments of a pod's containers, and their command lines: each is written several times to
 * the node's disk, where it does not count as the pod's.
 */
export const EXPANDED_OF_POD_BYTES_MAX = 12 * 2 ** 20;

/** Directories in a pod's volumes of files at which other volumes are mounted. */
export const NESTED_DIRECTORIES_MAX = 1_000;

/**
 * The files of one pod's configMap, secret, downwardAPI and projected volumes, in whole pages: as
 * many as 32 of the largest Secrets. Most of them lie in the node's memory.
 */
export const FILES_OF_POD_BYTES_MAX = 32 * 2 ** 20;
/**
 * The number of these files, with their directories and sources: a client may have them written
 * each second.
 */
export const FILES_OF_POD_MAX = 1_000;
/** mount.nfs retries a server that does not answer for two minutes on its own. */
export const NFS_MOUNT_TIMEOUT_MS = 2 * 60_000;
/** How long an unmount may write out what the node has in memory; then the mount is detached. */
export const NFS_UNMOUNT_TIMEOUT_MS = 10_000;
/** How long a block device of a local volume may be formatted, checked or mounted. */
export const DEVICE_PROGRAM_TIMEOUT_MS = 30 * 60_000;
/** Messages of a failed mount or unmount that are kept. */
export const PROGRAM_OUTPUT_BYTES_MAX = 16 << 10;
/**
 * File systems, beside those of FUSE, whose calls wait for another machine without end. Those of a
 * virtual machine's host (9p, virtiofs) are not among them.
 */
export const NETWORK_FILE_SYSTEMS: readonly string[] = [
  "nfs",
  "nfs4",
  "cifs",
  "smb3",
  "ceph",
  "afs",
  "lustre",
];

/** Volumes of one pod: each may be a mount of the node's, of which the kernel has 100,000. */
export const VOLUMES_OF_POD_MAX = 512;

/** A ConfigMap or Secret read less than this ago counts as fresh. */
export const OBJECT_TTL_MS = 60_000;
/** How long a pod waits for a newer state of an object that was read before. */
export const OBJECT_WAIT_MS = 2_000;
/** Objects that pods name, and tokens, which the node asks the API server for at a time. */
export const OBJECT_READS_MAX = 16;
/** How long a pod's sync waits until a volume that is set up already is refreshed. */
export const VOLUME_REFRESH_WAIT_MS = 5_000;
/** A service account token is replaced when it has lived 80 % of its time, or a day. */
export const TOKEN_REFRESH_AT = 0.8;
export const TOKEN_REFRESH_MS_MAX = 24 * 3_600_000;

/** A container log is cut at this size and this many files are kept, the current one included. */
export const LOG_FILE_BYTES_MAX = 10 * 2 ** 20;
export const LOG_FILES_MAX = 5;
/** Characters of a file's name in the file systems of nodes. */
export const FILE_NAME_MAX = 255;
/** Time between two checks of logs' sizes: at most, and at least for one that grows fast. */
export const LOG_ROTATE_PERIOD_MS = 1_000;
export const LOG_ROTATE_MS_MIN = 50;
/**
 * Logs that are reopened at a time. A conmon that takes longer than its turn (a client that has
 * attached reads nothing) holds up no others.
 */
export const LOGS_ROTATED_AT_ONCE_MAX = 8;
export const LOG_ROTATE_TURN_MS = 100;

/** Images are removed, least recently used first, above the high mark until below the low one. */
export const IMAGE_GC_HIGH_PERCENT = 85;
export const IMAGE_GC_LOW_PERCENT = 80;
export const IMAGE_GC_PERIOD_MS = 300_000;
export const IMAGE_GC_MIN_AGE_MS = 120_000;
/** Images kept that no container uses: pods may name any number of small ones, which are listed. */
export const IMAGES_MAX = 1_000;
export const CONTAINER_GC_PERIOD_MS = 60_000;
/** Dead containers kept per container of a living pod, for `logs --previous`. */
export const DEAD_PER_CONTAINER_MAX = 1;
/**
 * Time between two checks of the node's free resources, and of pods with limits on local storage: a
 * fast disk takes gigabytes in upstream's 10 s.
 */
export const EVICTION_PERIOD_MS = 2_000;
export const STORAGE_PERIOD_MS = 2_000;
/** How often the buffers of pods' sockets are looked at, however little memory the node loses. */
export const SOCKET_LOOK_MS = 120_000;
/** A pod's files are not measured again for this many times as long as it took. */
export const STORAGE_REST = 10;
/** Descriptors, mappings and mounts of a pod among which its files without a name are found. */
export const UNLINKED_LOOKS_MAX = 1_000_000;
/** How long the files of all pods are measured before one of them is chosen to be evicted. */
export const EVICTION_MEASURE_MS = 10_000;
/** Namespaces whose pods' files are measured at the same time. */
export const NAMESPACES_MEASURED_MAX = 8;
/** A CPU rate is that of an interval of this length: a shorter one is noise, a longer one stale. */
export const CPU_RATE_MS_MIN = 1_000;
export const CPU_RATE_MS_MAX = 60_000;
/**
 * A pod's storage is measured for statistics at most this often (upstream: every minute), and a
 * request for them waits this long for it.
 */
export const STATS_STORAGE_MS = 10_000;
export const STATS_STORAGE_WAIT_MS = 2_000;
/**
 * Pods measured concurrently; one that takes longer than its turn no longer counts, so that volumes
 * whose server does not answer hold up no others.
 */
export const STATS_STORAGE_AT_ONCE_MAX = 4;
export const STATS_STORAGE_TURN_MS = 500;
/** How long a pod that is evicted for disk space waits for what frees some without it. */
export const FREEING_MS = 10_000;
/** Pods whose dead containers, logs and layers are removed concurrently: each may take minutes. */
export const REMOVALS_AT_ONCE_MAX = 16;
/**
 * Work of the runtime on pods that goes on at a time: so much of a processor, at least the first.
 * One that takes longer than its turn no longer counts.
 */
export const POD_TURNS_MIN = 8;
export const POD_TURNS_OF_PROCESSOR = 2;
export const POD_TURN_MS = 5_000;
/**
 * Volumes that are mounted or unmounted at a time. One that takes longer than its turn no longer
 * counts: its driver or server may not answer.
 */
export const CSI_VOLUMES_AT_ONCE_MAX = 4;
export const NFS_MOUNTS_AT_ONCE_MAX = 16;
export const VOLUME_TURN_MS = 5_000;
/** An evicted pod may take this long to go before another one is evicted for the same cause. */
export const EVICTED_LEAVES_MS = 30_000;

/** The static pod directory is read again this often, next to file events. */
export const STATIC_POD_PERIOD_MS = 20_000;
export const STATIC_POD_FILE_BYTES_MAX = 1 << 20;
/** A static pod's file is read when it has not changed for this long: it is whole. */
export const STATIC_POD_SETTLE_MS = 250;

/** How long a handshake, the headers and the rest of a request to the kubelet may take. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
export const HEADERS_TIMEOUT_MS = 10_000;
/** All headers of one request, its path included: what the API server takes, and what it adds. */
export const HEADER_BYTES_MAX = 80 * 1024;
export const REQUEST_TIMEOUT_MS = 30_000;
/** A running exec, attach or port-forward without traffic ends after this. */
export const STREAM_IDLE_MS = 4 * 3_600_000;

/** A status that could not be written is written again after this, doubled up to the most. */
export const STATUS_RETRY_MS = 250;
export const STATUS_RETRY_MS_MAX = 10_000;
/**
 * Statuses that are written at a time, and those of one namespace: the client's requests per second
 * are the Lease's, too, and statuses of pods of a megabyte take seconds.
 */
export const STATUS_WRITES_MAX = 16;
export const STATUS_WRITES_OF_NAMESPACE_MAX = 4;
/** Mirror pods that are written at a time: the client's requests per second are the Lease's, too. */
export const MIRROR_WRITES_MAX = 4;
/** Mirror pods that could not be written are tried again after this. */
export const MIRROR_RETRY_MS = 5_000;
/**
 * Delay before a deleted mirror is created again: kubectl waits until the name is free, and would
 * take a new mirror for the old one.
 */
export const MIRROR_AGAIN_MS = 1_000;
/** Objects of each resource, and tokens, kept in memory; and the text of those objects. */
export const OBJECTS_CACHED_MAX = 1_000;
export const OBJECTS_CACHED_CHARACTERS_MAX = 64 * 2 ** 20;
export const TOKENS_CACHED_MAX = 1_000;
/** Time for the runtime to come up when the kubelet starts beside it. */
export const RUNTIME_START_MS = 60_000;
/**
 * A follower of a log asks this often whether its container may still write, and looks for itself
 * should no file event come; it reads no more often than the second.
 */
export const LOG_FOLLOW_POLL_MS = 1_000;
export const LOG_FOLLOW_MS_MIN = 100;
/** Logs that are being read, followed or not. The reserve is for pods of kube-system. */
export const LOGS_READ_MAX = 512;
export const LOGS_READ_OF_NAMESPACE_MAX = 256;
export const LOGS_READ_OF_POD_MAX = 64;
export const LOGS_READ_RESERVED = 64;
/** Statuses that one reader of a pod asks the runtime for at a time: it has one channel for all. */
export const STATUSES_AT_ONCE_MAX = 32;
/** Runtimes cut lines at 16 KiB; one longer than this is no log line. */
export const LOG_LINE_BYTES_MAX = 1 << 20;
/** The streaming server of the runtime is on this machine. */
export const STREAM_CONNECT_MS = 5_000;
/** A pressure that has gone is shown this much longer (upstream's transition period). */
export const PRESSURE_LASTS_MS = 300_000;
/** Addresses of one request for rules, the lines of its answer, and how long nft may take. */
export const RULE_ADDRESSES_MAX = 20;
export const RULE_LINES_MAX = 2_000;
export const RULES_MS_MAX = 10_000;
/** The node stays ready while its runtime is silent for less than this. */
export const RUNTIME_SILENT_MS = 30_000;

assertLimits({
  "back-offs grow":
    CRASH_BACK_OFF_MS <= CRASH_BACK_OFF_MS_MAX && PULL_BACK_OFF_MS <= PULL_BACK_OFF_MS_MAX,
  "retries grow":
    SYNC_BACK_OFF_MS <= SYNC_BACK_OFF_MS_MAX && STATUS_RETRY_MS <= STATUS_RETRY_MS_MAX,
  "the node's Lease is renewed several times before it ends": NODE_LEASE_RENEWALS > 3,
  "the node's status is looked at more often than reported": NODE_STATUS_MS < NODE_STATUS_REPORT_MS,
  "containers are listed less often when the runtime streams events":
    RELIST_GENERIC_MS < RELIST_EVENTED_MS,
  "images are removed down to a lower mark": IMAGE_GC_LOW_PERCENT < IMAGE_GC_HIGH_PERCENT,
  "each pod of a node may have two TLS probes a second":
    2 * PODS_MAX <= (PROBE_PLACES * 1_000) / PROBE_TURN_TLS_MS,
  "a message from the log is no longer than one from a file":
    TERMINATION_LOG_BYTES_MAX <= TERMINATION_MESSAGE_BYTES_MAX,
  "the log is looked at no more often than allowed": LOG_ROTATE_MS_MIN <= LOG_ROTATE_PERIOD_MS,
  "a follower waits less than for its next question": LOG_FOLLOW_MS_MIN < LOG_FOLLOW_POLL_MS,
  "logs of a pod are part of its namespace's, and those of all":
    LOGS_READ_OF_POD_MAX <= LOGS_READ_OF_NAMESPACE_MAX &&
    LOGS_READ_OF_NAMESPACE_MAX + LOGS_READ_RESERVED < LOGS_READ_MAX,
  "a line fits into a log file": LOG_LINE_BYTES_MAX <= LOG_FILE_BYTES_MAX,
  "headers come before the request is over": HEADERS_TIMEOUT_MS <= REQUEST_TIMEOUT_MS,
});
