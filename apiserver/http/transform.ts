import type { Column, KubeObject, Printed } from "@raft2kube/api/kind.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { badRequest } from "../errors/catalog.ts";
import type { ObjectList } from "./answer.ts";
import type { Transform } from "./negotiate.ts";

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
    this.#include = includeOf(query);
    const { as } = transform;
    this.id = as === "object" ? "" : `${as}/${transform.version}/${this.#include}`;
  }

  /** The object itself when nothing was asked for. */
  one(object: KubeObject): object {
    if (this.transform.as === "object") return object;
    if (this.transform.as === "PartialObjectMetadata") return this.#partial(object);
    const { resourceVersion } = object.metadata;
    return this.#table([object], resourceVersion === undefined ? {} : { resourceVersion });
  }

  /** A bookmark has only a revision and annotations: no column can be read from it. */
  bookmark(object: KubeObject): object {
    if (this.transform.as !== "Table") return this.one(object);
    const { resourceVersion = "", annotations } = object.metadata;
    const table = this.#table([], { resourceVersion });
    const rows = annotations ? [{ cells: [], object: this.#partial(object) }] : [];
    return { ...table, rows };
  }

  /** A list put together from `list`, parsed because each item shows parts of its object. */
  async list(list: ObjectList): Promise<object> {
    const metadata = listMetadata(list);
    if (this.transform.as === "Table") {
      const now_ms = this.#now();
      const rows = await eachOf(list, (object) => this.#row(object, now_ms));
      return { ...this.#table([], metadata), rows };
    }
    return {
      kind: "PartialObjectMetadataList",
      apiVersion: this.#apiVersion(),
      metadata,
      items: await eachOf(list, (object) => this.#partial(object)),
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

  #table(objects: readonly KubeObject[], metadata: object): object {
    const now_ms = this.#now();
    const { columns } = this.#kind;
    return {
      kind: "Table",
      apiVersion: this.#apiVersion(),
      metadata,
      columnDefinitions: columns.filter((each) => !each.undeclared).map(definitionOf),
      rows: objects.map((object) => this.#row(object, now_ms)),
    };
  }

  #row(given: KubeObject, now_ms: number): object {
    const object = this.#kind.shown?.(given) ?? given;
    const cells = this.#kind.columns.map((column) => column.value(object, now_ms));
    const conditions = this.#kind.rowConditions?.(object) ?? [];
    const ended = conditions.length === 0 ? {} : { conditions };
    return { cells, ...ended, ...this.#rowObject(object) };
  }

  #rowObject(object: KubeObject): object {
    if (this.#include === "None") return { object: null };
    return { object: this.#include === "Object" ? object : this.#partial(object) };
  }
}

/** What `make` makes of each item of a list, others running in between. */
async function eachOf(list: ObjectList, make: (object: KubeObject) => object): Promise<object[]> {
  const slices = new Slices();
  const made: object[] = [];
  for (const item of list.items) {
    made.push(make(JSON.parse(item.toString("utf8")) as KubeObject));
    if (slices.due) await slices.pause();
  }
  return made;
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
export function listMetadata(list: ObjectList): object {
  return {
    ...(list.revision === 0 ? {} : { resourceVersion: String(list.revision) }),
    ...(list.continue === undefined ? {} : { continue: list.continue }),
    ...(list.remaining === undefined ? {} : { remainingItemCount: list.remaining }),
  };
}
