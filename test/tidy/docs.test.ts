import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { documents, ROOT, sourceFiles } from "./sources.ts";

const product = documents();

it("links in documents lead somewhere", () => {
  const broken = product.flatMap((file) =>
    [...file.text.matchAll(/\]\(([^)#\s]+)(#[^)]*)?\)/g)]
      .map((match) => match[1]!)
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => !existsSync(join(ROOT, dirname(file.path), target)))
      .map((target) => `${file.path}: ${target}`),
  );
  expect(broken).toEqual([]);
});

it("no document is empty", () => {
  expect(product.filter(({ text }) => text.trim() === "").map(({ path }) => path)).toEqual([]);
});

it("files that documents name exist", () => {
  const named = /`((?:[\w.-]+\/)+[\w.-]+\.(?:ts|mjs|yaml|proto|json|md))(?:#\w+)?`/g;
  const wrong = product.flatMap((file) =>
    [...file.text.matchAll(named)]
      .map((match) => match[1]!)
      // The folder of a reader of the labs.
      .filter((path) => !path.startsWith("my/"))
      .filter((path) => {
        const places = [ROOT, join(ROOT, dirname(file.path))];
        return !places.some((place) => existsSync(join(place, path)));
      })
      .map((path) => `${file.path}: ${path}`),
  );
  expect(wrong).toEqual([]);
});

it("symbols that documents name exist: `path.ts#symbol`", () => {
  const sources = new Map(sourceFiles().map((file) => [file.path, file.text]));
  const wrong = product.flatMap((file) =>
    [...file.text.matchAll(/`([\w./-]+\.ts)#(\w+)`/g)]
      .filter(([, path, symbol]) => {
        const text = sources.get(path!) ?? sources.get(join(dirname(file.path), path!));
        return !text || !new RegExp(`\\b${symbol}\\b`).test(text);
      })
      .map((match) => `${file.path}: ${match[0]}`),
  );
  expect(wrong).toEqual([]);
});
