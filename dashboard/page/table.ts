import { type AnyObject, ApiError, get, lines } from "./api.ts";
import { type Kind, pathOf } from "./kinds.ts";

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
  metadata?: { resourceVersion?: string; continue?: string };
  rows?: { cells: unknown[]; object: Pick<AnyObject, "metadata"> }[] | null;
}

const ACCEPT = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
/** Rows of the first page, which fill a screen, and of the others. */
const FIRST_PAGE = 100;
const PAGE = 500;
const RETRY_MS = 2_000;
const WATCH_LINE_CHARS_MAX = 4 << 20;

/** The rows of one kind, kept current by a watch; it lists again after a failure. */
export class LiveTable {
  columns: Column[] = [];
  readonly rows = new Map<string, Row>();
  /** Why nothing is shown, or what is shown may be old. */
  problem: ApiError | undefined;
  loaded = false;
  readonly #path: string;
  readonly #query: string;
  readonly #changed: () => void;
  #stop: () => void = () => {};
  #timer: number | undefined;
  #closed = false;

  constructor(kind: Kind, namespace: string, selector: string, changed: () => void) {
    this.#path = pathOf(kind, namespace || undefined);
    this.#query = selector ? `&labelSelector=${encodeURIComponent(selector)}` : "";
    this.#changed = changed;
    void this.#start();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#stop();
  }

  async #start(): Promise<void> {
    try {
      const seen = new Set<string>();
      let [next, version] = ["", ""];
      do {
        const more = next && `&continue=${encodeURIComponent(next)}`;
        const limit = next ? PAGE : FIRST_PAGE;
        const table = await get<Table>(`${this.#path}?limit=${limit}${this.#query}${more}`, ACCEPT);
        if (this.#closed) return;
        this.#take(table).forEach(({ uid }) => seen.add(uid));
        version = table.metadata?.resourceVersion ?? version;
        next = table.metadata?.continue ?? "";
        [this.problem, this.loaded] = [undefined, true];
        this.#changed();
      } while (next);
      for (const uid of this.rows.keys()) if (!seen.has(uid)) this.rows.delete(uid);
      this.#changed();
      this.#watch(version);
    } catch (thrown) {
      this.#failed(thrown instanceof ApiError ? thrown : new ApiError(0, String(thrown)));
    }
  }

  #watch(version: string): void {
    const query = `watch=1&table=1&resourceVersion=${version}${this.#query}`;
    const path = `${this.#path}?${query}`;
    this.#stop = lines(
      path,
      (line) => {
        const { type, object } = JSON.parse(line) as { type: string; object: Table };
        // The server ends the watch after it, and the table is listed again.
        if (type === "ERROR") return;
        const rows = this.#take(object);
        if (type === "DELETED") for (const { uid } of rows) this.rows.delete(uid);
        this.#changed();
      },
      (why, code) => {
        if (code === 1_000) return void this.#start();
        this.#failed(new ApiError(code === 4_000 ? 403 : 502, why || "the connection was lost"));
      },
      WATCH_LINE_CHARS_MAX,
    );
  }

  #failed(problem: ApiError): void {
    if (this.#closed) return;
    this.problem = problem;
    this.#changed();
    this.#timer = window.setTimeout(() => void this.#start(), RETRY_MS);
  }

  #take({ columnDefinitions, rows }: Table): Row[] {
    const isNew = JSON.stringify(columnDefinitions) !== JSON.stringify(this.columns);
    if (columnDefinitions?.length && isNew) this.columns = columnDefinitions;
    return (rows ?? []).map(({ cells, object: { metadata } }) => {
      const row: Row = {
        uid: metadata.uid ?? metadata.name,
        name: metadata.name,
        cells,
        namespace: metadata.namespace ?? "",
        created: metadata.creationTimestamp ?? "",
        key: `${metadata.namespace ?? ""} ${metadata.name}`,
      };
      this.rows.set(row.uid, row);
      return row;
    });
  }
}
