import { expect, it } from "vitest";
import { ARROWS, TOPS, importedPackages, packageOf } from "./arrows.ts";
import { sourceFiles } from "./sources.ts";

it("imports point one way", () => {
  const wrong = sourceFiles()
    .filter((file) => !file.path.endsWith(".test.ts"))
    .flatMap((file) => {
      const from = packageOf(file.path);
      if (TOPS.includes(from) || !(from in ARROWS)) return [];
      const allowed = ARROWS[from] ?? [];
      return importedPackages(file.text)
        .filter((to) => to !== from && !allowed.includes(to))
        .map((to) => `${file.path} imports ${to}`);
    });
  expect(wrong).toEqual([]);
});

it("the arrows have no cycle", () => {
  const visit = (name: string, path: readonly string[]): void => {
    expect(path, `cycle through ${name}`).not.toContain(name);
    for (const next of ARROWS[name] ?? []) visit(next, [...path, name]);
  };
  for (const name of Object.keys(ARROWS)) visit(name, []);
});

it("packages reach each other by name, not by a path through the tree", () => {
  const wrong = sourceFiles()
    .filter((file) => !TOPS.includes(packageOf(file.path)) && !file.path.endsWith(".test.ts"))
    .flatMap((file) => {
      const depth = file.path.split("/").length - 1;
      const root = /^(base|client)\//.test(file.path) ? 2 : 1;
      const ups = [...file.text.matchAll(/from "((?:\.\.\/)+)/g)];
      return ups
        .filter((match) => match[1]!.length / 3 > depth - root)
        .map((match) => `${file.path}: ${match[0]}`);
    });
  expect(wrong).toEqual([]);
});
