import { appendFileSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { ownTree } from "./runner/own-tree.ts";
import { OwnPart } from "./testing/own-part.ts";

// Takes turns, what readers use: see replay/page.test.ts.

const own = new OwnPart("commands", []);
afterAll(() => own.remove());

const FILE = "store/wal/record.ts";

it("refuses the flags that npm has taken, and leads on from a lab's number alone", async () => {
  await expect(own.lab("2")).rejects.toThrow("npm run lab start 2");
  await expect(own.lab("judge")).rejects.toThrow('lab has no command "judge"');
  await expect(own.lab("replay", "7a")).rejects.toThrow("labs 02, 03, 04, 05, 06, 07b, ");
  Object.assign(own.env, { npm_lifecycle_event: "lab", npm_config_planted: "true" });
  await expect(own.lab("check", "2", "7")).rejects.toThrow("npm run lab -- check ... --planted");
  Object.assign(own.env, { npm_config_planted: "" });
  await expect(own.lab("check", "no such")).rejects.toThrow("there is no lab");
  await expect(own.lab("check", "14")).rejects.toThrow("14a, 14b, 14c; what is in my/14");
  delete own.env["npm_config_planted"];
  expect(await own.lab("next")).toContain("labs/00-tour/README.md");
});

it("start, hint, status, next and reset lead through a lab, and lose nothing", async () => {
  expect(await own.lab("next")).toContain("npm run lab start 01");
  await own.lab("start", "2");
  expect(await own.lab("next")).toContain("npm run lab watch 02");

  expect(await own.lab("hint")).toMatch(/^encodeRecord \(question, 1 of 4\)\n\n.+\?\n$/s);
  expect(await own.lab("hint")).toMatch(/^encodeRecord \(direction, 2 of 4\)/);
  expect(await own.lab("hint", "--for", "pump")).toMatch(/^pump \(question, 1 of 4\)/);
  expect(await own.lab("hint")).toMatch(/^encodeRecord \(parts, 3 of 4\)\n\nThe reference has/);
  expect(await own.lab("hint")).toMatch(/^encodeRecord \(shape, 4 of 4\)/);
  expect(await own.lab("hint")).toMatch(/^decodeRecord \(question/);
  await expect(own.lab("hint", "--for", "nothing")).rejects.toThrow("one of encodeRecord");

  const status = await own.lab("status");
  expect(status).toContain("6 of 16 hints shown");
  expect(status).toMatch(/0 of \d+ labs pass/);

  const tree = ownTree("02", own.env);
  appendFileSync(join(tree, FILE), "// mine\n");
  // A setting of npm's own: the flag stands in the command, so npm has not taken it.
  Object.assign(own.env, { npm_lifecycle_event: "lab", npm_config_yes: "true" });
  await own.lab("reset", "2", "--yes");
  expect(readFileSync(join(tree, FILE), "utf8")).not.toContain("// mine");
  const [backup] = globSync(`${tree}.backup-*/${FILE}`);
  expect(readFileSync(backup!, "utf8")).toContain("// mine");

  expect(await own.lab("start", "22")).toContain("Then: npm run lab assemble\n");

  await own.lab("start", "18");
  const used = await own.lab("use", "own", "18", "--anyway");
  expect(used).toContain("From the next start on: ./r2k device-gpu, beside a cluster");
});
