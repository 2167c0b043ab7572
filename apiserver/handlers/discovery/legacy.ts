import type { Kind } from "@raft2kube/api/kind.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import { inLegacyOrder, type ServedGroup, type ServedVersion } from "./groups.ts";

/** `/api`: the versions of the core group. */
export const coreVersions = (address: string): object => ({
  kind: "APIVersions",
  versions: ["v1"],
  serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: address }],
});

/** `/apis`: all named groups. */
export const groupList = (groups: readonly ServedGroup[]): object => ({
  kind: "APIGroupList",
  apiVersion: "v1",
  groups: inLegacyOrder(groups.filter((group) => group.name !== "")).map(groupBody),
});

/** `/apis/GROUP`. */
export function groupDocument(group: ServedGroup): object {
  return { kind: "APIGroup", apiVersion: "v1", ...groupBody(group) };
}

function groupBody(group: ServedGroup): object {
  const versions = group.versions.map(({ version }) => ({
    groupVersion: apiVersionOf({ group: group.name, version }),
    version,
  }));
  return { name: group.name, versions, preferredVersion: versions[0] };
}

/** `/api/v1`, `/apis/GROUP/VERSION`: resources, with subresources among them. */
export const resourceList = (group: ServedGroup, served: ServedVersion): object => ({
  kind: "APIResourceList",
  ...(group.name === "" ? {} : { apiVersion: "v1" }),
  groupVersion: apiVersionOf({ group: group.name, version: served.version }),
  resources: served.kinds.flatMap(entriesOf),
});

function entriesOf(kind: Kind): object[] {
  const whole = {
    name: kind.plural,
    singularName: kind.singular,
    namespaced: kind.namespaced,
    kind: kind.kind,
    verbs: kind.verbs,
    ...(kind.shortNames.length > 0 ? { shortNames: kind.shortNames } : {}),
    ...(kind.categories.length > 0 ? { categories: kind.categories } : {}),
    ...(kind.storageVersionHash ? { storageVersionHash: kind.storageVersionHash } : {}),
  };
  const parts = Object.values(kind.subresources).map(({ name, verbs, body }) => ({
    name: `${kind.plural}/${name}`,
    singularName: "",
    namespaced: kind.namespaced,
    ...(body.group === kind.group && body.version === kind.version
      ? {}
      : { group: body.group, version: body.version }),
    kind: body.kind,
    verbs,
  }));
  return [whole, ...parts];
}
