import { globSync } from "node:fs";
import { dirname } from "node:path";
import { expect, it } from "vitest";
import { walksOf } from "../../labs/walk.ts";
import { documents, ROOT } from "./sources.ts";

const FOLDER = "docs/walks";
const LINES_MAX = 150;
const own = documents().filter((file) => dirname(file.path) === FOLDER);
const pages = own.filter((file) => file.path !== `${FOLDER}/README.md`);

it("every page has its place in the index, in order, and the README leads there", () => {
  const index = own.find((file) => !pages.includes(file))!;
  const listed = [...index.text.matchAll(/^\| \[.*?\]\((.*?)\)/gm)].map((match) => match[1]);
  expect(listed).toEqual(pages.map((file) => file.path.slice(FOLDER.length + 1)));
  expect(listed.join(" ")).toMatch(/^(\d\d-[a-z-]+\.md ?){5,}$/);
  const readme = documents().find((file) => file.path === "README.md")!;
  expect(readme.text.includes(`](${FOLDER}/README.md)`)).toBe(true);
});

it("every fenced block holds commands that test/e2e/walks.test.ts runs", () => {
  const others = pages.flatMap((file) => {
    const fences = [...file.text.matchAll(/^ *(```|~~~)(.*)\n(.*)/gm)];
    // Fences alternate: the first of two begins a block.
    const opened = fences.filter((_fence, index) => index % 2 === 0);
    return opened
      .filter(([fence, , language, first]) => {
        return language !== "console" || !first!.startsWith("$ ") || fence.startsWith(" ");
      })
      .map(([fence]) => `${file.path}: ${fence}`);
  });
  expect(others).toEqual([]);
});

it("every manifest is applied by the page of its number", () => {
  const manifests = globSync(`${FOLDER}/**/*.{yaml,yml,json}`, { cwd: ROOT }).sort();
  expect(manifests.length).toBeGreaterThan(0);
  const idle = manifests.filter((path) => {
    const page = pages.find((file) => file.path.startsWith(`${dirname(path)}-`));
    const applied = page ? walksOf(page.text).map(({ command }) => command) : [];
    return !applied.some((command) => {
      const [, target] = /^kubectl apply .*-f (\S+)/.exec(command) ?? [];
      return target === path || target === dirname(path);
    });
  });
  expect(idle).toEqual([]);
});

it("a page is short, says why, leads to a lab and to the sources", () => {
  const parts = [
    /^## Why it works that way$/m,
    /\]\(\.\.\/\.\.\/labs\//,
    /\]\(\.\.\/\.\.\/(controllers|apiserver|proxy)\//,
    /`[\w./-]+\.ts#\w+`/,
  ];
  const wrong = pages.filter(({ text, lines }) => {
    return lines.length > LINES_MAX || parts.some((part) => !part.test(text));
  });
  expect(wrong.map((file) => file.path)).toEqual([]);
});
