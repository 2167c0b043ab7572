import type { APIService } from "@raft2kube/api/gen/apiregistration/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { AUTOMANAGED } from "../customresources/api-services.ts";
import type { BootstrapServer } from "./server.ts";
import { GROUPS, versionPriorityOf } from "../resource/group-priorities.ts";
import { ensure } from "../registry/internal-write.ts";

/** The aggregator's own group, which is never served by an aggregated server. */
const OWN_GROUP = "apiregistration.k8s.io";

/** An APIService for each version served here: the list of all that the cluster's API has. */
export async function ensureApiServices(server: BootstrapServer): Promise<void> {
  const resource = server.resources.of("apiregistration.k8s.io/v1", "apiservices");
  const served = new Map(server.resources.kinds
    .filter(({ group }) => group !== OWN_GROUP)
    .map(({ group, version }) => [`${version}.${group}`, { group, version }]));
  await Promise.all([...served].map(async ([name, { group, version }]) => {
    if (await resource.store.find("", name)) return;
    const priority = GROUPS.get(group);
    if (priority === undefined) return;
    const object: APIService & KubeObject = {
      metadata: { name, labels: { [AUTOMANAGED]: "onstart" } },
      spec: {
        ...(group === "" ? {} : { group }),
        version,
        groupPriorityMinimum: priority,
        versionPriority: versionPriorityOf(group, version),
      },
    };
    await ensure(server, resource, object);
  }));
}
