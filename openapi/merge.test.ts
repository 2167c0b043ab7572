import { expect, it } from "vitest";
import { besideDefinitions, partOfDocument } from "./merge.ts";

const ref = (to: string) => ({ $ref: `#/definitions/${to}` });

it("a part has what its paths reach, and cycles end", () => {
  const definitions = {
    A: { properties: { b: ref("B"), gone: ref("Gone") } },
    B: { items: ref("A") },
    C: ref("A"),
  };
  const paths = { "/apis/g/v1/as": { get: ref("A") }, "/apis/g/v1": {}, "/apis/g/v12/x": ref("C") };
  const { "/apis/g/v12/x": _, ...own } = paths;
  const { C: __, ...used } = definitions;
  expect(partOfDocument({ paths, definitions }, "/apis/g/v1/")).toEqual({
    paths: own,
    definitions: used,
  });
});

it.each([[undefined], ["text"], [{}], [{ paths: [] }], [{ paths: { "/api": {} } }]])(
  "%j has no part",
  (document) => {
    expect(partOfDocument(document, "/apis/g/v1/")).toBeUndefined();
  },
);

it("a document nested without end is refused", () => {
  const text = `{"paths":{"/apis/g/v1/a":${"[".repeat(100_000)}${"]".repeat(100_000)}}}`;
  expect(() => partOfDocument(JSON.parse(text), "/apis/g/v1/")).toThrow("nested deeper than");
});

it("definitions of one name and another content get other names, one for each content", () => {
  const a = { type: "object", description: "ours", properties: { x: { type: "string" } } };
  const taken = { A: a, A_v2: { type: "integer" }, B: { type: "string" } };
  const part = {
    paths: { "/p": ref("A") },
    definitions: {
      A: { type: "number" },
      B: { type: "string", description: "theirs" },
      C: { type: "boolean" },
    },
  };
  const { paths, definitions } = besideDefinitions(part, taken);
  expect(paths).toEqual({ "/p": ref("A_v3") });
  expect(definitions).toEqual({ A_v3: { type: "number" }, C: { type: "boolean" } });
  const again = besideDefinitions(part, { ...taken, ...definitions });
  expect(again).toEqual({ paths, definitions: {} });
});

it("a definition of a name that thousands have is read once, and compared with some", () => {
  let read = 0;
  const counted = (value: object) =>
    Object.defineProperty({ ...value }, "type", { enumerable: true, get: () => `${read++}` });
  const names = Array.from({ length: 1_000 }, (_, at) => (at === 0 ? "A" : `A_v${at + 1}`));
  const taken = Object.fromEntries(names.map((name) => [name, counted({})]));
  const { definitions } = besideDefinitions({ paths: {}, definitions: { A: counted({}) } }, taken);
  expect(Object.keys(definitions)).toEqual(["A_v1001"]);
  expect(read).toBeLessThan(200);
});
