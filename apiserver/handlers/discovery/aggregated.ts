import type { Kind, Subresource } from "@raft2kube/api/kind.ts";
import type { ServedGroup } from "./groups.ts";

/** One document with everything (apidiscovery.k8s.io APIGroupDiscoveryList). */
export function aggregatedDiscovery(groups: readonly ServedGroup[]): object {
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: "apidiscovery.k8s.io/v2",
    metadata: {},
    items: groups.map((group) => ({
      metadata: { ...(group.name === "" ? {} : { name: group.name }), creationTimestamp: null },
      versions: group.versions.map((served) => served.remote ?? ({
        version: served.version,
        resources: served.kinds.map(resourceOf),
        freshness: "Current",
      })),
    })),
  };
}

function resourceOf(kind: Kind): object {
  const subresources = Object.values(kind.subresources);
  return {
    resource: kind.plural,
    responseKind: { group: "", version: "", kind: kind.kind },
    scope: kind.namespaced ? "Namespaced" : "Cluster",
    singularResource: kind.singular,
    verbs: kind.verbs,
    ...(kind.shortNames.length > 0 ? { shortNames: kind.shortNames } : {}),
    ...(kind.categories.length > 0 ? { categories: kind.categories } : {}),
    ...(subresources.length > 0
      ? { subresources: subresources.map((each) => subresourceOf(each, kind)) }
      : {}),
  };
}

/** A kind of another group or version than its resource has both in its responseKind. */
function subresourceOf({ name, verbs, body }: Subresource, { group, version }: Kind): object {
  const own = body.group === group && body.version === version;
  const responseKind = own ? { group: "", version: "", kind: body.kind } : { ...body };
  return { subresource: name, responseKind, verbs };
}
