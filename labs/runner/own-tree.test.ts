import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { resolveOverlaid } from "./own-tree.ts";
import { ROOT_DIR } from "./paths.ts";

it("finds every package of the product in its folder", () => {
  const manifests = globSync(["*/package.json", "{base,client}/*/package.json"], { cwd: ROOT_DIR });
  const found = manifests.map((file) => {
    const { name } = JSON.parse(readFileSync(join(ROOT_DIR, file), "utf8")) as { name: string };
    return { name, resolved: resolveOverlaid(`${name}/x.ts`, undefined, []), file };
  });
  const wrong = found.filter(({ name, resolved, file }) => {
    return name.startsWith("@raft2kube/") && resolved !== join(ROOT_DIR, dirname(file), "x.ts");
  });
  expect(manifests.length).toBeGreaterThan(10);
  expect(wrong).toEqual([]);
});
