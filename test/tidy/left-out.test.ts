import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { missingPeers } from "../left-out.ts";

const ROOT = join(import.meta.dirname, "../..");
const REASONS = JSON.parse(readFileSync(join(ROOT, "test/left-out.json"), "utf8")) as Record<
  string,
  string
>;

it("what was left out for want of a peer is counted by the command that brings it", () => {
  const reasons = {
    one: "needs Go to build it: npm run peers -- etcd; the same rules run on ours",
    two: "needs Go to build it: npm run peers -- etcd",
    three: "needs Go to build them: npm run peers -- csi-sidecars csi-mock-driver; they run",
    four: "needs root",
  };
  expect(missingPeers(["one", "three", "four", "two", "unnamed"], reasons)).toEqual([
    "NOT COMPARED with csi-sidecars csi-mock-driver: 1 of upstream's; " +
      "npm run peers -- csi-sidecars csi-mock-driver",
    "NOT COMPARED with etcd: 2 of upstream's; npm run peers -- etcd",
    "NOT COMPARED: 3 in all; npm run peers -- --all brings what can be had",
  ]);
  expect(missingPeers(["four"], reasons)).toEqual([]);
});

it("a part that a test file leaves out without its peer, or until asked for, has its reason", () => {
  const files = globSync("**/*.test.ts", { cwd: ROOT, exclude: (name) => name === "node_modules" });
  const parts = files.flatMap((file) => {
    const text = readFileSync(join(ROOT, file), "utf8");
    const titles = text.matchAll(/^(?:describe|it|test)\.(?:runIf|skipIf)\(.*\)\(\s*"(.*?)"/gm);
    const may = text.includes(".peers/") || /process\.env\["R2K_\w+"\] !== undefined/.test(text);
    return may ? [...titles].map(([, title]) => title!) : [];
  });
  expect(parts.length).toBeGreaterThan(10);
  expect(parts.filter((title) => !(title in REASONS))).toEqual([]);
});

it("a test that needs a peer names one that npm run peers can bring", () => {
  const script = readFileSync(join(ROOT, "scripts/peers/main.ts"), "utf8");
  const table = /const PEERS[^]*?\n};/.exec(script)?.[0] ?? "";
  const peers = [...table.matchAll(/^ {2}"?([a-z][a-z0-9-]*)"?:/gm)].map(([, name]) => name!);
  const needing = Object.keys(REASONS).filter((title) => REASONS[title]!.includes("npm run peers"));
  expect(needing.length).toBeGreaterThan(20);
  for (const title of needing) {
    const [line = ""] = missingPeers([title], REASONS);
    const names = /^NOT COMPARED with (.+): 1 /.exec(line)?.[1]?.split(" ") ?? [title];
    expect(peers).toEqual(expect.arrayContaining(names));
  }
});
