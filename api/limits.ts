/** Limits of decoders. Limits of the API itself are with the kinds. */

/** Recursion of decoders; above BODY_DEPTH_MAX of apimachinery, which bounds a whole body. */
export const DEPTH_MAX = 250;

/** Unknown fields that are named in an answer; the rest are dropped without a word. */
export const UNKNOWN_FIELDS_MAX = 100;
/** The rest of an unknown field's path is cut: a key on it may be as long as the body. */
export const UNKNOWN_FIELD_CHARACTERS_MAX = 1_024;

/** Characters of a value that a field's error shows: it may be the whole body. Upstream: all. */
export const SHOWN_VALUE_CHARACTERS_MAX = 16 * 1024;

/**
 * Topology spread constraints of a pod, and pod (anti-)affinity terms of each kind: the scheduler
 * compares each of them with every pod. Upstream has no bound.
 */
export const SCHEDULING_TERMS_MAX = 100;

/**
 * Expressions of a label selector: controllers compare each of them with every pod of a namespace.
 * Upstream has no bound.
 */
export const SELECTOR_EXPRESSIONS_MAX = 1_000;
/** Values of all these expressions. Upstream has no bound. */
export const SELECTOR_VALUES_MAX = 10_000;

/**
 * Labels of a Service's selector: the scheduler compares those of all Services of a namespace with
 * a pod, in one turn. Upstream has no bound.
 */
export const SERVICE_SELECTOR_MAX = 100;

/**
 * Claim templates of a StatefulSet: each is an object for each replica, with all labels of its
 * selector, before any pod is there that a quota counts. Upstream has no bound.
 */
export const CLAIM_TEMPLATES_MAX = 100;

/** Restart rules of a container, and exit codes of one (upstream: the same). */
export const RESTART_RULES_MAX = 20;
export const RESTART_EXIT_CODES_MAX = 255;

/**
 * Containers of a pod in each of its lists: with every event a node compares each of them with all
 * others. Upstream has no bound.
 */
export const CONTAINERS_MAX = 256;

/**
 * Requests and limits of a pod's containers together, 8 for each of its containers and init
 * containers: quotas add up those of all pods of a namespace. Upstream has no bound.
 */
export const AMOUNTS_MAX = 4_096;

/**
 * Bytes of JSON of a pod's containers that its status repeats, their resources three times: of a
 * megabyte the node writes that and its size again with each change, or it does not fit in the
 * store. Upstream has no bound.
 */
export const REPEATED_BYTES_MAX = 256 * 1024;

/**
 * Access modes of a volume or claim, of which there are four: a claim's are compared with those of
 * each volume, and a driver is asked for each. Upstream has no bound.
 */
export const ACCESS_MODES_MAX = 16;
/**
 * Volumes of a pod: scheduler, controllers and nodes look for the claims of all pods, each in each.
 * Upstream has no bound.
 */
export const VOLUMES_MAX = 1_000;

/**
 * Length of a CronJob's schedule. A megabyte of ranges takes the API server a third of a second,
 * and so it takes the controllers at each look. Upstream has no bound.
 */
export const SCHEDULE_CHARACTERS_MAX = 4_096;

/** Ports of one number that each further one of a pod is compared with, for its warnings. */
export const EQUAL_PORTS_MAX = 16;
