import type { KubeRequester } from "./request.ts";
import type { ResourceType } from "./resource.ts";

/** A resource that a server offers. */
export interface DiscoveredResource extends ResourceType {
  readonly kind: string;
  readonly verbs: readonly string[];
  readonly shortNames: readonly string[];
  readonly subresources: readonly string[];
}

interface GroupDiscoveryList {
  items?: {
    metadata?: { name?: string };
    versions?: {
      version: string;
      resources?: {
        resource: string;
        scope: string;
        verbs: string[];
        shortNames?: string[];
        responseKind?: { group?: string; version?: string; kind: string };
        subresources?: { subresource: string }[];
      }[];
    }[];
  }[];
}

const AGGREGATED =
  "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/** Groups, versions and resources are names of DNS: nothing else may become a path. */
const NAME = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;
const isName = (text: string) => NAME.test(text) && !text.includes("..");

/**
 * Lists the resources of a server, each in its group's preferred version. Those with names that
 * cannot be are passed over: an aggregated server answers with what it likes.
 */
export async function discover(
  client: Pick<KubeRequester, "request">,
): Promise<DiscoveredResource[]> {
  const documents = await Promise.all(
    ["/api", "/apis"].map((path) =>
      client.request<GroupDiscoveryList>({ method: "GET", path, accept: AGGREGATED }),
    ),
  );
  const found = new Map<string, DiscoveredResource>();
  for (const { metadata, versions = [] } of documents.flatMap(({ items = [] }) => items)) {
    const group = metadata?.name ?? "";
    for (const { version, resources = [] } of versions) {
      for (const { resource: plural, scope, responseKind, ...offered } of resources) {
        const { verbs, shortNames = [], subresources = [] } = offered;
        const key = `${group}/${plural}`;
        if (found.has(key) || !responseKind) continue;
        if (![plural, version, ...(group === "" ? [] : [group])].every(isName)) continue;
        found.set(key, {
          ...{ group, version, plural, verbs, shortNames },
          namespaced: scope === "Namespaced",
          kind: responseKind.kind,
          subresources: subresources.map(({ subresource }) => subresource),
        });
      }
    }
  }
  return [...found.values()];
}

/** Whether a resource can do all of these. */
export function canDo(resource: DiscoveredResource, ...verbs: string[]): boolean {
  return verbs.every((verb) => resource.verbs.includes(verb));
}
