import type { Table, TableRow } from "@raft2kube/api/gen/meta/v1.ts";
import { isForbidden } from "@raft2kube/client-kube/errors.ts";
import { queryString } from "@raft2kube/client-kube/rest/query.ts";
import { resourcePath } from "@raft2kube/client-kube/rest/resource.ts";
import { watchStream } from "@raft2kube/client-kube/rest/watch.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { type AnyObject, kube } from "./api.ts";
import type { Kind } from "./kinds.ts";
import { follow } from "./live.ts";

/** A row, with the namespace before the server's cells, and the key by which rows are sorted. */
export type Row = ReturnType<typeof rowOf>;
function rowOf({ cells, object }: TableRow) {
  const { name, namespace = "", uid = name, creationTimestamp } = (object as AnyObject).metadata;
  const key = `${namespace} ${name}`;
  return { uid, name, namespace, cells: [namespace, ...cells], created: creationTimestamp, key };
}

/** A column that is shown, and its place among the cells. */
export type Column = { name: string; i: number };

/** The rows of one kind. */
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
  return follow(
    async (signal) => void (await tolerate(watch(await list(signal), signal), isForbidden)),
    report,
  );
}
