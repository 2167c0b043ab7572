import type { Kind } from "@raft2kube/api/kind.ts";
import { expired, revisionTooLarge } from "@raft2kube/apimachinery/errors/catalog.ts";
import { isEtcdError } from "@raft2kube/client-etcd/errors.ts";
import { timed } from "@raft2kube/observe/timed.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { entryOfRow } from "../cache/entry-of-row.ts";
import { type Selection, selects } from "../cache/selection.ts";
import { countBehind, type State, walkFrom } from "../cache/states.ts";
import type { WatchCache } from "../cache/watch-cache.ts";
import { STORE_PAGE_KEYS } from "../limits.ts";
import type { Entry } from "../object/entry.ts";
import type { ObjectList } from "../request/answer.ts";
import type { Resource } from "../resource/resource.ts";
import { decodeContinue, encodeContinue } from "../storage/continue.ts";
import { prefixOf } from "../storage/keys.ts";
import type { RowPage, Rows } from "../storage/rows.ts";
import { inVersionOf } from "../storage/stored-versions.ts";
import type { ListOptions } from "./list-options.ts";
import { selectionOf } from "./selection.ts";

/** Entries of one listing, the revision they show, and where it was cut. */
export type Listing = { entries: Entry[]; revision: number; continue?: string; remaining?: number };

/** Lists objects: from the cache when it holds the state that is meant, else from the store. */
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

/** The same as entries; those of the cache share its memory. */
export async function listingOf(
  resource: Resource,
  namespace: string,
  selection: Selection,
  options: ListOptions,
): Promise<Listing> {
  const place = placeOf(resource.kind, namespace, options);
  const known = resource.isConverting ? undefined : await cachedState(resource, options, place);
  if (known) {
    const picked = await pickedInSlices(selection, options, known.state, place.start);
    const { fetched, ...listing } = timed(`list ${resource.kind.plural}: select`, () =>
      listFromState(resource.kind, namespace, picked, options, known, place.start),
    );
    const { cache } = resource.metrics;
    cache.lists.add();
    cache.listFetched.add(fetched);
    cache.listReturned.add(listing.entries.length);
    return listing;
  }
  return await listFromStore(resource, namespace, selection, options);
}

/**
 * Compares a state's entries with selectors in slices: these have up to REQUEST_SELECTOR_TERMS_MAX
 * terms each. The selection that it returns matches those of the list, and one after its limit.
 */
async function pickedInSlices(
  selection: Selection,
  { labelSelector, fieldSelector, limit, match }: ListOptions,
  state: State,
  start: string,
): Promise<Selection> {
  if (labelSelector === "" && fieldSelector === "") return selection;
  const count_max = match.type === "any" || limit === 0 ? Infinity : limit + 1;
  const picked = new Set<Entry>();
  const slices = new Slices();
  let next: string | undefined = start > selection.prefix ? start : selection.prefix;
  while (next !== undefined) {
    const from: string = next;
    next = undefined;
    walkFrom(state, from, selection.prefix, (entry) => {
      if (slices.due) {
        next = entry.key;
        return false;
      }
      if (selects(selection, entry)) picked.add(entry);
      return picked.size < count_max;
    });
    if (next !== undefined) await slices.pause();
  }
  return { ...selection, matches: (entry) => picked.has(entry) };
}

/** Where a list starts: its first key, and the revision it is bound to, 0 for none. */
type Place = { start: string; revision: number };

function placeOf(kind: Kind, namespace: string, { match, continue: token }: ListOptions): Place {
  const prefix = prefixOf(kind, namespace);
  if (token === "") return { start: prefix, revision: match.type === "exact" ? match.revision : 0 };
  const { start, revision } = decodeContinue(token);
  return { start: prefix + start, revision: revision === -1 ? 0 : revision };
}

/** A state of the cache and the revision it is listed under. */
type CachedState = { state: State; revision: number };

/**
 * Returns the state that the list is of: at `revision` unless that is 0, else by `match`. Undefined
 * when the cache does not hold it, so that the store is asked. The cache is started in any case,
 * for a watch to follow the list.
 */
async function cachedState(
  resource: Resource,
  { match }: ListOptions,
  { revision }: Place,
): Promise<CachedState | undefined> {
  // lab:07a begin cached-state
  const cache = await resource.cache();
  if (revision !== 0) {
    const state = cache.stateAt(revision);
    return state && { state, revision };
  }
  if (match.type === "newest") return cachedIn(await resource.freshCache());
  if (match.type === "not-older-than" && cache.revision < match.revision) return undefined;
  return cachedIn(cache);
  // lab:07a end
}

function cachedIn(cache: WatchCache | undefined): CachedState | undefined {
  return cache && { state: cache.state, revision: cache.revision };
}

/**
 * Lists a cached state in order of keys, from key `start` (inclusive): the entries that `selection`
 * selects, at most `limit` (0 is no limit; a list for which any state is enough has none), at the
 * state's revision. When more entries would be selected, `continue` has the revision and the last
 * key without `prefixOf(kind, namespace)`, so a list of one namespace leaves that out too; and,
 * without a selector, `remaining` counts the keys after it.
 * `fetched` counts the entries that were looked at.
 */
