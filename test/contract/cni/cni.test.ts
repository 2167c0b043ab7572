import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { buildPlugins } from "@raft2kube/cni/build.ts";
import { execInvoke } from "@raft2kube/cni/lib/exec.ts";
import { inProcessInvoke } from "@raft2kube/cni/lib/in-process.ts";
import { PLUGINS } from "@raft2kube/cni/plugins/index.ts";
import { beforeAll, describe, expect, test } from "vitest";
import { suiteFolder, testFolder } from "../../../testing/folders.ts";
import { cniContract } from "./suite.ts";

const DEBIAN = "/usr/lib/cni";
/** Folder that `npm run peers -- cni-plugins` builds. */
const CURRENT = join(import.meta.dirname, "../../../.peers/cni-plugins");
const built = suiteFolder("r2k-cni-bin-");

beforeAll(async () => {
  await buildPlugins(built);
});

const ours = { pluginDir: () => built, newest: "1.1.0", ours: true, checksPorts: true } as const;

cniContract("ours, exec'd", { ...ours, executablesAlone: true });

test.each([...PLUGINS.keys()])("the executable of %s names the versions that it speaks", (name) => {
  const env = { ...process.env, CNI_COMMAND: "VERSION" };
  const input = JSON.stringify({ cniVersion: ours.newest });
  const answer = execFileSync(join(built, name), { env, input, encoding: "utf8" });
  expect(JSON.parse(answer)).toMatchObject({
    cniVersion: ours.newest,
    supportedVersions: expect.arrayContaining(["0.4.0", ours.newest]),
  });
});

const notExec = () => Promise.reject(new Error("our own build was exec'd"));
const invoke = inProcessInvoke({ plugins: PLUGINS, exec: notExec });
cniContract("ours, in process", { ...ours, invoke });

describe.runIf(existsSync(join(DEBIAN, "bridge")))("the reference plugins", () => {
  cniContract("containernetworking", {
    pluginDir: () => DEBIAN,
    newest: "1.0.0",
    ours: false,
    checksPorts: false,
  });
});

describe.runIf(existsSync(join(CURRENT, "bridge")))("containernetworking's plugins 1.9", () => {
  cniContract("by CNI 1.1", {
    pluginDir: () => CURRENT,
    newest: "1.1.0",
    ours: false,
    checksPorts: true,
  });
});

describe.runIf(existsSync(join(DEBIAN, "host-local")))("one takes over from the other", () => {
  const at = (command: "ADD" | "DEL", containerId: string, dataDir: string) => ({
    command,
    containerId,
    netns: "/proc/self/ns/net",
    ifName: "eth0",
    args: "",
    path: [DEBIAN],
    config: {
      type: "host-local",
      name: "shared",
      cniVersion: "1.0.0",
      ipam: { type: "host-local", dataDir, ranges: [[{ subnet: "10.99.0.0/29" }]] },
    },
  });
  const exec = execInvoke(10_000);
  const files = (dir: string) =>
    readdirSync(join(dir, "shared")).filter((name) => /^10/.test(name));

  test.each([
    ["ours", "theirs"],
    ["theirs", "ours"],
  ])("addresses of %s are known to %s", async (first) => {
    const [one, two] = first === "ours" ? [built, DEBIAN] : [DEBIAN, built];
    const dataDir = testFolder("r2k-cni-shared-");
    await exec(join(one, "host-local"), at("ADD", "a", dataDir));
    await exec(join(two, "host-local"), at("ADD", "b", dataDir));
    expect(files(dataDir)).toEqual(["10.99.0.2", "10.99.0.3"]);
    await exec(join(two, "host-local"), at("DEL", "a", dataDir));
    expect(files(dataDir)).toEqual(["10.99.0.3"]);
    // The one after the last given out, not the first free one.
    await exec(join(one, "host-local"), at("ADD", "c", dataDir));
    expect(files(dataDir)).toEqual(["10.99.0.3", "10.99.0.4"]);
  });

  test("at the same time: no address is given twice", async () => {
    const dataDir = testFolder("r2k-cni-shared-");
    const plugins = [built, DEBIAN, built, DEBIAN, built];
    await Promise.all(
      plugins.map((dir, index) => exec(join(dir, "host-local"), at("ADD", `c${index}`, dataDir))),
    );
    expect(files(dataDir)).toHaveLength(5);
  });
});
