import { timed } from "@raft2kube/observe/timed.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { isLarge, prettyJson, yamlLines } from "./deep-text.ts";

/**
 * Writes an object that may be large: field by field, lists item by item, and large fields in
 * pieces, so that others can run in between.
 */
export interface SlicedForm {
  readonly begin: string;
  field(name: string, value: unknown, first: boolean): Iterable<string>;
  listBegin(name: string, first: boolean): string;
  item(value: unknown, first: boolean): Iterable<string>;
  readonly listEnd: string;
  readonly end: string;
}

const comma = (first: boolean) => (first ? "" : ",");

export const COMPACT_JSON: SlicedForm = {
  begin: "{",
  field: (name, value, first) => [
    `${comma(first)}${JSON.stringify(name)}:${JSON.stringify(value)}`,
  ],
  listBegin: (name, first) => `${comma(first)}${JSON.stringify(name)}:[`,
  item: (value, first) => [`${comma(first)}${JSON.stringify(value)}`],
  listEnd: "]",
  end: "}\n",
};

export const PRETTY_JSON: SlicedForm = {
  begin: "{",
  *field(name, value, first) {
    yield `${comma(first)}\n  ${JSON.stringify(name)}: `;
    yield* prettyJson(value, "  ");
  },
  listBegin: (name, first) => `${comma(first)}\n  ${JSON.stringify(name)}: [`,
  *item(value, first) {
    yield `${comma(first)}\n    `;
    yield* prettyJson(value, "    ");
  },
  listEnd: "\n  ]",
  end: "\n}\n",
};

/** YAML, whose writer is loaded at the first request for it: it is rare. */
export async function yamlForm(): Promise<SlicedForm> {
  const { yamlText } = await import("../yaml.ts");
  return {
    begin: "",
    field: (name, value) =>
      isLarge(value) ? yamlLines({ [name]: value }, "", yamlText) : [yamlText({ [name]: value })],
    listBegin: (name) => `${name}:\n`,
    item: (value) => (isLarge(value) ? yamlLines([value], "", yamlText) : [yamlText([value])]),
    listEnd: "",
    end: "",
  };
}

/** A list that is made while it is written, once; it has at least one item. */
export class LazyList<T = unknown> {
  readonly items: Iterable<T>;

  constructor(items: Iterable<T>) {
    this.items = items;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.items[Symbol.iterator]();
  }
}

/** The bytes of an object, others running in between. */
export const encodeSliced = async (
  object: object,
  form: SlicedForm,
  slices: Pick<Slices, "due" | "pause"> = new Slices(),
): Promise<Buffer> => (await encodeWithin(object, form, Infinity, slices))!;

/** The same; undefined, without the rest, if the text has more than `length_max` characters. */
export async function encodeWithin(
  object: object,
  form: SlicedForm,
  length_max: number,
  slices: Pick<Slices, "due" | "pause"> = new Slices(),
): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let parts: string[] = [];
  let length = 0;
  // Text becomes bytes slice by slice too: of many MB that alone takes long.
  const flush = () => {
    chunks.push(Buffer.from(parts.join("")));
    parts = [];
  };
  for (const part of partsOf(object, form)) {
    parts.push(part);
    length += part.length;
    if (length > length_max) return undefined;
    if (!slices.due) continue;
    flush();
    await slices.pause();
  }
  flush();
  return await joinSliced(chunks, "encode: join", slices);
}

/** Bytes copied between two looks at the time. */
const STEP_BYTES = 1024 * 1024;

/**
 * Joins parts and lets others run in between: copying many MB, whose pages the kernel has yet to
 * provide, takes long. `by` names it in the metric of the loop's longest holders.
 */
export async function joinSliced(
  parts: readonly Buffer[],
  by: string,
  slices: Pick<Slices, "due" | "pause"> = new Slices(),
): Promise<Buffer> {
  const whole = Buffer.allocUnsafe(parts.reduce((sum, part) => sum + part.length, 0));
  let next = 0;
  let at = 0;
  const step = () => {
    for (const end = at + STEP_BYTES; next < parts.length && at < end; next++) {
      at += parts[next]!.copy(whole, at);
    }
  };
  while (next < parts.length) {
    timed(by, step);
    if (slices.due) await slices.pause();
  }
  return whole;
}

function* partsOf(object: object, form: SlicedForm): Generator<string> {
  yield form.begin;
  let first = true;
  for (const [name, value] of Object.entries(object) as [string, unknown][]) {
    if (value === undefined) continue;
    const list = listIn(value);
    if (list === undefined) yield* form.field(name, value, first);
    else {
      yield form.listBegin(name, first);
      let firstItem = true;
      for (const item of list) {
        // An item that was parsed for this has taken its time already.
        yield "";
        yield* form.item(item, firstItem);
        firstItem = false;
      }
      yield form.listEnd;
    }
    first = false;
  }
  yield form.end;
}

/** The items of a list that is written item by item. */
function listIn(value: unknown): Iterable<unknown> | undefined {
  if (value instanceof LazyList) return value.items;
  return Array.isArray(value) && value.length > 0 ? value : undefined;
}
