import { isDeepStrictEqual } from "node:util";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { CLUSTER_ROLES } from "@raft2kube/client-kube/rest/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { startLoop } from "../loop.ts";
import { aggregatedRules } from "./plan.ts";

const ACCOUNT = "clusterrole-aggregation-controller";

/** Keeps the rules of roles such as `admin` equal to those of the roles they select. */
export function startClusterRoleAggregation(context: ControllerContext): Running {
  const roles = context.informers.of(CLUSTER_ROLES);
  const writer = context.client(ACCOUNT).resource(CLUSTER_ROLES);
  const reconcile = async (key: string) => {
    const role = roles.store.get(key);
    if (!role?.aggregationRule) return;
    const rules = aggregatedRules(role, roles.store.list());
    if (isDeepStrictEqual(rules, role.rules ?? [])) return;
    const { group, version, kind } = CLUSTER_ROLES;
    const { name = "" } = role.metadata;
    const applied = { apiVersion: `${group}/${version}`, kind, metadata: { name }, rules };
    await undefinedIfNotFound(
      writer.patch({ name }, "apply", applied, { fieldManager: ACCOUNT, force: true }),
    );
  };
  const loop = startLoop(context, {
    queue: "ClusterRoleAggregator",
    name: ACCOUNT,
    reads: [roles],
    workers: 1,
    reconcile,
  });
  const look = () => {
    for (const role of roles.store.list()) {
      if (role.aggregationRule) loop.queue.add(keyOf(role));
    }
  };
  roles.handle({ added: look, updated: look, deleted: look });
  return loop;
}
