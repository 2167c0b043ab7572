import { parseYaml } from "@raft2kube/apimachinery/decode/yaml-document.ts";
import { expect, it } from "vitest";
import { changes, objectsIn, yamlOf } from "./yaml.ts";

const TEXTS = ["on", "y", "No", "1_000", "+1", "0_7", "0o7", "12:30", "2026-01-01", "~", "a: b"];

const NAMED = "apiVersion: v1\nkind: A\nmetadata: { name: m }";

it("texts that YAML 1.1 reads as something else are texts to the API server", () => {
  const data = Object.fromEntries(TEXTS.map((text) => [text, text]));
  const metadata = { name: "m", resourceVersion: "1" };
  const object = { apiVersion: "v1", kind: "A", metadata, data };
  expect(parseYaml(Buffer.from(yamlOf(object))).value).toEqual(object);
  expect(objectsIn(yamlOf(object))).toEqual([object]);
});

it("numbers and words are read as the API server reads them", () => {
  const text = `${NAMED}\nspec: { mode: 0400, on: yes, at: 12:30, day: 2026-01-01 }`;
  expect(objectsIn(text)).toEqual([parseYaml(Buffer.from(text)).value]);
  expect(objectsIn(text)[0]!.spec).toMatchObject({ mode: 256, true: true, at: "12:30" });
});

it("a number that would be rounded, or a tag that would be lost, is not applied", () => {
  const applied = (value: string) => () => objectsIn(`${NAMED}\nspec: ${value}`);
  expect(applied("{ big: 9007199254740993 }")).toThrow(".spec.big has more digits");
  expect(applied("{ data: !!binary YQ== }")).toThrow("Unresolved tag");
});

it("a document whose apiVersion, kind or metadata is none is refused by name", () => {
  const read = (text: string) => () => objectsIn(text);
  const needed = "an object needs apiVersion, kind (texts) and metadata";
  expect(read("apiVersion: 1\nkind: A\nmetadata: {}")).toThrow(needed);
  expect(read("apiVersion: v1\nmetadata: {}")).toThrow(needed);
  expect(read("apiVersion: v1\nkind: A")).toThrow(needed);
});

it("a List's items are read one by one", () => {
  const list = (...items: string[]) =>
    objectsIn(`apiVersion: v1\nkind: List\nitems: [${items.join()}]`);
  const item = "{ apiVersion: v1, kind: A, metadata: { name: m } }";
  expect(list(item, item)).toEqual([objectsIn(item)[0], objectsIn(item)[0]]);
  expect(list()).toEqual([]);
  expect(() => list(item, "null")).toThrow("an object needs apiVersion");
});

it("differences are shown with the lines around them", () => {
  const text = (n: number) => `a: 1\nb: 2\nc: 3\nd: ${n}\ne: 5\n`;
  expect(changes(text(4), text(7))).toEqual([" b: 2", " c: 3", "-d: 4", "+d: 7", " e: 5"]);
  expect(changes(text(4), text(4))).toEqual([]);
});

it("a number that would be rounded is not edited", () => {
  const object = { metadata: { name: "m", resourceVersion: "1" }, spec: { big: 2 ** 53 } };
  expect(() => yamlOf(object)).toThrow(".spec.big has more digits");
});

it("fields are in one order, whichever a server has", () => {
  const metadata = { name: "m", labels: { b: "1", a: "2" } };
  const text = yamlOf({ status: {}, spec: { z: 1, x: 2 }, kind: "A", metadata, apiVersion: "v1" });
  expect(
    text
      .match(/^ *\w+/gm)
      ?.map((key) => key.trim())
      .join(" "),
  ).toBe("apiVersion kind metadata labels a b name spec x z status");
});
