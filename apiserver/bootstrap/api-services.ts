import { isDeepStrictEqual } from "node:util";
import type { APIService } from "@raft2kube/api/gen/apiregistration/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { AUTOMANAGED } from "../customresources/api-services.ts";
import { changeInternally, ensure } from "../registry/internal-write.ts";
import { GROUPS, versionPriorityOf } from "../resource/group-priorities.ts";
import type { BootstrapServer } from "./server.ts";

/** The aggregator's own group, which is never served by an aggregated server. */
const OWN_GROUP = "apiregistration.k8s.io";

/** metrics-server's group, which its APIService takes over and gives back: not kept at starts. */
const METRICS_GROUP = "metrics.k8s.io";

/**
 * An APIService for each version served here: the list of all that the cluster's API has. One that
 * this server made and that was changed becomes local again, so that no start is without the API's
 * own groups (upstream's autoregister, `onstart`).
 */
export async function ensureApiServices(server: BootstrapServer): Promise<void> {
  const served = new Map(
    server.resources.kinds
      .filter(({ group }) => group !== OWN_GROUP)
      .map(({ group, version }) => [`${version}.${group}`, { group, version }]),
  );
  await Promise.all(
    [...served].map(async ([name, { group, version }]) => {
      const priority = GROUPS.get(group);
      if (priority === undefined) return;
      const spec: APIService["spec"] = {
        ...(group === "" ? {} : { group }),
        version,
        groupPriorityMinimum: priority,
        versionPriority: versionPriorityOf(group, version),
      };
      await ensureLocal(server, name, spec);
    }),
  );
}

async function ensureLocal(
  server: BootstrapServer,
  name: string,
  spec: APIService["spec"],
): Promise<void> {
  const resource = server.resources.of("apiregistration.k8s.io/v1", "apiservices");
  const found = await resource.store.find<APIService & KubeObject>("", name);
  const isKept = spec.group !== METRICS_GROUP;
  if (found === undefined) {
    const metadata = { name, ...(isKept ? { labels: { [AUTOMANAGED]: "onstart" } } : {}) };
    const object: APIService & KubeObject = { metadata, spec };
    return await ensure(server, resource, object);
  }
  const isOurs = isKept && found.metadata.labels?.[AUTOMANAGED] === "onstart";
  if (!isOurs || isDeepStrictEqual(found.spec, spec)) return;
  await changeInternally<APIService & KubeObject>(server, resource, { name }, (current) => ({
    ...current,
    spec,
  }));
}
