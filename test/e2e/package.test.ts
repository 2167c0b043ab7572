import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Outcome, OwnHost } from "./own-host.ts";

const execute = promisify(execFile);
const TIMEOUT_MS = 180_000;
const ROOT = join(import.meta.dirname, "../..");
const NAME = "packed";

let host: OwnHost;
let elsewhere: string;
/** What it says before its Node was installed. */
let unapproved: Outcome;

beforeAll(async () => {
  host = await OwnHost.create();
  elsewhere = join(host.dir, "elsewhere");
  mkdirSync(elsewhere);
  const built = await execute("npm", ["run", "--silent", "build"], { cwd: ROOT });
  const tarball = built.stdout.trim().split("\n").at(-1)!;
  // The registry is beyond the test's own host, so this one step runs outside of it.
  const flags = ["--no-audit", "--no-fund", "--ignore-scripts"];
  await execute("npm", ["install", ...flags, tarball], { cwd: elsewhere });
  unapproved = await installed(["version"]);
  const manifest = join(elsewhere, "package.json");
  const written = JSON.parse(readFileSync(manifest, "utf8")) as object;
  writeFileSync(manifest, JSON.stringify({ ...written, allowScripts: { node: true } }));
  await execute("npm", ["rebuild", "node"], { cwd: elsewhere });
}, TIMEOUT_MS);

afterAll(async () => {
  await installed(["down", "--purge", "--name", NAME]);
  await host.close();
}, TIMEOUT_MS);

/** The installed command. */
function installed(args: readonly string[]): Promise<Outcome> {
  return host.run(join(elsewhere, "node_modules/.bin/r2k"), args);
}

describe("the packed product, installed elsewhere", { timeout: TIMEOUT_MS }, () => {
  it("says what to do where npm did not run the script that brings the pinned Node", () => {
    expect(unapproved.code).toBe(2);
    expect(unapproved.stderr).toMatch(/remedy: "allowScripts": \{ "node": true \}/);
  });

  it("says its version", async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
      version: string;
    };
    const said = await installed(["version"]);
    expect(said.stderr).toBe("");
    expect(said.stdout).toContain(version);
  });

  it("asks the machine what it lacks", async () => {
    const doctor = await installed(["doctor"]);
    expect(doctor.stdout).toMatch(/✓ overlayfs: works/);
    expect(doctor.code, doctor.stdout).toBe(0);
  });

  it("starts a cluster from nothing but what was installed, and takes it down", async () => {
    const started = await installed(["start", "--name", NAME]);
    expect(started.code, started.stderr).toBe(0);
    expect(started.stderr).toMatch(/hello from raft2kube/);
    // Nothing of the sources is in use: no process of it names this folder.
    const processes = await host.run("sh", ["-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]);
    const lines = processes.stdout.match(/\S*main\.(js|ts) (control|node) --config \S*packed/g);
    expect(lines).toHaveLength(2);
    for (const line of lines ?? []) expect(line).toContain(elsewhere);
    const down = await installed(["down", "--purge", "--name", NAME]);
    expect(down.code, down.stderr).toBe(0);
  });
});
