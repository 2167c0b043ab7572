import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { testFolder } from "../../../testing/folders.ts";

let dir: string;
beforeEach(() => {
  dir = testFolder("r2k-no-inotify-");
  mkdirSync(join(dir, "exits"));
  mkdirSync(join(dir, "manifests"));
});

/**
 * Returns the output of a program whose user has no inotify instance left, as when a container of
 * the same user has taken all of them.
 */
function without(inotify: string, program: string): string[] {
  const script = `echo 0 > /proc/sys/user/${inotify} && exec "$@"`;
  const modules = ["kubelet", "runtime", "base/std"].map((name) => {
    return new URL(`../../../${name}/`, import.meta.url).href;
  });
  const node = [process.execPath, "--input-type=module", "--eval", program, dir, ...modules];
  const { stdout, stderr } = spawnSync("unshare", ["-Ur", "sh", "-c", script, "sh", ...node], {
    env: { ...process.env, R2K_LOG: "none" },
    timeout: 30_000,
  });
  const errors = String(stderr)
    .split("\n")
    .filter((line) => /Error/.test(line));
  return [...errors, ...String(stdout).split("\n").filter(Boolean)];
}

const HEAD = `
  const [dir, kubelet, runtime, std] = process.argv.slice(1);
  const clock = (await import(std + "clock.ts")).systemClock();
`;
const PLUGINS = `${HEAD}
  const { startPluginWatcher } = await import(kubelet + "plugins/plugin-watcher.ts");
  const registryDir = dir + "/plugins_registry";
  const watcher = await startPluginWatcher({ registryDir, handlers: {}, clock });
  console.log("watches plugins");
  await watcher.close();
`;
const STATIC_PODS = `${HEAD}
  const { StaticSource } = await import(kubelet + "pods/static-source.ts");
  const sink = { put: () => undefined, remove: () => undefined };
  const options = { dir: dir + "/manifests", nodeName: "n", clock, sink };
  const source = new StaticSource(options);
  source.start(() => undefined);
  await source.synced;
  console.log("reads static pods");
  await source.close();
`;
/** The container is one whose process has ended, with conmon's word of it. */
const EXITS = `${HEAD}
  const { ExitWatcher } = await import(runtime + "container/exit-watcher.ts");
  const phase = { state: "running", startedAt_ms: 0, process: { pid: 1, startTicks: "" } };
  const record = { id: "c", phase };
  const found = Promise.withResolvers();
  const watcher = new ExitWatcher();
  await watcher.open({
    clock,
    paths: { exits: dir + "/exits", container: () => ({ exitFile: dir + "/exits/c" }) },
    log: { error: () => undefined },
    containers: { find: () => record, values: () => [record] },
    turns: { run: async (id) => found.resolve(id) },
  });
  console.log("looks after " + await found.promise);
  watcher.close();
`;

describe.each(["max_inotify_instances", "max_inotify_watches"])("without %s", (inotify) => {
  test.each([
    ["plugins are followed", PLUGINS, "watches plugins"],
    ["static pods are read", STATIC_PODS, "reads static pods"],
    ["ends of containers are noticed", EXITS, "looks after c"],
  ])("%s", (_, program, said) => {
    writeFileSync(join(dir, "exits/c"), "0");
    expect(without(inotify, program)).toEqual([said]);
  });
});
