import type { Cell, Column, KubeObject, Printed } from "@raft2kube/api/kind.ts";
import { LazyList } from "@raft2kube/apimachinery/encode/sliced.ts";
import { badRequest } from "@raft2kube/apimachinery/errors/catalog.ts";
import { parseExact } from "@raft2kube/std/exact-json.ts";
import { BODY_BYTES_MAX, ROW_CHARACTERS_MIN } from "../limits.ts";
import type { ObjectList } from "../request/answer.ts";
import type { Transform } from "../request/negotiate.ts";

/** The start of a Table, before the rows: their objects could contain the same text. */
const NO_COLUMNS = '"columnDefinitions":null';

/** How much of each object a Table's rows carry (`includeObject`). */
type IncludeObject = "None" | "Metadata" | "Object";

/** Turns objects into what `as=` asked for; the same for single objects, lists and watch events. */
export class Transformer {
  readonly transform: Transform;
  /** Names the result among other encodings of the same event. */
  readonly id: string;
  readonly #kind: Printed;
  readonly #include: IncludeObject;
  readonly #now: () => number;

  constructor(kind: Printed, transform: Transform, query: URLSearchParams, now: () => number) {
    this.transform = transform;
    this.#kind = kind;
    this.#now = now;
    this.#include = transform.as === "Table" ? includeOf(query) : "Metadata";
    const { as } = transform;
    this.id = as === "object" ? "" : `${as}/${transform.version}/${this.#include}`;
  }

  /** The object itself when nothing was asked for. `bytes` are those of its JSON, if known. */
  one(object: KubeObject, bytes = BODY_BYTES_MAX): object {
    if (this.transform.as === "object") return object;
    if (this.transform.as === "PartialObjectMetadata") return this.#partial(object);
    const { resourceVersion } = object.metadata;
    const rows = [this.#row(object, this.#now(), bytes)];
    return { ...this.#table(resourceVersion === undefined ? {} : { resourceVersion }), rows };
  }

  /** A bookmark is an object in which little is set; only one with annotations is a row. */
  bookmark(object: KubeObject): object {
    if (!this.#isTable) return this.one(object);
    const { resourceVersion = "", annotations } = object.metadata;
    const rows = annotations ? [this.#row(object, this.#now(), 0)] : [];
    return { ...this.#table({ resourceVersion }), rows };
  }

  /**
   * The result of `one` or `bookmark` for an event of a watch. A Table has its columns in the first
   * event alone, where `opening` inserts them: an event's bytes are the same for all watchers.
   */
  lean(shown: object): object {
    return this.#isTable ? { ...shown, columnDefinitions: null } : shown;
  }

  get #isTable(): boolean {
    return this.transform.as === "Table";
  }

  /** The bytes of a watch's first events, as JSON, with the columns; others as they are. */
  opening(bytes: Buffer): Buffer {
    const at = this.#isTable ? bytes.indexOf(NO_COLUMNS) : -1;
    if (at < 0) return bytes;
    const columns = `"columnDefinitions":${JSON.stringify(this.#columns())}`;
    const rest = bytes.subarray(at + NO_COLUMNS.length);
    return Buffer.concat([bytes.subarray(0, at), Buffer.from(columns), rest]);
  }

  #columns(): object[] {
    return this.#kind.columns.filter((each) => !each.undeclared).map(definitionOf);
  }

  /** A list put together from `list`, parsed because each item shows parts of its object. */
  list(list: ObjectList): object {
    const metadata = listMetadata(list);
    if (this.transform.as === "Table") {
      const now_ms = this.#now();
      const rows = itemsOf(list, (object, bytes) => this.#row(object, now_ms, bytes));
      return { ...this.#table(metadata), rows };
    }
    return {
      kind: "PartialObjectMetadataList",
      apiVersion: this.#apiVersion(),
      metadata,
      items: itemsOf(list, (object) => this.#partial(object)),
    };
  }

  #apiVersion(): string {
    return `meta.k8s.io/${this.transform.as === "object" ? "v1" : this.transform.version}`;
  }

  #partial(object: KubeObject): object {
    return {
      kind: "PartialObjectMetadata",
      apiVersion: this.#apiVersion(),
      metadata: object.metadata,
    };
  }

  /** A Table without rows. */
  #table(metadata: object): object {
    return {
      kind: "Table",
      apiVersion: this.#apiVersion(),
      metadata,
      columnDefinitions: this.#columns(),
      rows: [],
    };
  }

  #row(given: KubeObject, now_ms: number, bytes: number): object {
    const object = this.#kind.shown?.(given) ?? given;
    const cells = this.#cells(object, now_ms, bytes + ROW_CHARACTERS_MIN);
    const conditions = this.#kind.rowConditions?.(object) ?? [];
    const ended = conditions.length === 0 ? {} : { conditions };
    return { cells, ...ended, ...this.#rowObject(object) };
  }

  /**
   * The cells, whose texts have `left` characters together; what is beyond is cut. Each of 100
   * columns of a definition may show the whole object, and an answer counts as what it shows.
   */
  #cells(object: KubeObject, now_ms: number, left: number): Cell[] {
    return this.#kind.columns.map((column) => {
      if (left <= 0 && column.type === "string") return null;
      const cell = column.value(object, now_ms);
      if (typeof cell !== "string") return cell;
      const shown = cell.slice(0, Math.max(0, left));
      left -= shown.length;
      return shown;
    });
  }

  #rowObject(object: KubeObject): object {
    if (this.#include === "None") return { object: null };
    return { object: this.#include === "Object" ? object : this.#partial(object) };
  }
}

/** Shows an object, whose JSON has so many bytes. */
type Make = (object: KubeObject, bytes: number) => object;

/** The items of a list as `make` shows them, each parsed only when it is written. */
export function itemsOf({ items }: ObjectList, make: Make): Iterable<object> {
  return items.length === 0 ? [] : new LazyList(madeOf(items, make));
}

function* madeOf(items: readonly Buffer[], make: Make): Generator<object> {
  for (const item of items) {
    yield make(parseExact(item.toString("utf8")) as KubeObject, item.length);
  }
}

function includeOf(query: URLSearchParams): IncludeObject {
  const value = query.get("includeObject") ?? "Metadata";
  if (value === "" || value === "Metadata") return "Metadata";
  if (value === "None" || value === "Object") return value;
  throw badRequest(
    `Unable to convert to Table as requested: includeObject: Invalid value: "${value}": ` +
      "must be 'Metadata', 'Object', 'None', or empty",
  );
}

function definitionOf(column: Column): object {
  const { name, type, format, description, priority } = column;
  return { name, type, format, description, priority };
}

/** The metadata of a list, in the order upstream writes it. */
export const listMetadata = (list: ObjectList): object => ({
  ...(list.revision === 0 ? {} : { resourceVersion: String(list.revision) }),
  ...(list.continue === undefined ? {} : { continue: list.continue }),
  ...(list.remaining === undefined ? {} : { remainingItemCount: list.remaining }),
});
