import { parseFieldSelector, parseLabelSelector, understood } from "@raft2kube/api/selector.ts";
import { ONE_SEAT, type Work, workOfList, workOfWrite } from "@raft2kube/fairness/work.ts";
import { REQUEST_SELECTOR_CHARS_MAX, TERMS_PER_WATCH } from "../limits.ts";
import type { RequestContext } from "../request/context.ts";
import { isTrue } from "../request/request-info.ts";
import type { Resources } from "../resource/resources.ts";

const WRITES: ReadonlySet<string> = new Set(["create", "update", "patch", "delete"]);

/** The work of a request, and of a write the watchers that get its event. */
export type Estimate = { readonly work: Work; readonly watchers?: number };

/** Estimates a request's work by what the watch cache knows; without one it is one seat. */
export function workOf(
  { info, query }: Pick<RequestContext, "info" | "query">,
  resources: Pick<Resources, "find">,
  listSeats_max: number,
): Estimate {
  if (!info.resourceRequest) return { work: ONE_SEAT };
  const { verb, namespace, name } = info;
  const lists = verb === "list" || verb === "deletecollection";
  const begins = lists || (verb === "watch" && beginsWithObjects(query));
  if (!begins && !WRITES.has(verb)) return { work: ONE_SEAT };
  const cache = resources.find(info.group, info.version, info.resource)?.startedCache;
  if (cache === undefined) return { work: ONE_SEAT };
  if (!begins) {
    const watchers = cache.watchersOf(namespace, name);
    return { work: workOfWrite(watchers), watchers };
  }
  const limit = Number(query.get("limit") ?? 0);
  const list = {
    isSingle: name !== "",
    limit: Number.isSafeInteger(limit) ? limit : 0,
    isSelected: [query.get("fieldSelector"), query.get("labelSelector")].some(Boolean),
    fromCache: verb === "watch" || !isOfStore(query),
    objects: cache.size,
    bytes: cache.bytes,
  };
  return { work: workOfList(list, listSeats_max) };
}

/** Whether a watch sends all objects first (upstream counts those of `sendInitialEvents` alone). */
function beginsWithObjects(query: URLSearchParams): boolean {
  const revision = query.get("resourceVersion") ?? "";
  return isTrue(query.get("sendInitialEvents")) || revision === "" || revision === "0";
}

/** Whether the cache may not have the revision that is asked for. */
function isOfStore(query: URLSearchParams): boolean {
  return query.has("continue") || query.get("resourceVersionMatch") === "Exact";
}

/**
 * How many of an owner's requests that last a request counts as: a watch as one for each
 * TERMS_PER_WATCH terms of its selectors, with which each event is compared in one turn.
 */
export function lastingWeight({ info, query }: Pick<RequestContext, "info" | "query">): number {
  if (info.verb !== "watch") return 1;
  const labels = termsIn(query.get("labelSelector"), parseLabelSelector);
  const fields = termsIn(query.get("fieldSelector"), parseFieldSelector);
  return Math.max(1, Math.ceil((labels + fields) / TERMS_PER_WATCH));
}

/** The terms of a selector; 0 of one that is refused. */
function termsIn(text: string | null, parse: (text: string) => readonly unknown[]): number {
  if (text === null || text.length > REQUEST_SELECTOR_CHARS_MAX) return 0;
  return understood(parse, text)?.length ?? 0;
}
