import { isBuiltIn, type Kind, type Subresource } from "@raft2kube/api/kind.ts";
import type { ServedGroup } from "./groups.ts";

/** One document with everything (apidiscovery.k8s.io APIGroupDiscoveryList). */
export const aggregatedDiscovery = (groups: readonly ServedGroup[]): object => ({
  kind: "APIGroupDiscoveryList",
  apiVersion: "apidiscovery.k8s.io/v2",
  metadata: {},
  items: groups.map((group) => ({
    metadata: { ...(group.name === "" ? {} : { name: group.name }), creationTimestamp: null },
    versions: group.versions.map(
      (served) =>
        served.remote ?? {
          version: served.version,
          resources: served.kinds.map(resourceOf),
          freshness: "Current",
        },
    ),
  })),
});

function resourceOf(kind: Kind): object {
  const subresources = Object.values(kind.subresources);
  return {
    resource: kind.plural,
    responseKind: shortened(kind, kind),
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

function subresourceOf({ name, verbs, body }: Subresource, kind: Kind): object {
  return { subresource: name, responseKind: shortened(body, kind), verbs };
}

/** A kind in answers; upstream leaves out a built-in resource's own group and version. */
function shortened({ group, version, kind }: Subresource["body"], resource: Kind): object {
  const own = group === resource.group && version === resource.version && isBuiltIn(resource);
  return own ? { group: "", version: "", kind } : { group, version, kind };
}
