import { assertLimits } from "@raft2kube/std/assert.ts";

/**
 * Keys that one controller works on side by side, unless it says otherwise (upstream's usual 5), of
 * which one namespace has half.
 */
export const WORKERS = 10;

/**
 * Pods that one ReplicaSet creates or deletes in one step (upstream: 500). The steps of all workers
 * share the client's requests per second, and the next ReplicaSet waits until one has ended.
 */
export const REPLICAS_BURST = 100;

/** Pods that one Parallel StatefulSet creates, and that it scales away, in one step. */
export const STATEFUL_PODS_BURST = 100;

/** Claims of those pods, which are planned together; a pod with more is created alone. */
export const STATEFUL_CLAIMS_BURST = 10_000;
/** Claims of a namespace whose protection is looked at before those of another. */
export const CLAIMS_OF_TURN_MAX = 100;

/**
 * Changes of objects in one namespace that are compared with its selectors; after more at a time,
 * all that have a selector are looked at.
 */
export const CHANGES_COMPARED_MAX = 1_000;

/** How often a scale is written again after a conflict (client-go's). */
export const SCALE_ATTEMPTS_MAX = 5;

/** How long a controller waits to see its own writes in its informer before it looks again. */
export const EXPECTATIONS_MS = 5 * 60_000;

/** Characters of the list of earlier revisions kept on a ReplicaSet (upstream's bound). */
export const REVISION_HISTORY_CHARS_MAX = 2_000;

/** Endpoints in one EndpointSlice (upstream's --max-endpoints-per-slice). */
export const ENDPOINTS_PER_SLICE_MAX = 100;
/**
 * Ports in the different lists of ports that a Service's pods offer: where one port's name has
 * another number in each pod, each has an EndpointSlice of its own, of up to 20,000 ports.
 */
export const PORTS_OF_SERVICE_MAX = 100_000;
/** Addresses of one subset of an Endpoints object that are mirrored; more are left out. */
export const MIRRORED_PER_SUBSET_MAX = 1_000;

/**
 * How long a ServiceCIDR stays after its deletion was asked for: by then every apiserver knows of
 * it and has stopped allocating from it (upstream's).
 */
export const SERVICE_CIDR_GRACE_MS = 10_000;

/** Addresses in one Endpoints object; more are cut off and marked so (upstream's bound). */
export const ENDPOINTS_ADDRESSES_MAX = 1_000;

/** Life of a controller's token, and the share of it after which a new one is asked for. */
export const TOKEN_LIFETIME_S = 3_600;
export const TOKEN_RENEW_SHARE = 0.8;

/**
 * How soon a namespace that is not empty yet is looked at again, as its pods take time to end: the
 * pause doubles from look to look, as some wait for a finalizer without end.
 */
export const NAMESPACE_LOOK_MS = 1_000;
export const NAMESPACE_LOOK_DOUBLINGS_MAX = 2;
/** Requests a second that empty namespaces: each takes one for each resource there is. */
export const NAMESPACE_QPS = 200;
/** The same for each object that is left, since each look lists them all; and the sum's bound. */
export const NAMESPACE_LOOK_OF_OBJECT_MS = 1;
export const NAMESPACE_LOOK_MS_MAX = 60_000;
/** Different finalizers that are counted for the namespace's condition. */
export const FINALIZERS_COUNTED_MAX = 1_000;

/** How soon a node that found no pod range left is looked at again; a node's end wakes it too. */
export const NODE_RANGE_LOOK_MS = 300_000;

/**
 * Rate of the garbage collector's requests and its burst: each deletion takes two, so it may make
 * twice as many as others (upstream's factor).
 */
export const GARBAGE_QPS = 100;
export const GARBAGE_BURST = 100;

/** How often discovery is asked for the kinds that can be scaled (30 s upstream). */
export const SCALABLE_KINDS_MS = 10_000;
/** How often the API of custom metrics is asked for its versions (upstream's). */
export const METRICS_VERSION_MS = 30_000;
/** Metrics of one autoscaler: each is computed over all pods, in the process of all controllers. */
export const AUTOSCALER_METRICS_MAX = 100;
/**
 * Characters of the selector of an autoscaler's target: its terms are kept, and compared with all
 * pods that another autoscaler of the namespace selects.
 */
export const AUTOSCALER_SELECTOR_CHARS_MAX = 16 * 1024;
/**
 * Terms of selectors that one step of an autoscaler compares with its pods, to find others that
 * select them: they take 10 to 40 ms, and 500 autoscalers before 200 pods have as many.
 */
export const AUTOSCALER_TERMS_COMPARED_MAX = 200_000;
/**
 * Characters of the message of an autoscaler's condition (upstream's bound of metav1.Condition): it
 * has the selector of the target, which may have many small autoscalers.
 */
export const CONDITION_MESSAGE_CHARS_MAX = 32_768;

/**
 * Dependents that are cut loose from an owner before other owners have their turn, and the pause
 * until the next ones, in which the informers see these.
 */
export const ORPHANED_OF_TURN_MAX = 100;
export const ORPHAN_AGAIN_MS = 100;

/** Dependents that block an owner's deletion of which one look at it looks at those again. */
export const BLOCKERS_OF_TURN_MAX = 100;
/** How long after a change of an owner its dependents are queued: for each, above so many. */
export const DEPENDENTS_LOOK_OF_OBJECT_MS = 0.01;
export const DEPENDENTS_AT_ONCE_MAX = 1_000;

/** How often the garbage collector asks which resources there are. */
export const DISCOVERY_MS = 30_000;
export const DISCOVERY_RETRY_MS = 1_000;
/** How long the garbage collector waits for the first lists of all resources (upstream's). */
export const GARBAGE_SYNC_MS = 30_000;

