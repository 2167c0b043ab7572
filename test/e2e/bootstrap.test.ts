import { execFile } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Outcome, OwnHost } from "./own-host.ts";

// Takes turns, installations: the files run the product from elsewhere than root's checkout, here
// from a clone, in package.test.ts from the package, in ordinary-user*.test.ts without root: a
// cluster, and what stands before one; in program-images.test.ts as images in kubeadm's manifests.

const execute = promisify(execFile);
const ROOT = join(import.meta.dirname, "../..");
const NAME = "fresh";
/** npm's cache, which the installation of this checkout has filled, unless that was copied. */
const NPM_CACHE = process.env["npm_config_cache"] ?? join(homedir(), ".npm");

let host: OwnHost;
let clone: string;
let env: Record<string, string>;
/** Outputs of two commands that were the first in the clone, and ran together. */
let first: { stdout: string; stderr: string }[];

/** PATH without any `node_modules/.bin`: what a newcomer's shell has. */
function plainPath(): string {
  const path = (process.env["PATH"] ?? "").split(delimiter);
  return path.filter((dir) => !dir.includes("node_modules")).join(delimiter);
}

beforeAll(async () => {
  host = await OwnHost.create();
  clone = join(host.dir, "clone");
  await execute("git", ["clone", "--quiet", "--depth=1", `file://${ROOT}`, clone]);
  // The host takes a cache of its own with it.
  const cache = existsSync(join(NPM_CACHE, "_cacache")) ? NPM_CACHE : join(host.dir, "npm");
  env = { PATH: plainPath(), npm_config_cache: cache, npm_config_prefer_offline: "true" };
  // The registry is beyond the test's own host, so the installation runs outside of it.
  const outside = { ...process.env, ...host.env, ...env };
  const version = () => execute("node", ["bootstrap.mjs", "version"], { cwd: clone, env: outside });
  first = await Promise.all([version(), version()]);
});

afterAll(async () => {
  await start("down", "--purge");
  await host.close();
});

/** `npm start`, `npm start -- FLAGS` and the like, in the clone, in the host without a network. */
function start(command: string, ...flags: string[]): Promise<Outcome> {
  const args = ["bootstrap.mjs", command, "--name", NAME, ...flags];
  return host.run("env", ["-C", clone, "node", ...args], { env });
}

describe("a fresh clone", () => {
  it("is not run by the Node that is first in PATH, but by the pinned one", async () => {
    const { stdout } = await execute("node", ["--version"], { env: { PATH: env["PATH"] } });
    expect(stdout).not.toMatch(/^v24\./);
    expect(Number(/^v(\d+)/.exec(stdout)?.[1])).toBeGreaterThanOrEqual(18);
    for (const each of first) expect(each.stdout).toMatch(/v?24\.\d+\.\d+/);
  });

  it.each([/installing npm packages/, /bundling the sources/])("does it once: %s", (step) => {
    expect(first.filter(({ stderr }) => step.test(stderr))).toHaveLength(1);
  });

  it("starts with no network, since nothing is left to be fetched", async () => {
    const links = await host.run("ip", ["-brief", "link"]);
    expect(links.stdout.trim().split("\n")).toHaveLength(1);
    const npm = ["-C", clone, "npm", "start", "--", "--name", NAME, "--no-demo"];
    const started = await host.run("env", npm, { env });
    expect(started.code, started.stderr).toBe(0);
    expect(started.stderr).not.toMatch(/installing npm packages/);
    expect(started.stdout).toMatch(/KUBECONFIG/);
    const again = await start("start");
    expect(again.stderr).toMatch(/"fresh" is running/);
    expect((await start("down", "--purge")).code).toBe(0);
  });

  it("says so when npm is not there", async () => {
    const bare = join(host.dir, "bare");
    mkdirSync(bare);
    for (const file of ["bootstrap.mjs", "package-lock.json"]) {
      copyFileSync(join(clone, file), join(bare, file));
    }
    const { stdout: node } = await execute("which", ["node"], { env: { PATH: env["PATH"] } });
    symlinkSync(node.trim(), join(bare, "node"));
    const command = ["-C", bare, `PATH=${bare}`, "node", "bootstrap.mjs", "version"];
    const said = await host.run("env", command);
    expect(said.code).toBe(2);
    expect(said.stderr).toMatch(/npm could not be run: .*Install npm/);
  });
});
