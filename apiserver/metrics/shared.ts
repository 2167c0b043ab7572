import type { WatchCache } from "../cache/watch-cache.ts";
import type { Registry } from "../resource/resources.ts";
import type { Resource } from "../resource/resource.ts";
import type { ResourceFigures } from "./resource-counts.ts";

/** The versions of one stored resource. */
export interface Shared {
  /** What they count together. */
  readonly figures: ResourceFigures;
  /** One of them. */
  readonly resource: Resource;
  /** Their caches that were started. */
  readonly caches: readonly WatchCache[];
}

/** All that is stored, each once. */
export function sharedOf(resources: Registry): Shared[] {
  const shared = new Map<ResourceFigures, Shared>();
  for (const resource of resources.all()) {
    const { figures, startedCache, kind } = resource;
    if (kind.storage === undefined) continue;
    const known = shared.get(figures) ?? { figures, resource, caches: [] };
    const caches = startedCache ? [...known.caches, startedCache] : known.caches;
    shared.set(figures, { ...known, caches });
  }
  return [...shared.values()];
}
