/** Objects that a server creates when it starts, each by its name: other cases create more. */
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import type { Case, Recorder } from "../recorder.ts";

const FLOW_CONTROL = "/apis/flowcontrol.apiserver.k8s.io/v1";
const RBAC = "/apis/rbac.authorization.k8s.io/v1";

const LEVELS = "catch-all exempt global-default leader-election node-high system workload-high " +
  "workload-low";
const FLOWS = "catch-all exempt global-default kube-controller-manager kube-scheduler " +
  "kube-system-service-accounts probes service-accounts system-leader-election " +
  "system-node-high system-nodes";
const VERSIONS = "v1. v1.admissionregistration.k8s.io v1.apiextensions.k8s.io v1.apps " +
  "v1.authentication.k8s.io v1.authorization.k8s.io v1.autoscaling v2.autoscaling v1.batch " +
  "v1.certificates.k8s.io v1.coordination.k8s.io v1.discovery.k8s.io v1.events.k8s.io " +
  "v1.flowcontrol.apiserver.k8s.io v1.networking.k8s.io v1.node.k8s.io v1.policy " +
  "v1.rbac.authorization.k8s.io v1.resource.k8s.io v1.scheduling.k8s.io v1.storage.k8s.io";
const NAMESPACES = "default kube-system kube-public kube-node-lease";
const ROLES = "cluster-admin system:heapster";
const TRACKING = "kube-apiserver-legacy-service-account-token-tracking";
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
const FLOW = {
  priorityLevelConfiguration: { name: "story" },
  matchingPrecedence: 9_950,
  rules: [{
    subjects: [{ kind: "User", user: { name: "nobody-of-this-name" } }],
    nonResourceRules: [{ verbs: ["get"], nonResourceURLs: ["/nowhere"] }],
  }],
};
const LEVEL = {
  type: "Limited",
  limited: { nominalConcurrencyShares: 1, limitResponse: { type: "Reject" } },
};
const FOLLOWED_TIMEOUT_MS = 60_000;

/** Servers follow what changes in their own time. */
function until(holds: () => Promise<boolean>): Promise<unknown> {
  const waiting = { clock: systemClock(), timeout_ms: FOLLOWED_TIMEOUT_MS };
  return waitFor("what a server follows", holds, waiting);
}

const READER = "extension-apiserver-authentication-reader";

async function each({ get }: Recorder, collection: string, names: string): Promise<void> {
  for (const name of names.split(" ")) await get(`${collection}/${name}`);
}

/** Roles of the server's bootstrap policy, without those of other controllers. */
const POLICY = "labelSelector=kubernetes.io%2Fbootstrapping%3Drbac-defaults";

export const START: readonly Case[] = [
  {
    name: "start: priority and fairness",
    async run(recorder) {
      await each(recorder, `${FLOW_CONTROL}/prioritylevelconfigurations`, LEVELS);
      await each(recorder, `${FLOW_CONTROL}/flowschemas`, FLOWS);
    },
  },
  {
    name: "start: API services",
    run: (recorder) => each(recorder, "/apis/apiregistration.k8s.io/v1/apiservices", VERSIONS),
  },
  {
    name: "start: namespaces, roles, classes",
    async run(recorder) {
      await each(recorder, "/api/v1/namespaces", NAMESPACES);
      await each(recorder, `${RBAC}/clusterroles`, ROLES);
      await each(recorder, `${RBAC}/namespaces/kube-system/rolebindings`, `system::${READER}`);
      await each(recorder, `${RBAC}/namespaces/kube-system/roles`, READER);
      await each(recorder, "/apis/scheduling.k8s.io/v1/priorityclasses",
        "system-node-critical system-cluster-critical");
    },
  },
  {
    name: "start: policy",
    async run({ get }) {
      await get(`${RBAC}/clusterroles?${POLICY}`);
      await get(`${RBAC}/clusterrolebindings?${POLICY}`);
      await get(`${RBAC}/roles?${POLICY}`);
      await get(`${RBAC}/rolebindings?${POLICY}`);
    },
  },
  {
    name: "start: identity and tracking",
    async run({ get }) {
      const leases = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
      await get(`${leases}?labelSelector=apiserver.kubernetes.io%2Fidentity%3Dkube-apiserver`);
      await get(`/api/v1/namespaces/kube-system/configmaps/${TRACKING}`);
    },
  },
  {
    name: "start: levels that flow schemas name",
    async run({ post, get, peek, delete: remove }) {
      const levels = `${FLOW_CONTROL}/prioritylevelconfigurations`;
      const schemas = `${FLOW_CONTROL}/flowschemas`;
      const isSaid = (word: string) => until(async () => {
        const { status } = await peek("GET", `${schemas}/story`);
        const { conditions = [] } = (status ?? {}) as { conditions?: { status: string }[] };
        return conditions[0]?.status === word;
      });
      await post(schemas, { metadata: { name: "story" }, spec: FLOW });
      await isSaid("True");
      await get(`${schemas}/story`);
      await get(`${schemas}/story`, { accept: TABLE });
      await post(levels, { metadata: { name: "story" }, spec: LEVEL });
      await isSaid("False");
      await get(`${schemas}/story`);
      await remove(`${levels}/story`);
      await isSaid("True");
      await get(`${schemas}/story`);
      await remove(`${schemas}/story`);
    },
  },
];
