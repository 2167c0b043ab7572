import type { KubeRequester } from "./request.ts";
import { apiVersionOf, type ResourceType } from "./resource.ts";

/** A resource that a server offers. */
export interface DiscoveredResource extends ResourceType {
  readonly kind: string;
  readonly verbs: readonly string[];
  readonly shortNames: readonly string[];
  readonly subresources: readonly string[];
}

/** The result of a discovery. */
export interface Discovered {
  /** Each resource in its group's preferred version. */
  readonly resources: DiscoveredResource[];
  /** The same resources, by `kindKey` of every version that they are served in. */
  readonly kinds: ReadonlyMap<string, DiscoveredResource>;
  /** The apiVersions of aggregated servers that do not answer: their resources may be missing. */
  readonly stale: readonly string[];
}

interface GroupDiscoveryList {
  items?: {
    metadata?: { name?: string };
    versions?: {
      version: string;
      freshness?: string;
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
 * Lists the resources of a server. Those with names that cannot be are passed over: an aggregated
 * server answers with what it likes.
 */
export async function discoverAll(client: Pick<KubeRequester, "request">): Promise<Discovered> {
  const documents = await Promise.all(
    ["/api", "/apis"].map((path) =>
      client.request<GroupDiscoveryList>({ method: "GET", path, accept: AGGREGATED }),
    ),
  );
  const found = new Map<string, DiscoveredResource>();
  const kinds = new Map<string, DiscoveredResource>();
  const stale: string[] = [];
  for (const { metadata, versions = [] } of documents.flatMap(({ items = [] }) => items)) {
    const group = metadata?.name ?? "";
    for (const { version, freshness, resources = [] } of versions) {
      const apiVersion = apiVersionOf({ group, version });
      if (freshness === "Stale") stale.push(apiVersion);
      for (const { resource: plural, scope, responseKind, ...offered } of resources) {
        if (!responseKind) continue;
        if (![plural, version, ...(group === "" ? [] : [group])].every(isName)) continue;
        const { verbs, shortNames = [], subresources = [] } = offered;
        const key = `${group}/${plural}`;
        const preferred = found.get(key) ?? {
          ...{ group, version, plural, verbs, shortNames },
          namespaced: scope === "Namespaced",
          kind: responseKind.kind,
          subresources: subresources.map(({ subresource }) => subresource),
        };
        found.set(key, preferred);
        kinds.set(kindKey(apiVersion, responseKind.kind), preferred);
      }
    }
  }
  return { resources: [...found.values()], kinds, stale };
}

/** Lists the resources of a server, each in its group's preferred version. */
export const discover = async (
  client: Pick<KubeRequester, "request">,
): Promise<DiscoveredResource[]> => (await discoverAll(client)).resources;

/** The key of an object's type in `Discovered.kinds`. */
export const kindKey = (apiVersion: string, kind: string): string => `${apiVersion}/${kind}`;

/** Whether a resource can do all of these. */
export function canDo(resource: DiscoveredResource, ...verbs: string[]): boolean {
  return verbs.every((verb) => resource.verbs.includes(verb));
}
