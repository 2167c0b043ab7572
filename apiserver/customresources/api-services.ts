import { isDeepStrictEqual } from "node:util";
import type { APIService } from "@raft2kube/api/gen/apiregistration/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { isReason } from "@raft2kube/apimachinery/errors/api-error.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { changeInternally, deleteInternally, ensure } from "../registry/internal-write.ts";
import type { Writer } from "../registry/writer.ts";
import { CUSTOM_GROUP_PRIORITY, CUSTOM_VERSION_PRIORITY } from "../resource/group-priorities.ts";
import type { Resources } from "../resource/resources.ts";
import type { Definition } from "./definition.ts";

/** Upstream's label of APIServices that the server makes, with how long it keeps them. */
export const AUTOMANAGED = "kube-aggregator.kubernetes.io/automanaged";

type Service = APIService & KubeObject;

const apiServicesIn = (resources: Resources) =>
  resources.of("apiregistration.k8s.io/v1", "apiservices");

/**
 * Calls `look` with the group of each APIService of ours that is changed or deleted; returns how to
 * stop.
 */
export async function onApiServiceChanged(
  resources: Resources,
  look: (group: string) => void,
): Promise<() => void> {
  const cache = await apiServicesIn(resources).cache();
  return cache.subscribe(({ type, entry }) => {
    if (type === "ADDED" || entry.labels[AUTOMANAGED] !== "true") return;
    const { spec } = entry.shared<Service>();
    if (type === "DELETED" || !isAsMade(spec)) look(spec?.group ?? "");
  });
}

/**
 * The spec that a server makes, and puts back. Upstream's priorities, the same for every group:
 * servers of two versions that differed would put each other's back for as long as both run.
 */
const specOf = (group: string, version: string) => ({
  group,
  version,
  groupPriorityMinimum: CUSTOM_GROUP_PRIORITY,
  versionPriority: CUSTOM_VERSION_PRIORITY,
});

/** Whether an APIService of ours is still as it was made. */
const isAsMade = (spec: Service["spec"]): boolean =>
  isDeepStrictEqual(spec, specOf(spec?.group ?? "", spec?.version ?? ""));

/**
 * Makes an APIService for each version of a group that its definitions serve, puts back those that
 * were changed, and removes those that are served no longer. Others, which someone else made, stay
 * as they are.
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
    const spec = specOf(group, version);
    const known = cache.list().find((entry) => entry.name === name);
    if (known === undefined) {
      const metadata = { name, labels: { [AUTOMANAGED]: "true" } };
      const made: Service = { metadata, spec };
      await ensure(writer, resource, made);
    } else if (known.labels[AUTOMANAGED] === "true" && !isAsMade(known.shared<Service>().spec)) {
      const putBack = (service: Service) => ({ ...service, spec });
      await tolerate(changeInternally(writer, resource, { name }, putBack), (thrown) =>
        isReason(thrown, "NotFound"),
      );
    }
  }
}
