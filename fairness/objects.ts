import type {
  PolicyRulesWithSubjects,
  PriorityLevelConfiguration,
  ResourcePolicyRule,
  Subject,
} from "@raft2kube/api/gen/flowcontrol/v1.ts";

/** Objects that users cannot change: without them no client could repair the others. */
export const MANDATORY: readonly string[] = ["exempt", "catch-all"];

const QUEUE_LENGTH_MAX = 50;

/**
 * A level with queues: its share of the concurrent requests, and how much of it others may borrow.
 */
function queued(shares: number, lent_percent: number, queues: number, hand: number) {
  const queuing = { queues, handSize: hand, queueLengthLimit: QUEUE_LENGTH_MAX };
  return {
    type: "Limited",
    limited: {
      nominalConcurrencyShares: shares,
      lendablePercent: lent_percent,
      limitResponse: { type: "Queue", queuing },
    },
  };
}

/** Upstream's levels (apiserver's flowcontrol/bootstrap). */
export const LEVELS: Readonly<Record<string, PriorityLevelConfiguration["spec"]>> = {
  exempt: { type: "Exempt", exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } },
  "catch-all": {
    type: "Limited",
    limited: { nominalConcurrencyShares: 5, lendablePercent: 0, limitResponse: { type: "Reject" } },
  },
  system: queued(30, 33, 64, 6),
  "node-high": queued(40, 25, 64, 6),
  "leader-election": queued(10, 0, 16, 4),
  "workload-high": queued(40, 50, 128, 6),
  "workload-low": queued(100, 90, 128, 6),
  "global-default": queued(20, 50, 128, 6),
};

const group = (name: string): Subject => ({ kind: "Group", group: { name } });
const user = (name: string): Subject => ({ kind: "User", user: { name } });
const SYSTEM_ACCOUNTS: Subject = {
  kind: "ServiceAccount",
  serviceAccount: { namespace: "kube-system", name: "*" },
};
const EVERYBODY = [group("system:unauthenticated"), group("system:authenticated")];
const ALL = ["*"];

const resources = (apiGroup: string, words: string, verbs: string[]): ResourcePolicyRule => ({
  verbs,
  apiGroups: [apiGroup],
  resources: words.split(" "),
  namespaces: ALL,
});

/** Returns a rule that matches every request of these subjects. */
function anything(...subjects: Subject[]): PolicyRulesWithSubjects[] {
  const resourceRules = [{ ...resources("*", "*", ALL), clusterScope: true }];
  return [{ subjects, resourceRules, nonResourceRules: [{ verbs: ALL, nonResourceURLs: ALL }] }];
}

interface Flow {
  readonly level: string;
  /** The lowest that matches a request is the one. */
  readonly precedence: number;
  /** How requests are divided into flows, which have fair shares of the queues. */
  readonly by?: "ByUser" | "ByNamespace";
  readonly rules: PolicyRulesWithSubjects[];
}

const LEASES = "coordination.k8s.io";

/** Upstream's flow schemas, which say of each request what level it is of. */
export const FLOWS: Readonly<Record<string, Flow>> = {
  exempt: { level: "exempt", precedence: 1, rules: anything(group("system:masters")) },
  probes: {
    level: "exempt",
    precedence: 2,
    rules: [
      {
        subjects: EVERYBODY,
        nonResourceRules: [{ verbs: ["get"], nonResourceURLs: ["/healthz", "/readyz", "/livez"] }],
      },
    ],
  },
  "system-leader-election": {
    level: "leader-election",
    precedence: 100,
    by: "ByUser",
    rules: [
      {
        subjects: [
          user("system:kube-controller-manager"),
          user("system:kube-scheduler"),
          SYSTEM_ACCOUNTS,
        ],
        resourceRules: [resources(LEASES, "leases", ["get", "create", "update"])],
      },
    ],
  },
  "system-node-high": {
    level: "node-high",
    precedence: 400,
    by: "ByUser",
    rules: [
      {
        subjects: [group("system:nodes")],
        resourceRules: [
          { ...resources("", "nodes nodes/status", ALL), clusterScope: true },
          resources(LEASES, "leases", ALL),
        ],
      },
    ],
  },
  "system-nodes": {
    level: "system",
    precedence: 500,
    by: "ByUser",
    rules: anything(group("system:nodes")),
  },
  "kube-controller-manager": {
    level: "workload-high",
    precedence: 800,
    by: "ByNamespace",
    rules: anything(user("system:kube-controller-manager")),
  },
  "kube-scheduler": {
    level: "workload-high",
    precedence: 800,
    by: "ByNamespace",
    rules: anything(user("system:kube-scheduler")),
  },
  "kube-system-service-accounts": {
    level: "workload-high",
    precedence: 900,
    by: "ByNamespace",
    rules: anything(SYSTEM_ACCOUNTS),
  },
  "service-accounts": {
    level: "workload-low",
    precedence: 9000,
    by: "ByUser",
    rules: anything(group("system:serviceaccounts")),
  },
  "global-default": {
    level: "global-default",
    precedence: 9900,
    by: "ByUser",
    rules: anything(...EVERYBODY),
  },
  "catch-all": {
    level: "catch-all",
    precedence: 10_000,
    by: "ByUser",
    rules: anything(...EVERYBODY),
  },
};
