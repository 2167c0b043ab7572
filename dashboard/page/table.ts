import { isForbidden } from "@raft2kube/client-kube/errors.ts";
import { queryString } from "@raft2kube/client-kube/rest/query.ts";
import { resourcePath } from "@raft2kube/client-kube/rest/resource.ts";
import { watchStream } from "@raft2kube/client-kube/rest/watch.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { type AnyObject, kube } from "./api.ts";
import type { Kind } from "./kinds.ts";
import { follow } from "./live.ts";

export interface Row {
  uid: string;
  name: string;
  namespace: string;
  cells: unknown[];
  created: string;
  /** Namespace and name, by which rows are sorted. */
  key: string;
}
export type Column = { name: string; type: string; priority: number };

interface Table {
  columnDefinitions?: Column[];
  metadata: { resourceVersion?: string; continue?: string };
  rows?: { cells: unknown[]; object: Pick<AnyObject, "metadata"> }[] | null;
}

const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
/** Rows of the first page, which fill a screen, and of the others. */
const FIRST_PAGE = 100;
const PAGE = 500;

/** The rows of one kind, kept current by a watch; it lists again after a failure. */
export class LiveTable {
  columns: Column[] = [];
  readonly rows = new Map<string, Row>();
  /** Why nothing is shown, or what is shown may be old. */
  problem: string | undefined;
  loaded = false;
  readonly close: () => void;
  readonly #path: string;
  readonly #labelSelector: string;
  readonly #changed: () => void;

  constructor(kind: Kind, namespace: string, labelSelector: string, changed: () => void) {
    this.#path = resourcePath(kind, { namespace });
    this.#labelSelector = labelSelector;
    this.#changed = changed;
    this.close = follow(
      (signal) => this.#round(signal),
      (problem) => {
        this.problem = problem;
        changed();
      },
    );
  }

  async #round(signal: AbortSignal): Promise<void> {
    const resourceVersion = await this.#list(signal);
    await tolerate(this.#watch(resourceVersion, signal), isForbidden);
  }

  async #watch(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const path = this.#at({ watch: true, resourceVersion });
    for await (const { type, object } of watchStream<Table>(kube, { path, accept, signal })) {
      const rows = this.#take(object);
      if (type === "DELETED") for (const { uid } of rows) this.rows.delete(uid);
      this.#changed();
    }
  }

  /** Reads all rows, page by page; resolves with the version to watch from. */
  async #list(signal: AbortSignal): Promise<string> {
    const seen = new Set<string>();
    let [next, version] = ["", ""];
    do {
      const path = this.#at({ limit: next ? PAGE : FIRST_PAGE, continue: next });
      const table = await kube.request<Table>({ method: "GET", path, accept, signal });
      this.#take(table).forEach(({ uid }) => seen.add(uid));
      version = table.metadata.resourceVersion ?? version;
      next = table.metadata.continue ?? "";
      [this.problem, this.loaded] = [undefined, true];
      this.#changed();
    } while (next);
    for (const uid of this.rows.keys()) if (!seen.has(uid)) this.rows.delete(uid);
    this.#changed();
    return version;
  }

  #at(query: Parameters<typeof queryString>[0]): string {
    return this.#path + queryString({ ...query, labelSelector: this.#labelSelector });
  }

  #take({ columnDefinitions, rows }: Table): Row[] {
    const isNew = JSON.stringify(columnDefinitions) !== JSON.stringify(this.columns);
    if (columnDefinitions?.length && isNew) this.columns = columnDefinitions;
    return (rows ?? []).map(({ cells, object: { metadata } }) => {
      const { name, namespace = "", uid = name, creationTimestamp: created = "" } = metadata;
      const row: Row = { uid, name, cells, namespace, created, key: `${namespace} ${name}` };
      this.rows.set(row.uid, row);
      return row;
    });
  }
}
