import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Outcome, OwnHost } from "./own-host.ts";

// Takes turns, installations: see bootstrap.test.ts.

const execute = promisify(execFile);
const TIMEOUT_MS = 600_000;
const ROOT = join(import.meta.dirname, "../..");
const NAME = "packed";

let host: OwnHost;
let elsewhere: string;
/** Output of the package before its Node was installed. */
let unapproved: Outcome;

beforeAll(async () => {
  host = await OwnHost.create();
  elsewhere = join(host.dir, "elsewhere");
  mkdirSync(elsewhere);
  const built = await execute("npm", ["run", "--silent", "build"], { cwd: ROOT });
  const tarball = built.stdout.trim().split("\n").at(-1)!;
  // The registry is beyond the test's own host, so this one step runs outside of it.
  // The prefix, as npm takes a folder above that has packages.
  const flags = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", elsewhere];
  await execute("npm", ["install", ...flags, tarball], { cwd: elsewhere });
  unapproved = await installed(["version"]);
  const manifest = join(elsewhere, "package.json");
  const written = JSON.parse(readFileSync(manifest, "utf8")) as object;
  writeFileSync(manifest, JSON.stringify({ ...written, allowScripts: { node: true } }));
  await execute("npm", ["rebuild", "node"], { cwd: elsewhere });
});

afterAll(async () => {
  await installed(["down", "--purge", "--name", NAME]);
  await host.close();
});

/** The installed command. */
function installed(args: readonly string[]): Promise<Outcome> {
  return host.run(join(elsewhere, "node_modules/.bin/r2k"), args);
}

/** A program in the folder that the product was installed into. */
function inElsewhere(program: string, args: readonly string[]): Promise<Outcome> {
  return host.run("env", ["-C", elsewhere, "R2K_LOG=warn", program, ...args]);
}

describe("the packed product, installed elsewhere", { timeout: TIMEOUT_MS }, () => {
  it("says what to do where npm did not run the script that brings the pinned Node", () => {
    expect(unapproved.code).toBe(2);
    expect(unapproved.stderr).toMatch(/remedy: "allowScripts": \{ "node": true \}/);
  });

  it("says its version, and its help", async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
      version: string;
    };
    const said = await installed(["version"]);
    expect(said.stderr).toBe("");
    expect(said.stdout).toContain(version);
    expect((await installed(["--version"])).stdout).toBe(`r2k ${version}\n`);
    const help = readFileSync(join(ROOT, "cli/help.txt"), "utf8");
    expect((await installed(["--help"])).stdout.trimEnd()).toBe(help.trimEnd());
  });

  it("brings the licences of the packages that are in its bundles", () => {
    const notices = join(elsewhere, "node_modules/raft2kube/THIRD_PARTY_NOTICES");
    const text = readFileSync(notices, "utf8");
    expect(text).toMatch(/^preact [\d.]+: MIT\n\nThe MIT License[^]*Copyright/m);
    expect(text).toMatch(/^yaml [\d.]+: ISC$/m);
    expect(text).not.toContain("@raft2kube");
  });

  it("is a library too: the example with an own store passes, and its types hold", async () => {
    const example = "embedded-store.test.mjs";
    cpSync(join(elsewhere, "node_modules/raft2kube/examples", example), join(elsewhere, example));
    const node = join(elsewhere, "node_modules/node/bin/node");
    const tested = await inElsewhere(node, ["--test", "--test-reporter=tap", example]);
    expect(tested.stdout).toMatch(/# pass 2\n# fail 0\n/);
    const types = ["--types", "node", "--typeRoots", join(ROOT, "node_modules/@types")];
    const strict = ["--noEmit", "--strict", "--checkJs", "--skipLibCheck"];
    const target = ["--module", "nodenext", "--target", "es2024"];
    const tsc = join(ROOT, "node_modules/.bin/tsc");
    const checked = await inElsewhere(tsc, [...strict, ...target, ...types, example]);
    expect(checked.stdout).toBe("");
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
    // Their supervisors carry the same command.
    expect(lines).toHaveLength(4);
    for (const line of lines ?? []) expect(line).toContain(elsewhere);
    const down = await installed(["down", "--purge", "--name", NAME]);
    expect(down.code, down.stderr).toBe(0);
  });
});