function listFromState(
  kind: Kind,
  namespace: string,
  selection: Selection,
  options: ListOptions,
  { state, revision }: CachedState,
  start: string,
): Listing & { fetched: number } {
  // lab:07a begin list-from-state
  const entries: Entry[] = [];
  let fetched = 0;
  // A list for which any state is enough is answered without paging (upstream).
  const limit = options.match.type === "any" ? 0 : options.limit;
  let cut = false;
  const visit = (entry: Entry) => {
    fetched++;
    if (!selects(selection, entry)) return true;
    cut = limit > 0 && entries.length === limit;
    if (!cut) entries.push(entry);
    return !cut;
  };
  walkFrom(state, start > selection.prefix ? start : selection.prefix, selection.prefix, visit);
  if (!cut) return { entries, revision, fetched };
  const last = entries.at(-1)!.key;
  const prefix = prefixOf(kind, namespace);
  const token = encodeContinue({ revision, start: last.slice(prefix.length) });
  // With a selector the number of remaining matches is not known.
  const counted = options.labelSelector === "" && options.fieldSelector === "";
  const remaining = countBehind(state, prefix, last);
  return { entries, revision, fetched, continue: token, ...(counted ? { remaining } : {}) };
  // lab:07a end
}

/** Lists from the store: all objects of a selection, or `limit` of them. */
export async function listFromStore(
  resource: Resource,
  namespace: string,
  selection: Selection,
  options: ListOptions,
): Promise<Listing> {
  const { metrics } = resource.store;
  metrics.lists.add();
  const listing = await readPages(resource, namespace, selection, options);
  metrics.listReturned.add(listing.entries.length);
  return listing;
}

/**
 * Lists the store's rows, in pages of at most STORE_PAGE_KEYS, until `limit` objects match (0 is no
 * limit); each page reads no more than are still missing. All are at one revision: that of the
 * list's place, or that of the first page. `continue` and `remaining` are as in `listFromState`.
 * Rejects with `revisionTooLarge` when the list must not be older than a revision that the store
 * has not reached.
 */
async function readPages(
  resource: Resource,
  namespace: string,
  selection: Selection,
  options: ListOptions,
): Promise<Listing> {
  // lab:07a begin list-from-store
  const { kind } = resource;
  const prefix = prefixOf(kind, namespace);
  const { limit, match } = options;
  let { start, revision } = placeOf(kind, namespace, options);
  const entries: Entry[] = [];
  for (;;) {
    const size = limit === 0 ? STORE_PAGE_KEYS : Math.min(limit - entries.length, STORE_PAGE_KEYS);
    const page = await pageOf(resource.store.rows, prefix, start, size, revision, options);
    revision = page.revision;
    if (match.type === "not-older-than" && revision < match.revision) {
      throw revisionTooLarge(match.revision, revision);
    }
    await collect(kind, page, selection, entries, options.owner);
    if (!page.more) return { entries, revision };
    const last = page.rows.at(-1)!.key;
    if (limit > 0 && entries.length >= limit) {
      const token = encodeContinue({ revision, start: last.slice(prefix.length) });
      // With a selector the number of remaining matches is not known.
      const counted = options.labelSelector === "" && options.fieldSelector === "";
      const remaining = page.count - page.rows.length;
      return { entries, revision, continue: token, ...(counted ? { remaining } : {}) };
    }
    start = `${last}\0`;
  }
  // lab:07a end
}

async function collect(
  kind: Kind,
  page: RowPage,
  selection: Selection,
  entries: Entry[],
  owner: string | undefined,
): Promise<void> {
  const slices = new Slices(systemClock(), owner);
  for (const row of await inVersionOf(kind, page.rows)) {
    const entry = entryOfRow(kind, row);
    if (selects(selection, entry)) entries.push(entry);
    if (slices.due) await slices.pause();
  }
}

const EXPIRED_CONTINUE =
  "The provided continue parameter is too old to display a consistent list result. You can start " +
  "a new list without the continue parameter, or use the continue token in this response to " +
  "retrieve the remainder of the results. Continuing with the provided token results in an " +
  "inconsistent list - objects that were created, modified, or deleted between the time the " +
  "first chunk was returned and now may show up in the list.";

const EXPIRED_REVISION = "The resourceVersion for the provided list is too old.";

/**
 * Reads a page of at most `limit` rows at `revision` (0 is the newest). Rejects with the API's
 * error in place of the store's: a future revision with `revisionTooLarge` and the newest revision;
 * a compacted one with `expired`, which for a further page brings a token for the newest state
 * (revision -1) that goes on after the key of the request's own token. Other errors stay as they
 * are.
 */
async function pageOf(
  rows: Rows,
  prefix: string,
  start: string,
  limit: number,
  revision: number,
  options: ListOptions,
): Promise<RowPage> {
  try {
    const keys = options.pages?.keysOf(limit) ?? limit;
    const page = await rows.page(prefix, { start, limit: keys, revision });
    options.pages?.add(page);
    return page;
  } catch (thrown) {
    // lab:07a begin page-of
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
    // lab:07a end
  }
}
