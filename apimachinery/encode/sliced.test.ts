import { systemClock } from "@raft2kube/std/clock.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { expect, it } from "vitest";
import { CountedTurns } from "../../testing/turns.ts";
import { yamlValue } from "../yaml.ts";
import {
  COMPACT_JSON,
  encodeSliced,
  joinSliced,
  LazyList,
  PRETTY_JSON,
  yamlForm,
} from "./sliced.ts";

const TEXT = 'two\nlines, "quoted": {}\n\n  indented\n';
const ITEMS = [
  { metadata: { name: "a", labels: {}, finalizers: [] }, data: { text: TEXT, empty: "" } },
  { metadata: { name: "b" }, data: { number: "012", yes: "yes", long: "word ".repeat(60) } },
];
const LIST = {
  kind: "ConfigMapList",
  apiVersion: "v1",
  metadata: { resourceVersion: "7", continue: undefined },
  left: undefined,
  nothing: [],
  items: ITEMS,
};
const lazy = () => ({ ...LIST, items: new LazyList(ITEMS.values()) });

it.each([() => LIST, lazy])("JSON is what JSON.stringify makes of it", async (make) => {
  const compact = await encodeSliced(make(), COMPACT_JSON);
  expect(compact.toString()).toBe(`${JSON.stringify(LIST)}\n`);
  const pretty = await encodeSliced(make(), PRETTY_JSON);
  expect(pretty.toString()).toBe(`${JSON.stringify(LIST, null, 2)}\n`);
});

it("YAML says the same", async () => {
  const text = (await encodeSliced(LIST, await yamlForm())).toString();
  expect(yamlValue(text)).toEqual(JSON.parse(JSON.stringify(LIST)));
  expect(text).toMatch(/^kind: ConfigMapList\napiVersion: v1\n/);
});

/** A large object within others, with all that is hard to write. */
const env = Array.from({ length: 300 }, (_, n) => ({ name: `V${n}`, value: TEXT, none: null }));
const containers = [{ name: "c", env, command: [], "odd: key": ["- x", "", [1, [2]]] }, { env }];
const LARGE = {
  kind: "Pod",
  metadata: { labels: Object.fromEntries(env.map(({ name }) => [`a/${name}`, "true"])) },
  spec: { left: undefined, containers, nested: { lists: [[env, env], []] }, last: "012" },
};

it("a large object is written in pieces, and says the same", async () => {
  const pretty = (await encodeSliced(LARGE, PRETTY_JSON)).toString();
  expect(pretty).toBe(`${JSON.stringify(LARGE, null, 2)}\n`);
  const yaml = (await encodeSliced(LARGE, await yamlForm())).toString();
  expect(yamlValue(yaml)).toEqual(JSON.parse(pretty));
  for (const form of [PRETTY_JSON, await yamlForm()]) {
    const pieces = [...form.field("spec", LARGE.spec, true)];
    const whole = pieces.join("").length;
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThan(whole / 100);
  }
});

it.each([
  ["pretty", () => Promise.resolve(PRETTY_JSON)],
  ["YAML", yamlForm],
])("a map of many names is read as it is written: %s", async (_name, formOf) => {
  const read = new Set<string>();
  const map = Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`k${n}`, ""]));
  const data = new Proxy(map, {
    get: (target, name: string) => {
      read.add(name);
      return target[name];
    },
  });
  const pieces = (await formOf()).field("data", data, true)[Symbol.iterator]();
  pieces.next();
  expect(read.size).toBeLessThan(300);
});

it.each([
  ["compact", () => Promise.resolve(COMPACT_JSON)],
  ["pretty", () => Promise.resolve(PRETTY_JSON)],
  ["YAML", yamlForm],
])("others run between the items: %s", async (_name, formOf) => {
  let now_ms = 0;
  // Each look at the time finds the slice over.
  const clock = { ...systemClock(), monotonic: () => (now_ms += 1_000) };
  using turns = new CountedTurns();
  const items = Array.from({ length: 50 }, (_, n) => ({ n }));
  await encodeSliced({ items }, await formOf(), new Slices(clock));
  expect(turns.now).toBeGreaterThanOrEqual(items.length);
});

it("parts of many MB are joined in steps of one or two", async () => {
  const parts = Array.from({ length: 10 }, (_, n) => Buffer.alloc(700_000 + n, n));
  let pauses = 0;
  const slices = { due: true, pause: () => Promise.resolve(void pauses++) };
  const joined = await joinSliced([...parts, Buffer.from("end")], "test: join", slices);
  expect(joined.equals(Buffer.concat([...parts, Buffer.from("end")]))).toBe(true);
  expect(pauses).toBeGreaterThanOrEqual(3);
});