/** Owners of one object that are looked up before objects of other namespaces have their turn. */
export const OWNERS_OF_TURN_MAX = 20;
/** Owners known to be gone, so that not every dependent asks the server for them. */
export const ABSENT_OWNERS_MAX = 10_000;

/** Silence of a node that counts as lost (upstream's). Kubelets renew their leases each 10 s. */
export const NODE_GRACE_MS = 50_000;

/** The same for a node that never reported whether it is ready (upstream's). */
export const NODE_STARTUP_GRACE_MS = 60_000;

/** Time between two nodes of a zone whose pods are evicted (upstream's rate). */
export const EVICTION_PAUSE_MS = 10_000;
/** The same in a large zone of which most nodes are not ready. */
export const SLOW_EVICTION_PAUSE_MS = 100_000;
/** Nodes above which a zone is large: in a smaller one nothing is evicted then (upstream's). */
export const SMALL_ZONE_NODES_MAX = 50;

/** How often leftover pods are looked for, and how long a node must be gone before its pods are. */
export const POD_GC_MS = 20_000;
export const NODE_GONE_MS = 40_000;

/** Ended pods kept for their logs and status (upstream's --terminated-pod-gc-threshold). */
export const TERMINATED_PODS_MAX = 12_500;

/**
 * How long a volume that a node may still have mounted is left attached while the node is not ready
 * (upstream's maxWaitForUnmountDuration). Then it is detached regardless.
 */
export const UNMOUNT_WAIT_MS = 6 * 60_000;

/** Deleted nodes of which the volumes in use are remembered; others may have any in use. */
export const GONE_NODES_MAX = 1_000;

/** Interval of recounting quotas; shorter when they name kinds that are only listed. */
export const QUOTA_RESYNC_MS = 300_000;
export const QUOTA_COUNT_MS = 10_000;
/**
 * A quota is counted again this long after a count that changed its status: what is created until
 * the API server has the first count is charged to nothing, and a count takes back what admission
 * charged for an object that informers have not seen yet.
 */
export const QUOTA_SETTLE_MS = 2_000;

/** How long an evicted pod may take to be deleted before it counts again (upstream's 2 min). */
export const EVICTED_POD_MS = 120_000;
/** How long a pod may be marked as about to be disrupted without being deleted (upstream's). */
export const DISRUPTION_TARGET_MS = 120_000;

/** How soon slices are looked at again of which the informer does not show the last write yet. */
export const UNSEEN_MS = 50;

/** How soon a Service with pods on nodes that the informer does not have is looked at again. */
export const UNSEEN_NODE_MS = 1_000;

/** Missed starts of a CronJob above which a warning is recorded (upstream's 100). */
export const MISSED_STARTS_MAX = 100;
/** The delay of a CronJob's sync after its next start, for clocks that differ (upstream's). */
export const CRON_DELAY_MS = 100;
/** How long a CronJob with a start far ahead is left alone: the wall clock may be set meanwhile. */
export const CRON_LOOK_MS = 12 * 3_600_000;

/** Pods that one Job creates or deletes in one step (upstream: 500). */
export const JOB_PODS_BURST = 100;
/** Ended pods whose uids a Job's status may hold before they are counted: 20 KB (upstream's). */
export const UNCOUNTED_PODS_MAX = 500;
/** The pause before a failed pod of a Job is replaced, and the bound of its doubling. */
export const JOB_BACKOFF_MS = 10_000;
export const JOB_BACKOFF_MS_MAX = 600_000;
/** How long changes of a Job's pods are gathered before it is looked at. */
export const JOB_BATCH_MS = 200;
/** Finalizers that are removed from pods of one Job at a time. */
export const FINALIZERS_AT_ONCE = 20;
/** How long a Job with a deadline far ahead is left alone: the wall clock may be set meanwhile. */
export const JOB_LOOK_MS = 3_600_000;

/** Pods that one DaemonSet creates, and that it deletes, in one step (upstream: 250). */
export const DAEMON_PODS_BURST = 100;
/** The pause before a failed daemon pod is replaced, and the end of its doubling (upstream's). */
export const DAEMON_BACKOFF_MS = 1_000;
export const DAEMON_BACKOFF_MS_MAX = 15 * 60_000;

/** How long a bootstrap token whose end is far ahead is left alone: the wall clock may be set. */
export const TOKEN_LOOK_MS = 3_600_000;

/** How long a generated token may be unused (upstream's year), and how often that is looked at. */
export const LEGACY_TOKEN_UNUSED_MS = 8_760 * 3_600_000;
export const LEGACY_TOKENS_LOOK_MS = 24 * 3_600_000;

/** Pools of addresses for Services of the type LoadBalancer, and addresses of one. */
export const POOLS_MAX = 64;
export const POOL_ADDRESSES_MAX = 65_536;
/** Addresses of one node, as it reports them, that no Service is given: it may report 256. */
export const NODE_ADDRESSES_SPARED_MAX = 16;

assertLimits({
  "back-offs grow":
    JOB_BACKOFF_MS <= JOB_BACKOFF_MS_MAX && DAEMON_BACKOFF_MS <= DAEMON_BACKOFF_MS_MAX,
  "pods of a node that is gone are looked at within its time": POD_GC_MS <= NODE_GONE_MS,
  "a quota is counted within its resync":
    QUOTA_SETTLE_MS <= QUOTA_COUNT_MS && QUOTA_COUNT_MS <= QUOTA_RESYNC_MS,
  "a token is replaced before it ends": TOKEN_RENEW_SHARE < 1,
  "unused tokens are found within a share of their time":
    LEGACY_TOKENS_LOOK_MS < LEGACY_TOKEN_UNUSED_MS,
});
