/** Constrained impersonation: impersonating, and the allowed verbs, are two permissions. */
import type { PolicyRule } from "@raft2kube/api/gen/rbac/v1.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import type { Case, Recorder } from "../recorder.ts";

const WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const RBAC = "/apis/rbac.authorization.k8s.io/v1";
const AUTHENTICATION = "authentication.k8s.io";
const DEPUTY = "deputy";
const TIMEOUT_MS = 60_000;

type As = Readonly<Record<string, string>>;

/** Gives the deputy rights for the whole cluster, and waits until the server knows of the last. */
async function entitle({ ns, peek }: Recorder, rules: PolicyRule[]): Promise<void> {
  const name = `${ns}-deputy`;
  await peek("POST", `${RBAC}/clusterroles`, { body: { metadata: { name }, rules } });
  const subjects = [{ kind: "ServiceAccount", namespace: ns, name: DEPUTY }];
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name };
  const body = { metadata: { name }, subjects, roleRef };
  await peek("POST", `${RBAC}/clusterrolebindings`, { body });
  const user = `system:serviceaccount:${ns}:${DEPUTY}`;
  const { verbs, apiGroups = [], resources = [] } = rules.at(-1)!;
  const resourceAttributes = { verb: verbs[0], group: apiGroups[0], resource: resources[0] };
  const review = { spec: { user, resourceAttributes } };
  const isKnown = async () => {
    const { status } = await peek("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {
      body: review,
    });
    return (status as { allowed: boolean }).allowed;
  };
  await waitFor("the rights", isKnown, { clock: systemClock(), timeout_ms: TIMEOUT_MS });
}

const right = (verb: string, apiGroup: string, resource: string): PolicyRule =>
  ({ verbs: [verb], apiGroups: [apiGroup], resources: [resource] });

async function deputyToken({ peek }: Recorder): Promise<string> {
  await peek("POST", "serviceaccounts", { body: { metadata: { name: DEPUTY } } });
  const { status } = await peek("POST", `serviceaccounts/${DEPUTY}/token`, { body: { spec: {} } });
  return (status as { token: string }).token;
}

export const IMPERSONATION: readonly Case[] = [
  {
    name: "impersonation: who may, and for what",
    async run(recorder) {
      const { post, get, ns } = recorder;
      const token = await deputyToken(recorder);
      const by = (as: As) =>
        ({ anonymous: true, headers: { authorization: `Bearer ${token}`, ...as } });
      const bob = by({ "impersonate-user": "bob" });
      await post(WHO, {}, bob);
      await entitle(recorder, [
        right("impersonate:user-info", AUTHENTICATION, "users"),
        right("impersonate:serviceaccount", AUTHENTICATION, "serviceaccounts"),
        right("impersonate:arbitrary-node", AUTHENTICATION, "nodes"),
        right("impersonate:user-info", AUTHENTICATION, "groups"),
        right("impersonate-on:serviceaccount:create", AUTHENTICATION, "selfsubjectreviews"),
        right("impersonate-on:arbitrary-node:create", AUTHENTICATION, "selfsubjectreviews"),
        right("impersonate-on:user-info:create", AUTHENTICATION, "selfsubjectreviews"),
      ]);
      await post(WHO, {}, bob);
      await get("configmaps", bob);
      await post(WHO, {}, by({ "impersonate-user": "bob", "impersonate-group": "makers" }));
      await post(WHO, {}, by({ "impersonate-user": "bob", "impersonate-group": "system:masters" }));
      await post(WHO, {}, by({ "impersonate-user": "bob", "impersonate-uid": "7" }));
      await post(WHO, {}, by({ "impersonate-user": "bob", "impersonate-extra-a": "1" }));
      const scoped = { "impersonate-user": "bob", "impersonate-extra-r2k.test%2Fa": "1" };
      await post(WHO, {}, by(scoped));
      await post(WHO, {}, by({ "impersonate-user": "system:anonymous" }));
      await post(WHO, {}, by({ "impersonate-user": "system:node:n1" }));
      await post(WHO, {}, by({
        "impersonate-user": "system:node:n1", "impersonate-group": "makers",
      }));
      await post(WHO, {}, by({ "impersonate-user": `system:serviceaccount:${ns}:default` }));
      await get("/healthz", bob);
    },
  },
  {
    name: "impersonation: by a master",
    async run({ post }) {
      const as = (headers: As) => ({ headers });
      await post(WHO, {}, as({ "impersonate-user": "system:node:n1" }));
      await post(WHO, {}, as({ "impersonate-user": "system:node:Not_A_Name" }));
      await post(WHO, {}, as({
        "impersonate-user": "system:anonymous", "impersonate-group": "system:authenticated",
      }));
      await post(WHO, {}, as({
        "impersonate-user": "bob", "impersonate-group": "system:unauthenticated",
      }));
    },
  },
];
