/** The cluster's name: at most eight characters, as `npm start` asks. */
export const CLUSTER = "conform";

/** Nodes of the cluster: upstream asks for at least two that take pods. */
export const NODES = 2;

/** Seconds for one test: the longest that pass take five minutes on a busy machine. */
export const TEST_LIMIT_S = 420;

/** Seconds for a test whose known failure is a wait for what never comes. */
export const FAILING_LIMIT_S = 150;

/** Seconds for the tests of `SLOW`. */
export const SLOW_LIMIT_S = 1500;

/** Seconds that a test has to remove what it made, and the program to write its report. */
export const GRACE_S = 15;
export const REPORT_S = 75;

/** Waits for two compactions (9 minutes), for jobs that do not come (5), for a status (5). */
export const SLOW =
  /should support continue listing|not schedule jobs when suspended|ResourceQuota should apply/;

/** Upstream's features whose tests run beyond conformance: those that each cluster has here. */
const FEATURES = [
  "ContainerRestartRules",
  "EnvFiles",
  "HPA",
  "HostAccess",
  "InPlacePodVerticalScaling",
  "Ingress",
  "NetworkPolicy",
  "NodeAuthorizer",
  "PodLevelResources",
  "PodPriority",
  "RuntimeHandler",
  "SchedulerAsyncPreemption",
  "SupplementalGroupsPolicy",
  "UserNamespacesSupport",
];

/**
 * Tests beyond conformance that are not run: those for other systems and features, for what
 * upstream has off or is to go, for devices, those that stop nodes, and those of an hour.
 */
export const NEVER_RUN = new RegExp(
  [
    "Windows",
    String.raw`\[(Conformance|Disruptive|Slow|Flaky|Alpha|Deprecated|DRA)\]`,
    String.raw`\[Feature:(?!(${FEATURES.join("|")})\])`,
    String.raw`\[Driver: (azure-\w+|cinder|vsphere|nfs3?)\]`,
  ].join("|"),
);

/** Tests that evict or preempt the pods of others, or fill nodes. */
export const ALONE = /NoExecuteTaint|SchedulerPre|\[Serial\]/;

/** Memory of a process of e2e.test above which Go collects garbage. */
export const MEMORY = "600MiB";
