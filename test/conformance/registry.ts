// The registry of the images that tests pull whether they are there or not.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { CommandError } from "../../cli/terminal.ts";

const DOMAIN = "registry.k8s.io";
const ADDRESS = "127.0.0.1:5000";
const IMAGE = "e2e-test-images/kitten:1.8";
const READY_MS = 10_000;

/** The flags of a cluster whose nodes pull from `serveImages`. */
export const REGISTRY_FLAGS = ["--registry", `${DOMAIN}=http://${ADDRESS}`];

/**
 * Serves images of an archive at the loopback of each of these network namespaces, by Debian's
 * docker-registry, until the function that it resolves with is called.
 */
export async function serveImages(
  archive: string,
  namespaces: readonly string[],
): Promise<() => void> {
  const folder = join(dirname(archive), "registry");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const config = join(folder, "registry.yml");
  const storage = { filesystem: { rootdirectory: folder } };
  writeFileSync(config, JSON.stringify({ version: 0.1, storage, http: { addr: ADDRESS } }));
  const enter = (netns: string) => ["nsenter", `--net=${netns}`] as const;
  const servers = namespaces.map((netns): ChildProcess => {
    const [program, flag] = enter(netns);
    return spawn(program, [flag, "docker-registry", "serve", config], { stdio: "ignore" });
  });
  const stop = () => servers.forEach((server) => server.kill());
  const [program, flag] = enter(namespaces[0]!);
  const copy = ["skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false"];
  const from = `docker-archive:${archive}:${DOMAIN}/${IMAGE}`;
  let said = "";
  const isCopied = () => {
    const done = spawnSync(program, [flag, ...copy, from, `docker://${ADDRESS}/${IMAGE}`]);
    said = String(done.stderr);
    return done.status === 0;
  };
  try {
    await waitFor("the registry", isCopied, { clock: systemClock(), timeout_ms: READY_MS });
    return stop;
  } catch (cause) {
    stop();
    throw new CommandError("REGISTRY", `${IMAGE} cannot be served: ${said}`, { cause });
  }
}
