import { assertLimits } from "@raft2kube/std/assert.ts";

/** Every bound of the runtime, named. Sizes are bytes, times milliseconds. */

/** An image manifest or index: the distribution spec asks registries to accept 4 MiB. */
export const MANIFEST_BYTES = 4 << 20;
/** How long a process waits for another that changes the images. */
export const STORE_LOCK_TIMEOUT_MS = 60_000;
/** An image's configuration. */
export const IMAGE_CONFIG_BYTES = 4 << 20;
/** A user and a group in it, as they may be in /etc/passwd: they stay in memory. */
export const IMAGE_USER_CHARACTERS_MAX = 1_024;
/**
 * Bytes of JSON of an image's variables, commands and working directory, which each container's
 * config.json has: they count as no pod's.
 */
export const IMAGE_PROCESS_BYTES_MAX = 128 << 10;
/**
 * Values in one of these documents, names of members included: a megabyte of names takes 0.3 s of
 * the node's turn to parse, and empty objects have 60 bytes of memory for each byte.
 */
export const JSON_VALUES_MAX = 20_000;
/** One layer as it travels, and all that it unpacks to. */
export const LAYER_BYTES = 8 * 2 ** 30;
export const LAYER_UNPACKED_BYTES = 16 * 2 ** 30;
/** Blobs that are remembered to hold a layer, each compressed in its own way. */
export const LAYER_BLOBS_KNOWN = 16;
/**
 * Largest ratio of a layer's size to that of its download, and the size from which on it is
 * checked.
 */
export const LAYER_RATIO = 100;
export const LAYER_RATIO_FREE_BYTES = 256 * 2 ** 20;
/** Frames of zstd, each of which takes 0.2 ms, that need not have so many bytes in the middle. */
export const ZSTD_FRAMES_FREE = 50_000;
export const ZSTD_FRAME_BYTES = 64;

/**
 * A layer is read and decompressed in pieces of this size. Each piece takes a thread's turn and one
 * of every step behind it: with Node's own 16 KiB there are three times as many.
 */
export const LAYER_PIECE_BYTES = 256 << 10;
/**
 * Entries in one layer, the directories that their names imply included; layers in one image
 * (overlayfs takes 500).
 */
export const LAYER_ENTRIES = 1_000_000;
export const IMAGE_LAYERS = 127;
/** Directories of one path in a layer, which are made in one turn of the event loop. */
export const LAYER_DEPTH = 500;
/** Memory for a layer's directories, whose times are set once all is unpacked. */
export const LAYER_DIRECTORIES_BYTES = 128 << 20;
/** Names of all images, each of which a pull may add: all are looked at for one image. */
export const IMAGE_NAMES_MAX = 10_000;
/** An archive of images (`r2k image load`): files and links, a name of one, names of images. */
export const ARCHIVE_ENTRIES = 10_000;
export const ARCHIVE_NAME_BYTES = 4_096;
export const ARCHIVE_IMAGES = 256;
/** Files of one folder of CDI specifications, and one of them: they are read at each use. */
export const CDI_FILES_MAX = 256;
export const CDI_FILE_BYTES_MAX = 1 << 20;
/** One in YAML, which is parsed in one turn of the event loop: that of eight GPUs has half. */
export const CDI_YAML_BYTES_MAX = 128 << 10;
/**
 * Disk space that images leave free for the store, logs and volumes: a tenth of the disk, but not
 * more than that many bytes; of its inodes a twentieth. Checked each time that this much more was
 * written.
 */
export const DISK_RESERVE_SHARE = 0.1;
export const DISK_RESERVE_BYTES = 4 * 2 ** 30;
export const INODE_RESERVE_SHARE = 0.05;
export const DISK_CHECK_BYTES = 16 * 2 ** 20;
/** An extended header in a tar (pax, GNU's long names): what Go's reader takes. */
export const TAR_EXTENSION_BYTES = 1 << 20;
/** Records in one such header; those of a whole tar, each header counted as one more. */
export const TAR_RECORDS = 4_096;
export const TAR_RECORDS_ALL = 10_000_000;
/**
 * /etc/passwd and /etc/group of an image, which are parsed in one turn for each container: a
 * megabyte of line feeds takes a second.
 */
