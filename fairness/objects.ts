import type {
  FlowSchema,
  PolicyRulesWithSubjects,
  PriorityLevelConfiguration,
  ResourcePolicyRule,
  Subject,
} from "@raft2kube/api/gen/flowcontrol/v1.ts";
import { given } from "@raft2kube/std/given.ts";

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
function anything(...subjects: Subject[]): PolicyRulesWithSubjects {
  const resourceRules = [{ ...resources("*", "*", ALL), clusterScope: true }];
  return { subjects, resourceRules, nonResourceRules: [{ verbs: ALL, nonResourceURLs: ALL }] };
}

/**
 * A flow schema: the level that its requests are of, its precedence (the lowest that matches is the
 * one), and how requests are divided into flows, which have fair shares of the queues.
 */
function flow(
  level: string,
  matchingPrecedence: number,
  by: "ByUser" | "ByNamespace" | undefined,
  ...rules: PolicyRulesWithSubjects[]
): FlowSchema["spec"] {
  const priorityLevelConfiguration = { name: level };
  const distinguisherMethod = by && { type: by };
  return given({ priorityLevelConfiguration, matchingPrecedence, distinguisherMethod, rules });
}

const PROBES = { verbs: ["get"], nonResourceURLs: ["/healthz", "/readyz", "/livez"] };
const LEASES = "coordination.k8s.io";
const NODES = group("system:nodes");
const CONTROLLERS = user("system:kube-controller-manager");
const SCHEDULER = user("system:kube-scheduler");

/** Upstream's flow schemas, which say of each request what level it is of. */
export const FLOWS: Readonly<Record<string, FlowSchema["spec"]>> = {
  exempt: flow("exempt", 1, undefined, anything(group("system:masters"))),
  probes: flow("exempt", 2, undefined, { subjects: EVERYBODY, nonResourceRules: [PROBES] }),
  "system-leader-election": flow("leader-election", 100, "ByUser", {
    subjects: [CONTROLLERS, SCHEDULER, SYSTEM_ACCOUNTS],
    resourceRules: [resources(LEASES, "leases", ["get", "create", "update"])],
  }),
  "system-node-high": flow("node-high", 400, "ByUser", {
    subjects: [NODES],
    resourceRules: [
      { ...resources("", "nodes nodes/status", ALL), clusterScope: true },
      resources(LEASES, "leases", ALL),
    ],
  }),
  "system-nodes": flow("system", 500, "ByUser", anything(NODES)),
  "kube-controller-manager": flow("workload-high", 800, "ByNamespace", anything(CONTROLLERS)),
  "kube-scheduler": flow("workload-high", 800, "ByNamespace", anything(SCHEDULER)),
  "kube-system-service-accounts": flow(
    "workload-high",
    900,
    "ByNamespace",
    anything(SYSTEM_ACCOUNTS),
  ),
  "service-accounts": flow(
    "workload-low",
    9000,
    "ByUser",
    anything(group("system:serviceaccounts")),
  ),
  "global-default": flow("global-default", 9900, "ByUser", anything(...EVERYBODY)),
  "catch-all": flow("catch-all", 10_000, "ByUser", anything(...EVERYBODY)),
};
