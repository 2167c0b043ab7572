import { existsSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { BUNDLES } from "../apply/program-image.ts";
import { ROOT_DIR } from "../assets.ts";
import type { FlagsOf, FlagTable } from "../flags.ts";
import type { KubeadmConfig } from "../machine/config/kubeadm.ts";
import { nodeNameOf, ownAddress } from "../machine/config/node-flags.ts";
import type { MachineContext } from "../machine/context.ts";
import { terminalProgress } from "../terminal.ts";
import { buildRelease } from "./image-release.ts";

export const MACHINE_FLAGS = {
  "--config <file>": "kubeadm's configuration, v1beta4",
  "--node-name <name>": "this machine's name in the cluster",
  "--apiserver-advertise-address <ip>": "this machine's address; default: of its default route",
  "--apiserver-bind-port <port>": "the API server's port (default 6443)",
  "--patches <dir>": "a folder of patches: TARGET[SUFFIX][+TYPE].yaml",
  "--ignore-preflight-errors <names>": "checks whose failures are warnings; all for every one",
} as const satisfies FlagTable;

type MachineFlags = FlagsOf<typeof MACHINE_FLAGS>;

/** Assembles what the phases act by; flags come before the file. */
export function machineContext(config: KubeadmConfig, flags: MachineFlags, as: "init" | "join") {
  const registration = config[as].nodeRegistration;
  const { advertiseAddress, bindPort } = {
    ...config.init.localAPIEndpoint,
    ...(as === "join" ? config.join.controlPlane?.localAPIEndpoint : {}),
  };
  const names = [
    ...(flags.ignorePreflightErrors?.split(",") ?? []),
    ...(registration.ignorePreflightErrors ?? []),
  ];
  const aborting = new AbortController();
  process.once("SIGINT", () => aborting.abort());
  const clock = systemClock();
  return {
    ...config,
    nodeName: nodeNameOf(flags.nodeName ?? registration.name),
    address: ownAddress(flags.apiserverAdvertiseAddress ?? advertiseAddress),
    bindPort: flags.apiserverBindPort === undefined ? bindPort : Number(flags.apiserverBindPort),
    clock,
    note: terminalProgress(clock).note,
    signal: aborting.signal,
    ignored: new Set(names.map((name) => name.toLowerCase())),
    releaseImages,
  } satisfies MachineContext;
}

/** The archive of this product's images, made where there is none or one of an older bundle. */
export async function releaseImages(repository: string): Promise<string> {
  const folder = join(ROOT_DIR, ".cache/release");
  const path = join(folder, `${repository.replaceAll(/[^\w.-]/g, "_")}.tar`);
  const bundle = statSync(join(ROOT_DIR, BUNDLES, "main.js")).mtimeMs;
  if (existsSync(path) && statSync(path).mtimeMs >= bundle) return path;
  await mkdir(folder, { recursive: true });
  await buildRelease(path, repository);
  return path;
}