export const ACCOUNT_FILE_BYTES = 1 << 20;
export const ACCOUNT_FILE_LINES = 10_000;
/** Groups of a container besides its own: each event of a pod has those of all its containers. */
export const SUPPLEMENTAL_GROUPS_MAX = 1_000;

/** Commands under way in one container, those of probes included. */
export const EXECS_PER_CONTAINER = 128;
/**
 * Terminals of one container, those of commands included. All containers of the machine have
 * `kernel.pty.max` of them together, without those that the kernel reserves for the host.
 */
export const TERMINALS_PER_CONTAINER = 128;
/**
 * Output of one ExecSync, both streams together: as much as fits into a message of CRI's 16 MiB. A
 * part of it is the call's own, the rest comes out of a budget that all calls share.
 */
export const EXEC_SYNC_OUTPUT_BYTES = (16 << 20) - (64 << 10);
export const EXEC_SYNC_OWN_BYTES = 16 << 10;
export const EXEC_SYNC_ALL_BYTES = 64 << 20;
/** How long conmon may take to reopen a log. */
export const REOPEN_TIMEOUT_MS = 5_000;
/** How long after a command's end its children may hold its output open. */
export const EXEC_DRAIN_MS = 1_000;
/** Output bytes of a command of the OCI runtime. */
export const COMMAND_OUTPUT_BYTES = 1 << 20;
export const COMMAND_TIMEOUT_MS = 60_000;

/** How long conmon may take to report the container's pid. */
export const CREATE_TIMEOUT_MS = 60_000;
/** How long a killed container may take to be gone. */
export const KILL_TIMEOUT_MS = 10_000;
/** How often an awaited container is checked, in addition to conmon's reports. */
export const EXIT_CHECK_INTERVAL_MS = 500;
/** How often all containers are looked at where files cannot be watched. */
export const EXIT_POLL_INTERVAL_MS = 1_000;
/** How often it is looked whether running containers have their conmon, and pods their files. */
export const MONITOR_CHECK_INTERVAL_MS = 5_000;
/** How long conmon may take to write the exit file after its container ended. */
export const EXIT_FILE_TIMEOUT_MS = 5_000;

/**
 * Look-ups of registries' names at a time, and of one namespace: libuv gives all of a process half
 * of its four threads. One whose servers do not answer takes the system 10 s and more.
 */
export const REGISTRY_LOOKUPS_MAX = 2;
export const REGISTRY_LOOKUPS_OF_NAMESPACE_MAX = 1;

/**
 * A registry: time of a request, and the bytes that a transfer must bring in as much time of
 * waiting.
 */
export const REGISTRY_TIMEOUT_MS = 60_000;
export const REGISTRY_PROGRESS_BYTES = 64 << 10;
/** The wait that a registry may ask for after too many requests, and how often for one request. */
export const REGISTRY_WAIT_MS = 30_000;
export const REGISTRY_WAITS = 4;
/** Times that the transfer of one blob goes on after it broke off. */
export const BLOB_RESUMES_MAX = 5;
/** Bytes of one piece of an upload. */
export const UPLOAD_CHUNK_BYTES = 16 << 20;
/** The headers of an answer; redirections that are followed; indexes within indexes. */
export const REGISTRY_HEADER_BYTES = 32 << 10;
export const REGISTRY_REDIRECTS = 5;
export const INDEX_DEPTH = 3;
/** Characters of a registry's error that are looked at, and that are passed on as one line. */
export const REGISTRY_ERROR_CHARACTERS = 64 << 10;
export const REGISTRY_MESSAGE_CHARACTERS = 300;
/** A challenge (`WWW-Authenticate`) that is read. */
export const CHALLENGE_CHARACTERS = 4_096;
/** Layers fetched concurrently. */
export const LAYERS_AT_ONCE = 3;
/**
 * Layers read or unpacked at a time, and of one namespace's pulls: for one zstd may take a window
 * of 128 MiB, and its directories have LAYER_DIRECTORIES_BYTES.
 */
export const LAYERS_UNPACKED_MAX = 6;
export const LAYERS_UNPACKED_OF_NAMESPACE_MAX = 2;
/** An answer of a token server. */
export const TOKEN_BYTES = 1 << 20;

