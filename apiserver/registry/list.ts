import type { Kind } from "@raft2kube/api/kind.ts";
import { isEtcdError } from "@raft2kube/client-etcd/errors.ts";
import type { Entry } from "../cache/entry.ts";
import type { WatchCache } from "../cache/watch-cache.ts";
import { entryOfRow } from "../cache/entry-of-row.ts";
import { selects, type Selection } from "../cache/selection.ts";
import { expired, revisionTooLarge } from "../errors/catalog.ts";
import type { ObjectList } from "../http/answer.ts";
import { STORE_PAGE_KEYS } from "../limits.ts";
import { decodeContinue, encodeContinue } from "../storage/continue.ts";
import { prefixOf } from "../storage/keys.ts";
import type { RowPage, Rows } from "../storage/rows.ts";
import type { ListOptions } from "./list-options.ts";
import type { Resource } from "./resource.ts";
import { selectionOf } from "./selection.ts";

/** Entries of one listing, the revision they show, and where it was cut. */
export interface Listing {
  entries: Entry[];
  revision: number;
  continue?: string;
  remaining?: number;
}

/** Lists objects: from the cache when any state will do, else from the store. */
export async function listObjects(
  resource: Resource,
  namespace: string,
  options: ListOptions,
): Promise<ObjectList> {
  const { kind } = resource;
  const selection = selectionOf(kind, namespace, options);
  const listing = await listingOf(resource, namespace, selection, options);
  return {
    kind,
    revision: listing.revision,
    items: listing.entries.map((entry) => entry.body),
    ...(listing.continue === undefined ? {} : { continue: listing.continue }),
    ...(listing.remaining === undefined ? {} : { remaining: listing.remaining }),
  };
}

async function listingOf(
  resource: Resource,
  namespace: string,
  selection: Selection,
  options: ListOptions,
): Promise<Listing> {
  const cache = options.continue === "" ? await cacheFor(resource, options) : undefined;
  if (cache) return listFromCache(resource, namespace, selection, options, cache);
  return await listFromStore(resource, namespace, selection, options);
}

/** The cache, when it can answer; it is started in any case, for a watch to follow the list. */
async function cacheFor(
  resource: Resource,
  { match, limit }: ListOptions,
): Promise<WatchCache | undefined> {
  const cache = await resource.cache();
  switch (match.type) {
    case "any":
      return cache;
    case "newest":
      return await resource.freshCache();
    case "not-older-than":
      return limit === 0 && cache.revision >= match.revision ? cache : undefined;
    case "exact":
      return undefined;
  }
}

function listFromCache(
  { kind }: Resource,
  namespace: string,
  selection: Selection,
  options: ListOptions,
  cache: WatchCache,
): Listing {
  const { revision } = cache;
  const all = cache.list();
  const entries: Entry[] = [];
  // Whatever state will do is answered whole (upstream).
  const limit = options.match.type === "any" ? 0 : options.limit;
  for (const [index, entry] of all.entries()) {
    if (!selects(selection, entry)) continue;
    if (limit > 0 && entries.length === limit) {
      const last = entries.at(-1)!.key;
      const start = last.slice(prefixOf(kind, namespace).length);
      const token = encodeContinue({ revision, start });
      // With a selector nobody knows how many of those that follow match.
      const counted = options.labelSelector === "" && options.fieldSelector === "";
      const rest = all.slice(index).filter((each) => selects(selection, each)).length;
      return { entries, revision, continue: token, ...(counted ? { remaining: rest } : {}) };
    }
    entries.push(entry);
  }
  return { entries, revision };
}

/** Lists from the store, page after page until `limit` objects match. */
export async function listFromStore(
  resource: Resource,
  namespace: string,
  selection: Selection,
  options: ListOptions,
): Promise<Listing> {
  const { kind } = resource;
  const prefix = prefixOf(kind, namespace);
  const { limit, match } = options;
  let revision = match.type === "exact" ? match.revision : 0;
  let start = prefix;
  if (options.continue !== "") {
    const token = decodeContinue(options.continue);
    start = prefix + token.start;
    revision = token.revision === -1 ? 0 : token.revision;
  }
  const entries: Entry[] = [];
  for (;;) {
    const size = limit === 0 ? STORE_PAGE_KEYS : Math.min(limit - entries.length, STORE_PAGE_KEYS);
    const page = await pageOf(resource.store.rows, prefix, start, size, revision, options);
    revision = page.revision;
    if (match.type === "not-older-than" && revision < match.revision) {
      throw revisionTooLarge(match.revision, revision);
    }
    collect(kind, page, selection, entries);
    if (!page.more) return { entries, revision };
    const last = page.rows.at(-1)!.key;
    if (limit > 0 && entries.length >= limit) {
      const token = encodeContinue({ revision, start: last.slice(prefix.length) });
      // With a selector nobody knows how many of those that follow match.
      const counted = options.labelSelector === "" && options.fieldSelector === "";
      const remaining = page.count - page.rows.length;
      return { entries, revision, continue: token, ...(counted ? { remaining } : {}) };
    }
    start = `${last}\0`;
  }
}

function collect(kind: Kind, page: RowPage, selection: Selection, entries: Entry[]): void {
  for (const row of page.rows) {
    const entry = entryOfRow(kind, row);
    if (selects(selection, entry)) entries.push(entry);
  }
}

const EXPIRED_CONTINUE =
  "The provided continue parameter is too old to display a consistent list result. You can start " +
  "a new list without the continue parameter, or use the continue token in this response to " +
  "retrieve the remainder of the results. Continuing with the provided token results in an " +
  "inconsistent list - objects that were created, modified, or deleted between the time the " +
  "first chunk was returned and now may show up in the list.";

const EXPIRED_REVISION = "The resourceVersion for the provided list is too old.";

async function pageOf(
  rows: Rows,
  prefix: string,
  start: string,
  limit: number,
  revision: number,
  options: ListOptions,
): Promise<RowPage> {
  try {
    return await rows.page(prefix, { start, limit, revision });
  } catch (thrown) {
    if (isEtcdError(thrown, "futureRevision")) {
      throw revisionTooLarge(revision, await rows.revision());
    }
    if (!isEtcdError(thrown, "compacted")) throw thrown;
    if (options.continue === "") throw expired(EXPIRED_REVISION);
    const { start: from } = decodeContinue(options.continue);
    throw expired(
      EXPIRED_CONTINUE,
      encodeContinue({ revision: -1, start: from.replace(/\0$/, "") }),
    );
  }
}
