import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { expect, it } from "vitest";
import { findLab } from "./manifest.ts";
import { ownTree } from "./own-tree.ts";
import { ROOT_DIR } from "./paths.ts";
import { onKeys } from "./watch.ts";
import { cacheFolder, writeSkeletons } from "./workspace.ts";

// Takes turns, what readers use: see ../replay/page.test.ts.

const TIMEOUT_MS = 120_000;
const soon = { clock: systemClock(), timeout_ms: TIMEOUT_MS, interval_ms: 20 };

it("an act follows the one before it, and one that fails ends no other", async () => {
  const modes: boolean[] = [];
  const input = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: (raw: boolean) => modes.push(raw),
  }) as unknown as NodeJS.ReadStream;
  const said: string[] = [];
  const acts = {
    h: () => Promise.reject(new Error("there is no hint")),
    a: async () => void said.push("all"),
    q: () => void said.push("end"),
  };
  const { keys, close } = onKeys(input, acts, (thrown) => said.push((thrown as Error).message));
  expect(keys).toBe(true);
  (input as unknown as PassThrough).write("axh");
  (input as unknown as PassThrough).write("a\u0003");
  await waitFor("the last key", () => said.length === 4, soon);
  expect(said).toEqual(["all", "there is no hint", "all", "end"]);
  close();
  expect(modes).toEqual([true, false]);
});

it("in a terminal, each key of `lab watch` does what its line says", async () => {
  const my = mkdtempSync(join(cacheFolder(), "labs-keys-"));
  const env = { ...process.env, R2K_LABS: my };
  // Its checks fail soon on a skeleton, and need no root.
  const lab = findLab("14c");
  writeSkeletons(lab, ownTree(lab.number, env));
  const words = [process.execPath, join(ROOT_DIR, "cli/main.ts"), "lab", "watch", lab.number];
  const child = spawn("script", ["-qec", words.join(" "), "/dev/null"], { env });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  const answers = async (key: string, answer: RegExp) => {
    said = "";
    child.stdin.write(key);
    await waitFor(`the answer to ${key}`, () => answer.test(said), soon);
  };
  await waitFor("the first verdict", () => said.includes("h hint, a all checks"), soon);
  await answers("h", /question, 1 of 4/);
  await answers("d", /shown once the lab has passed/);
  await answers("n", /next: lab 14c/);
  await answers("a", /h hint, a all checks/);
  child.stdin.write("q");
  expect(await ended).toBe(0);
  rmSync(my, { recursive: true });
});
