import type { Table, TableRow } from "@raft2kube/api/gen/meta/v1.ts";
import { isExpired, isForbidden } from "@raft2kube/client-kube/errors.ts";
import { canDo } from "@raft2kube/client-kube/rest/discovery.ts";
import { queryString } from "@raft2kube/client-kube/rest/query.ts";
import { groupResourceOf, resourcePath } from "@raft2kube/client-kube/rest/resource.ts";
import { watchStream } from "@raft2kube/client-kube/rest/watch.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { messageOf, tolerate } from "@raft2kube/std/errors.ts";
import { useEffect, useState } from "preact/hooks";
import { type AnyObject, kube, resource } from "./api.ts";
import type { Kind } from "./kinds.ts";

/** The pause after a round that returns none. */
const ROUND_MS = 2_000;
/** Pauses after rounds that failed soon, of a server that is away, or that refuses. */
const PAUSES = { first_ms: ROUND_MS, most_ms: 10_000 };
const DELETED = "it has been deleted";

/** Reads or watches in rounds, which may return the pause, until the returned function is called. */
export function follow(
  round: (signal: AbortSignal) => Promise<number | void>,
  failed: (problem: string) => void,
  clock: Clock = systemClock(),
): () => void {
  const run = async (signal: AbortSignal) => {
    const began_ms = clock.monotonic();
    const pause_ms = await tolerate(round(signal), (thrown) => {
      // A version that is gone from the server's history is no failure: it is listed again.
      if (isExpired(thrown)) return true;
      // A watch that went on and was cut off: no failure in a row.
      const isLate = clock.monotonic() - began_ms >= PAUSES.most_ms;
      if (isLate && !signal.aborted) failed(messageOf(thrown));
      return isLate;
    });
    return pause_ms ?? ROUND_MS;
  };
  const report = (thrown: unknown) => thrown !== undefined && failed(messageOf(thrown));
  const rounds = new Runner({ clock, run, report, retry: PAUSES });
  rounds.request();
  return () => void rounds.close();
}

/**
 * Returns what is shown of an object: the same state again is no change, as what depends on it
 * would be asked again. Objects that are not stored, as metrics, have no version.
 */
export const shownOf = (shown: AnyObject | undefined, now: AnyObject): AnyObject =>
  shown?.metadata.resourceVersion === now.metadata.resourceVersion ? (shown ?? now) : now;

/** One object, kept current by a watch where its kind has one; and why it may be old. */
export function useLive(kind: Kind, namespace: string, name: string) {
  const [object, setObject] = useState<AnyObject>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    const client = resource(kind);
    const show = (now: AnyObject) => {
      setProblem(undefined);
      setObject((shown) => shownOf(shown, now));
    };
    const watch = async (signal: AbortSignal) => {
      // From now on: the object's own version may be older than what the server can watch from.
      const fieldSelector = `metadata.name=${name}`;
      for await (const event of client.watch({ namespace, fieldSelector, signal })) {
        if (event.type === "DELETED") setProblem(DELETED);
        else if (event.type !== "BOOKMARK") show(event.object);
      }
    };
    const round = async (signal: AbortSignal) => {
      show(await client.get({ namespace, name }));
      if (canDo(kind, "watch")) await tolerate(watch(signal), isForbidden);
    };
    return follow(round, (why) => setProblem((shown) => (shown === DELETED ? shown : why)));
  }, [groupResourceOf(kind), namespace, name]);
  return [object, problem] as const;
}

/** A row, with the namespace before the server's cells, and the key by which rows are sorted. */
export type Row = ReturnType<typeof rowOf>;
function rowOf({ cells, object }: TableRow) {
  const { name, namespace = "", uid = name, creationTimestamp } = (object as AnyObject).metadata;
  const key = `${namespace} ${name}`;
  return { uid, name, namespace, cells: [namespace, ...cells], created: creationTimestamp, key };
}

/** A column that is shown, and its place among the cells. */
export type Column = { name: string; i: number };

export interface LiveTable {
  columns: readonly Column[];
  rows: ReadonlyMap<string, Row>;
  /** Whether the first rows, if any, have come. */
  loaded: boolean;
  /** Why nothing is shown, or what is shown may be old. */
  problem?: string | undefined;
}

const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
/** Rows of the first page, which fill a screen, and of the others. */
const FIRST_PAGE = 100;
const PAGE = 500;

/** The objects that a table lists: without a namespace, those of all. */
export type Listed = { kind: Kind; namespace: string; selector: string };

/** Lists the rows, then watches, and again after a failure, until the returned function is called. */
export function followTable(of: Listed, changed: (now: LiveTable) => void): () => void {
  const { kind, namespace, selector: labelSelector } = of;
  const rows = new Map<string, Row>();
  let [columns, loaded]: [Column[], boolean] = [[], false];
  const report = (problem?: string) => changed({ columns, rows, loaded, problem });
  const at = (query: Parameters<typeof queryString>[0]) =>
    resourcePath(kind, { namespace }) + queryString({ ...query, labelSelector });
  const space = { name: "Namespace", priority: kind.namespaced && !namespace ? 0 : 1 };
  const take = ({ columnDefinitions, rows: taken }: Table): Row[] => {
    const shown = [space, ...(columnDefinitions ?? [])].flatMap(({ name, priority }, i) =>
      priority === 0 ? { name, i } : [],
    );
    const isNew = JSON.stringify(shown) !== JSON.stringify(columns);
    if (columnDefinitions?.length && isNew) columns = shown;
    const changed = (taken ?? []).map(rowOf);
    for (const row of changed) rows.set(row.uid, row);
    return changed;
  };
  const list = async (signal: AbortSignal): Promise<string> => {
    const seen = new Set<string>();
    let [next, version] = ["", ""];
    do {
      const path = at({ limit: next ? PAGE : FIRST_PAGE, continue: next });
      const table = await kube.request<Table>({ method: "GET", path, accept, signal });
      for (const { uid } of take(table)) seen.add(uid);
      version = table.metadata.resourceVersion ?? version;
      next = table.metadata.continue ?? "";
      loaded = true;
      report();
    } while (next);
    for (const uid of rows.keys()) if (!seen.has(uid)) rows.delete(uid);
    report();
    return version;
  };
  const watch = async (resourceVersion: string, signal: AbortSignal) => {
    const from = { path: at({ watch: true, resourceVersion }), accept, signal };
    for await (const { type, object } of watchStream<Table>(kube, from)) {
      const changes = take(object);
      if (type === "DELETED") for (const { uid } of changes) rows.delete(uid);
      report();
    }
  };
  const round = async (end: AbortSignal) => tolerate(watch(await list(end), end), isForbidden);
  return follow(round, report);
}
