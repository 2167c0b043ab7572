import type { APIService } from "@raft2kube/api/gen/apiregistration/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { deleteInternally, ensure } from "../registry/internal-write.ts";
import type { Writer } from "../registry/writer.ts";
import { groupPriorityOf, versionPriorityOf } from "../resource/group-priorities.ts";
import type { Resources } from "../resource/resources.ts";
import type { Definition } from "./definition.ts";

/** Upstream's label of APIServices that the server makes, with how long it keeps them. */
export const AUTOMANAGED = "kube-aggregator.kubernetes.io/automanaged";

type Service = APIService & KubeObject;

const apiServicesIn = (resources: Resources) =>
  resources.of("apiregistration.k8s.io/v1", "apiservices");

/** Calls `look` with the group of each APIService of ours that is deleted; returns how to stop. */
export async function onApiServiceDeleted(
  resources: Resources,
  look: (group: string) => void,
): Promise<() => void> {
  const cache = await apiServicesIn(resources).cache();
  return cache.subscribe(({ type, entry }) => {
    if (type !== "DELETED" || entry.labels[AUTOMANAGED] !== "true") return;
    look(entry.shared<Service>().spec?.group ?? "");
  });
}

/**
 * Makes an APIService for each version of a group that its definitions serve, and removes those
 * that were made so and are served no longer. Others, which someone else made, stay as they are.
 */
export async function syncApiServices(
  writer: Writer & { readonly resources: Resources },
  group: string,
  definitions: readonly Definition[],
): Promise<void> {
  const resource = apiServicesIn(writer.resources);
  const served = new Set(
    definitions.flatMap(({ spec }) =>
      spec.versions.filter((each) => each.served).map((each) => each.name),
    ),
  );
  const cache = await resource.cache();
  for (const entry of cache.list()) {
    if (entry.labels[AUTOMANAGED] !== "true") continue;
    const { spec, metadata } = entry.shared<Service>();
    if (spec?.group !== group || served.has(spec.version ?? "")) continue;
    await deleteInternally(writer, resource, "", entry.name, { uid: metadata.uid });
  }
  for (const version of served) {
    const name = `${version}.${group}`;
    if (cache.list().some((entry) => entry.name === name)) continue;
    const object: Service = {
      metadata: { name, labels: { [AUTOMANAGED]: "true" } },
      spec: {
        group,
        version,
        groupPriorityMinimum: groupPriorityOf(group),
        versionPriority: versionPriorityOf(group, version),
      },
    };
    await ensure(writer, resource, object);
  }
}
