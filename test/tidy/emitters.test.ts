import { expect, it, test } from "vitest";
import { unownedEmitters } from "./emitters.ts";
import { handWritten } from "./sources.ts";

/** Tools, tests and their kits may end by an error: they are run by a person or a test. */
const OTHERS = /^(bench|examples|labs|scripts|test)\/|(^|\/)testing\/|\.test\.ts$/;

it("what may emit an error has a listener in the function that makes it", () => {
  const product = handWritten().filter(({ path }) => !OTHERS.test(path) && path.endsWith(".ts"));
  expect(product.flatMap(unownedEmitters)).toEqual([]);
});

const judged = (text: string) => {
  const path = `case-${text.length}-${text}.ts`;
  return unownedEmitters({ path, text, lines: text.split("\n") }).length;
};
const NET = 'import net, { connect as dial, Socket } from "node:net";\n';
const SPAWN = 'import { spawn } from "node:child_process";\n';
const STREAM = 'import { Readable, Duplex, pipeline } from "node:stream";\n';

test.each([
  `${NET}function f() { const s = dial(1); s.on("error", g); return s; }`,
  `${NET}const f = () => net.connect(1).on("data", g).on("error", g);`,
  `${NET}class A { #s; constructor() { this.#s = new Socket(); this.#s.on("error", g); } }`,
  `${NET}async function f() { const s = (a ? dial(1) : dial(2)) as Socket; s.on("error", g); }`,
  `${NET}function f() { const s = dial(1); s.on("end", g).on("error", g); }`,
  `${SPAWN}function f() { const c = spawn("a"); c.on("error", g); }`,
  `${SPAWN}function f() {
    const c = spawn("a"); c.on("error", g); c.stdin!.on("error", g); c.stdin!.end();
  }`,
  `${STREAM}function f() { pipeline(Readable.from(a), b); }`,
  `${STREAM}class A extends Duplex { constructor() { super(); this.on("error", g); } }`,
  'import { createServer } from "node:http";\nconst s = createServer(); s.emit("connection", c);',
  'import type { Socket } from "node:net";\nclass A extends Socket {}',
  'import { Socket } from "./own.ts";\nnew Socket();',
])("an owned emitter passes: %#", (text) => {
  expect(judged(text)).toBe(0);
});

test.each([
  `${NET}function f() { return dial(1); }`,
  `${NET}function f() { const s = dial(1); s.once("error", g); }`,
  `${NET}function f() { const s = dial(1); return () => s; }\nfunction h(s) { s.on("error", g); }`,
  `${NET}function f() { const s = dial(1), t = dial(2); t.on("error", g); }`,
  `${NET}function f() { own(new Socket()); }`,
  `${NET}function f() { const s = net.createServer(); s.listen(0); }`,
  `${SPAWN}function f() { const c = spawn("a"); c.on("error", g); c.stdin!.end("x"); }`,
  `${STREAM}class A extends Duplex { _read() {} }`,
  `${STREAM}function f() { const d = Duplex.from(a); }`,
])("an emitter without an owner is found: %#", (text) => {
  expect(judged(text)).toBe(1);
});
