import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { h, options } from "preact";
import { expect, it, onTestFinished } from "vitest";
import { showUnseen } from "./text.ts";

it("shows what a terminal would obey in a log's lines, and keeps HTML as text", () => {
  const { vnode } = options;
  onTestFinished(() => void Object.assign(options, { vnode }));
  showUnseen();
  const hostile = "<img src=x onerror=alert(1)>\u001b]0;title\u0007\u001b[2J\u202egpj";
  const { children } = h("pre", { class: "log" }, hostile).props;
  expect(children).toMatchInlineSnapshot(
    `"<img src=x onerror=alert(1)>\\x1b]0;title\\x07\\x1b[2J\\u202egpj"`,
  );
});

it("has no part that writes HTML: all of its text goes through Preact", () => {
  const parts = readdirSync(import.meta.dirname).filter((name) => /\.tsx?$/.test(name));
  const writes = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|\beval\(/i;
  const own = parts.filter((name) => !name.includes(".test."));
  expect(own.length).toBeGreaterThan(20);
  const texts = own.map((name) => [name, readFileSync(join(import.meta.dirname, name), "utf8")]);
  expect(texts.filter(([, text]) => writes.test(text!)).map(([name]) => name)).toEqual([]);
});
