import { encodeObject } from "@raft2kube/api/codec/envelope.ts";
import type { Column, Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { kindOf } from "@raft2kube/api/kinds.ts";
import { JSON_TYPE, PROTOBUF_TYPE, YAML_TYPE } from "@raft2kube/apimachinery/decode/media-types.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { expect, it } from "vitest";
import { CountedTurns, mostInOneTurn } from "../../../testing/turns.ts";
import { BODY_BYTES_MAX, QUICKLY_PARSED_BYTES } from "../../limits.ts";
import type { Answer, ObjectList } from "../../request/answer.ts";
import type { RequestContext } from "../../request/context.ts";
import type { Negotiated } from "../../request/negotiate.ts";
import { encodeWhole, encodeWholeList } from "./respond.ts";

it("an answer is encoded no further once its request is over", async () => {
  const gone = new AbortController();
  const names = Array.from({ length: 10_000 }, (_, index) => `k${index}`);
  const read = new Set<string>();
  const data = new Proxy(Object.fromEntries(names.map((name) => [name, ""])), {
    get(target, name: string) {
      if (name === names[1_000]) gone.abort();
      read.add(name);
      return target[name];
    },
  });
  const negotiated = { type: YAML_TYPE, pretty: false, transform: { as: "object" } };
  const context = {
    signal: gone.signal,
    negotiated,
    request: { headers: {} },
  } as unknown as RequestContext;
  const object = { kind: "ConfigMap", metadata: {}, data };
  const answer = { type: "object", code: 200, object } as Extract<Answer, { type: "object" }>;
  await expect(encodeWhole(context, answer, () => 0)).rejects.toThrow("aborted");
  expect(read.has(names.at(-1)!)).toBe(false);
});

const FORMS = {
  "as protobuf": { type: PROTOBUF_TYPE, transform: { as: "object" } },
  "as YAML": { type: YAML_TYPE, transform: { as: "object" } },
  "as a table": { type: JSON_TYPE, transform: { as: "Table", version: "v1" } },
  "of metadata": {
    type: JSON_TYPE,
    transform: { as: "PartialObjectMetadata", version: "v1", list: true },
  },
  "of metadata, as protobuf": {
    type: PROTOBUF_TYPE,
    transform: { as: "PartialObjectMetadata", version: "v1", list: true },
  },
} as const;

const contextOf = (form: Partial<Negotiated>, signal = new AbortController().signal) =>
  ({
    signal,
    negotiated: { pretty: false, ...form },
    request: { headers: {} },
    query: new URLSearchParams(),
    info: { verb: "list" },
  }) as unknown as RequestContext;

/** Encodes a list of ConfigMaps in a form. */
const encoded = async (
  items: readonly Buffer[],
  form: Pick<Negotiated, "type" | "transform"> & Partial<Negotiated>,
  signal = new AbortController().signal,
  kind: Kind = kindOf("", "v1", "ConfigMap")!,
) => {
  const list: ObjectList = { kind, revision: 7, items };
  const answer = { type: "list", list } as const;
  return (await encodeWholeList(contextOf(form, signal), answer, () => 0)).body as Buffer;
};

const bodyOf = (name: string) =>
  Buffer.from(JSON.stringify({ kind: "ConfigMap", apiVersion: "v1", metadata: { name } }));

/** A body that takes long to parse. */
const longBody = (name: string, read: () => void): Buffer =>
  Object.assign(bodyOf(name), {
    toString: () => {
      read();
      for (let slices = 0; slices < 4; slices++) {
        const slice = new Slices();
        while (!slice.due);
      }
      return bodyOf(name).toString("utf8");
    },
  });

it.each(Object.entries(FORMS))(
  "a list is encoded no further once its request is over: %s",
  async (_name, form) => {
    const gone = new AbortController();
    const read: string[] = [];
    const items = ["a", "b", "c", "d"].map((name) =>
      longBody(name, () => {
        read.push(name);
        if (name === "b") gone.abort();
      }),
    );
    await expect(encoded(items, form, gone.signal)).rejects.toThrow("aborted");
    expect(read).toEqual(["a", "b"]);
  },
);

it("a list of metadata as protobuf is written item by item, as it is in one piece", async () => {
  const body = await encoded(["a", "b"].map(bodyOf), FORMS["of metadata, as protobuf"]);
  const type = { apiVersion: "meta.k8s.io/v1", kind: "PartialObjectMetadataList" };
  const items = ["a", "b"].map((name) => ({ metadata: { name } }));
  const whole = { ...type, metadata: { resourceVersion: "7" }, items };
  expect(body.equals(encodeObject("meta/v1.PartialObjectMetadataList", whole))).toBe(true);
});

it("lists of objects that take long to parse leave the event loop to others", async () => {
  using turns = new CountedTurns();
  let read = 0;
  const list = () => {
    const item = longBody("a", () => read++);
    Object.defineProperty(item, "length", { value: QUICKLY_PARSED_BYTES + 1 });
    return encoded([item, item], FORMS["as a table"]);
  };
  await Promise.all([list(), list(), list()]);
  expect(read).toBe(6);
  expect(turns.now).toBeGreaterThan(20 * read);
});

const INDENTED = { type: JSON_TYPE, transform: { as: "object" }, pretty: true } as const;

/** An object whose every value is on a line of 150 levels. */
const deepOf = (values: number): object => {
  let data: unknown = Array.from({ length: values }, () => 1);
  for (let depth = 0; depth < 150; depth++) data = [data];
  return { kind: "ConfigMap", apiVersion: "v1", metadata: { name: "deep" }, data };
};

it.each([
  ["indented", INDENTED],
  ["as YAML", { ...FORMS["as YAML"], pretty: false }],
])("an answer that would mostly be indentation is JSON without it: %s", async (_name, form) => {
  const item = Buffer.from(JSON.stringify(deepOf(1_500)));
  const items = Array.from({ length: 2 }, () => item);
  const body = await encoded(items, form);
  expect(body.length).toBeLessThan(2 * items.length * item.length);
  expect((JSON.parse(body.toString()) as { items: object[] }).items).toHaveLength(2);
  expect((await encoded([bodyOf("a")], form)).toString()).toContain("\n  ");
  const context = {
    signal: new AbortController().signal,
    negotiated: form,
    request: { headers: {} },
  } as unknown as RequestContext;
  const object = deepOf(11_000) as KubeObject;
  const { body: one } = await encodeWhole(context, { type: "object", code: 200, object }, () => 0);
  expect(one.length).toBeLessThan(BODY_BYTES_MAX);
  expect(JSON.parse(one.toString())).toEqual(object);
});

it("single objects whose columns take long are shown in a turn each", async () => {
  using turns = new CountedTurns();
  const shown: number[] = [];
  const value = (): string => {
    const slice = new Slices();
    while (!slice.due);
    return String(shown.push(turns.now));
  };
  const shape = { type: "string", format: "", description: "", priority: 0 } as const;
  const column: Column = { ...shape, name: "c", value };
  const kind: Kind = { ...kindOf("", "v1", "ConfigMap")!, columns: [column] };
  const object = { kind: "ConfigMap", apiVersion: "v1", metadata: { name: "a" } };
  const answer = { type: "object", code: 200, object, kind } as const;
  const context = contextOf(FORMS["as a table"]);
  await Promise.all([1, 2, 3].map(() => encodeWhole(context, answer, () => 0)));
  expect(mostInOneTurn(shown)).toBe(1);
});

it("columns that each show the whole object make no much larger answer", async () => {
  const column = { type: "string", format: "", description: "", priority: 0 } as const;
  let asked = 0;
  const whole = (name: string): Column => ({
    ...column,
    name,
    value: (object) => JSON.stringify([asked++, object]),
  });
  const columns = Array.from({ length: 100 }, (_, index) => whole(`c${index}`));
  const kind: Kind = { ...kindOf("", "v1", "ConfigMap")!, columns };
  const data = { a: "x".repeat(50_000) };
  const object = { kind: "ConfigMap", apiVersion: "v1", metadata: { name: "a" }, data };
  const item = Buffer.from(JSON.stringify(object));
  const body = await encoded([item, item], FORMS["as a table"], undefined, kind);
  expect(body.length).toBeLessThan(2 * 2 * item.length);
  expect(asked).toBeLessThan(2 * 3);
  const { rows } = JSON.parse(body.toString()) as { rows: { cells: unknown[] }[] };
  expect(rows[1]?.cells).toHaveLength(columns.length);
  expect(rows[1]?.cells.at(-1)).toBeNull();
});
