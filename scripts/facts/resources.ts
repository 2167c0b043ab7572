/** Turns upstream's committed discovery documents into `api/facts/resources.json`. Pure. */

import type { ResourceFact } from "../../api/facts.ts";
import type { ApiPackage } from "./packages.ts";

/** An APIResourceList of upstream's `api/discovery/`. */
export interface ResourceList {
  readonly resources: readonly {
    readonly name: string;
    readonly kind: string;
    readonly singularName: string;
    readonly namespaced: boolean;
    readonly shortNames?: readonly string[];
    readonly categories?: readonly string[];
    readonly verbs: readonly string[];
    readonly group?: string;
    readonly version?: string;
    readonly storageVersionHash?: string;
  }[];
}

/** Discovery of the groups that kube-apiserver does not serve: metrics-server's. */
export const OTHER_RESOURCES: Readonly<Record<string, ResourceList>> = {
  "metrics/v1beta1": {
    resources: [
      {
        name: "nodes",
        singularName: "",
        namespaced: false,
        kind: "NodeMetrics",
        verbs: ["get", "list"],
      },
      {
        name: "pods",
        singularName: "",
        namespaced: true,
        kind: "PodMetrics",
        verbs: ["get", "list"],
      },
    ],
  },
};

/** The file name of the discovery document of one group and version. */
export function discoveryFile(of: ApiPackage): string {
  const version = of.name.split("/")[1]!;
  return of.group === "" ? `api__${version}.json` : `apis__${of.group}__${version}.json`;
}

/** The resources of one group and version, each with its subresources, by name. */
export function resourceFacts(list: ResourceList, of: ApiPackage): ResourceFact[] {
  const version = of.name.split("/")[1]!;
  return list.resources
    .filter((each) => !each.name.includes("/"))
    .map((each) => ({
      package: of.name,
      group: of.group,
      plural: each.name,
      singular: each.singularName,
      kind: each.kind,
      namespaced: each.namespaced,
      ...(each.shortNames === undefined ? {} : { shortNames: each.shortNames }),
      ...(each.categories === undefined ? {} : { categories: each.categories }),
      verbs: each.verbs,
      ...(each.storageVersionHash === undefined
        ? {}
        : { storageVersionHash: each.storageVersionHash }),
      subresources: list.resources
        .filter((sub) => sub.name.startsWith(`${each.name}/`))
        .map((sub) => ({
          name: sub.name.slice(each.name.length + 1),
          verbs: sub.verbs,
          group: sub.group ?? of.group,
          version: sub.version ?? version,
          kind: sub.kind,
        })),
    }));
}
