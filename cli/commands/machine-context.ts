import { existsSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { BUNDLES } from "../apply/program-image.ts";
import { ROOT_DIR } from "../assets.ts";
import type { KubeadmConfig } from "../machine/config/kubeadm.ts";
import { nodeNameOf, ownAddress } from "../machine/config/node-flags.ts";
import type { MachineContext } from "../machine/context.ts";
import { quietProgress, terminalProgress } from "../terminal.ts";
import { buildRelease } from "./image-release.ts";

/** Flags that `init` and `join` share. */
export interface MachineFlags {
  readonly nodeName?: string;
  readonly apiserverAdvertiseAddress?: string;
  readonly apiserverBindPort?: string;
  readonly ignorePreflightErrors?: string;
}

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
    config,
    nodeName: nodeNameOf(flags.nodeName ?? registration.name),
    address: ownAddress(flags.apiserverAdvertiseAddress ?? advertiseAddress),
    bindPort: flags.apiserverBindPort === undefined ? bindPort : Number(flags.apiserverBindPort),
    clock,
    progress: quietProgress(terminalProgress(clock)),
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