/** How long a command on a terminal waits for the client's size before it starts without. */
export const FIRST_SIZE_TIMEOUT_MS = 100;
/** How often an exec's terminal is asked for until the OCI runtime has handed it over. */
export const CONSOLE_INTERVAL_MS = 2;
/** conmon reads input from the attach socket in pieces of at most this. */
export const ATTACH_PACKET_BYTES = 8_192;

/** A streaming URL is good for one request, this long. */
export const STREAM_TOKEN_TTL_MS = 60_000;
/**
 * Concurrent execs, attachments and port-forwards, unused URLs included; each may hold a mebibyte
 * that is not read. The reserve is for pods of kube-system.
 */
export const STREAMS = 256;
export const STREAMS_OF_POD = 32;
export const STREAMS_OF_NAMESPACE = 64;
export const STREAMS_RESERVED = 32;
/** Connections to their server, which any user of the machine reaches: a descriptor each. */
export const STREAM_CONNECTIONS_MAX = 2 * STREAMS;
/**
 * Connections of all port-forwards, of which a stream has up to 500: each may hold 128 KiB that its
 * client does not read. The reserve is for pods of kube-system.
 */
export const FORWARDED = 1_024;
export const FORWARDED_OF_POD = 256;
export const FORWARDED_OF_NAMESPACE = 384;
export const FORWARDED_RESERVED = 64;
/** How long what a client has sent before it went may wait for its pod. */
export const FORWARD_DRAIN_MS = 10_000;

/** Events that wait for one slow reader of GetContainerEvents before the oldest go. */
export const EVENT_BACKLOG = 1_000;
/**
 * How long a measured size of a writable layer is good for, at least, and as a multiple of the time
 * that it took to measure.
 */
export const DISK_USAGE_TTL_MS = 2_000;
export const DISK_USAGE_REST = 10;
/** Namespaces whose writable layers are measured at the same time: each walk holds descriptors. */
export const DISK_USAGE_NAMESPACES_MAX = 8;
/**
 * Sandboxes or containers in one message of a stream that lists them: with 16 KiB of annotations
 * each, as the kubelet passes on, less than the 16 MiB of a message.
 */
export const LIST_PIECE_ITEMS = 250;
/** How long statistics of all containers wait for the size of each writable layer. */
export const DISK_USAGE_WAIT_MS = 1_000;

/** Bits per second that an annotation may bound a pod's traffic to, as upstream. */
export const BANDWIDTH_MIN = 1_000;
export const BANDWIDTH_MAX = 1e15;
/** The burst of a bounded pod: the traffic of this long, in bits, within these bounds. */
export const BANDWIDTH_BURST_S = 0.1;
export const BANDWIDTH_BURST_MIN = 1_048_576;
export const BANDWIDTH_BURST_MAX = 2_147_483_647;

assertLimits({
  "streams of a pod are part of its namespace's, and those of all":
    STREAMS_OF_POD <= STREAMS_OF_NAMESPACE && STREAMS_OF_NAMESPACE + STREAMS_RESERVED < STREAMS,
  "connections of a pod are part of its namespace's, and those of all":
    FORWARDED_OF_POD <= FORWARDED_OF_NAMESPACE &&
    FORWARDED_OF_NAMESPACE + FORWARDED_RESERVED < FORWARDED,
  "every command of a container may have a terminal":
    EXECS_PER_CONTAINER <= TERMINALS_PER_CONTAINER,
  "a call's own output is part of all that it may have":
    EXEC_SYNC_OWN_BYTES <= EXEC_SYNC_OUTPUT_BYTES,
  "one call's output is part of all calls'": EXEC_SYNC_OUTPUT_BYTES <= EXEC_SYNC_ALL_BYTES,
  "a layer is larger unpacked": LAYER_BYTES <= LAYER_UNPACKED_BYTES,
  "the disk is looked at before its reserve is used up": DISK_CHECK_BYTES < DISK_RESERVE_BYTES,
  "an exit is looked for within the time of its file": EXIT_POLL_INTERVAL_MS < EXIT_FILE_TIMEOUT_MS,
  "a terminal is asked for before a command starts without its size":
    CONSOLE_INTERVAL_MS < FIRST_SIZE_TIMEOUT_MS,
  "a bound of traffic is a range": BANDWIDTH_MIN < BANDWIDTH_MAX,
  "a burst is a range": BANDWIDTH_BURST_MIN < BANDWIDTH_BURST_MAX,
});
