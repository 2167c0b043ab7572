import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { given } from "@raft2kube/std/given.ts";
import { parse } from "yaml";
import { STATIC_PODS_DIR } from "../assets.ts";
import { FLAGS as APISERVER_FLAGS } from "../parts/apiserver.ts";
import { FLAGS as CONTROLLERS_FLAGS } from "../parts/controllers.ts";
import { FLAGS as SCHEDULER_FLAGS } from "../parts/scheduler.ts";
import { FLAGS as STORE_FLAGS } from "../store/flag-table.ts";
import { CommandError } from "../terminal.ts";
import type { Arg, ClusterSection, ComponentConfig, ExternalEtcd } from "./config/kubeadm.ts";
import { imageOf } from "./release-images.ts";

/** The static pods of a control plane machine. */
export const CONTROL_PLANE = [
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
] as const;
export type StaticPod = (typeof CONTROL_PLANE)[number] | "etcd";

/** Values that the manifests of a machine are filled with. */
export interface ManifestValues {
  readonly cluster: ClusterSection;
  readonly nodeName: string;
  readonly address: string;
  readonly bindPort: number;
  /** Whether the CA's key is here, by which requests of nodes are signed. */
  readonly signs: boolean;
  /** The build in the images' tags, where the version alone does not distinguish releases. */
  readonly build?: string;
  /** The members that a new member of the store joins, as `NAME=URL,...`; default: it is first. */
  readonly initialCluster?: string;
}

const names = (table: object) =>
  Object.keys(table).map((form) => form.replace(/^(-\w, )?--/, "").split(" ")[0]!);

/** Each component's section of the configuration, and the flags that its program has. */
const changesOf = (cluster: ClusterSection) =>
  ({
    "kube-apiserver": [cluster.apiServer, names(APISERVER_FLAGS)],
    "kube-controller-manager": [cluster.controllerManager, names(CONTROLLERS_FLAGS)],
    "kube-scheduler": [cluster.scheduler, names(SCHEDULER_FLAGS)],
    etcd: [cluster.etcd.local, [...STORE_FLAGS.keys()]],
  }) satisfies Record<StaticPod, readonly [ComponentConfig, readonly string[]]>;

/** Throws CommandError `FLAG` naming every flag that a component does not have. */
export function checkExtraArgs(cluster: ClusterSection): void {
  const unknown = Object.entries(changesOf(cluster)).flatMap(([pod, [{ extraArgs }, flags]]) => {
    const args = (extraArgs ?? []).filter(({ name }) => !flags.includes(name));
    return args.map(({ name }) => `${pod} has no flag --${name}`);
  });
  if (unknown.length === 0) return;
  throw new CommandError("FLAG", `extraArgs: ${unknown.join("; ")}`, {
    remedy: "r2k apiserver --help, controllers, scheduler and store --help list the flags",
  });
}

/** A value that is one word of YAML wherever a template has it. */
function plain(name: string, value: unknown): string {
  const text = String(value);
  if (/^(?:[\p{L}\p{N}_./][\p{L}\p{N}_./@=+,:-]*)?(?<!:)$/u.test(text)) return text;
  throw new CommandError("CONFIG", `${name}: not a word of a manifest: ${JSON.stringify(text)}`, {
    remedy: "letters, digits and _ . / : @ - make one",
  });
}

interface Manifest {
  spec: { containers: [{ command: string[]; volumeMounts: object[] }]; volumes: object[] };
}

/** The manifest of a component's static pod. */
export async function staticPod(pod: StaticPod, values: ManifestValues): Promise<object> {
  const { cluster, signs, nodeName, address, initialCluster } = values;
  const pki = cluster.certificatesDir;
  const filling: Record<string, unknown> = {
    ...values,
    ...cluster,
    ...cluster.networking,
    pki,
    image: imageOf(pod, cluster.imageRepository, values.build),
    etcdDataDir: cluster.etcd.local.dataDir,
    initialCluster: initialCluster ?? `${nodeName}=https://${address}:2380`,
    signingCert: signs ? `${pki}/ca.crt` : "",
    signingKey: signs ? `${pki}/ca.key` : "",
  };
  const template = await readFile(join(STATIC_PODS_DIR, `${pod}.yaml`), "utf8");
  const filled = template.replace(/\$\{(\w+)\}/g, (_, name: string) => plain(name, filling[name]));
  const manifest = parse(filled) as Manifest;
  if (initialCluster !== undefined && pod === "etcd") {
    const [container] = manifest.spec.containers;
    const state = { name: "initial-cluster-state", value: "existing" };
    container.command = withArgs(container.command, [state]);
  }
  const { external } = cluster.etcd;
  if (external !== undefined && pod === "kube-apiserver") useExternal(manifest, external, pki);
  change(manifest, changesOf(cluster)[pod][0]);
  return manifest;
}

/** Replaces the store on this machine by one elsewhere; its files' folders are mounted. */
function useExternal(manifest: Manifest, etcd: ExternalEtcd, pki: string): void {
  const [container] = manifest.spec.containers;
  const { endpoints, caFile, certFile, keyFile } = etcd;
  const files = given({
    "etcd-cafile": caFile,
    "etcd-certfile": certFile,
    "etcd-keyfile": keyFile,
  }) as Record<string, string>;
  const flags = { "etcd-servers": endpoints.join(","), ...files };
  const dirs = [...new Set(Object.values(files).map((file) => dirname(file)))].filter(
    (dir) => !`${dir}/`.startsWith(`${pki}/`),
  );
  container.command = container.command.filter((word) => !word.startsWith("--etcd-"));
  change(manifest, {
    extraArgs: Object.entries(flags).map(([name, value]) => ({ name, value })),
    extraVolumes: dirs.map((dir, index) => ({
      name: `etcd-certs-${index}`,
      hostPath: dir,
      mountPath: dir,
      readOnly: true,
      pathType: "DirectoryOrCreate",
    })),
  });
}

function change(manifest: Manifest, { extraArgs = [], extraVolumes = [] }: ComponentConfig): void {
  const [container] = manifest.spec.containers;
  container.command = withArgs(container.command, extraArgs);
  for (const { name, hostPath: path, mountPath, readOnly, pathType: type } of extraVolumes) {
    container.volumeMounts.push({ name, mountPath, ...(readOnly ? { readOnly } : {}) });
    manifest.spec.volumes.push({ name, hostPath: { path, ...(type ? { type } : {}) } });
  }
}

/** A command with arguments that replace those of their name; the rest follow in order of name. */
export function withArgs(command: readonly string[], args: readonly Arg[]): string[] {
  const nameOf = (word: string) => word.replace(/^--/, "").split("=")[0]!;
  const [program = "", ...flags] = command;
  const replaced = new Set(args.map(({ name }) => name));
  const kept = flags.filter((flag) => !replaced.has(nameOf(flag)));
  const all = [...kept, ...args.map(({ name, value }) => `--${name}=${value}`)];
  return [program, ...all.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))];
}

/** The value of a flag in a manifest. */
export function flagOf(manifest: string, name: string): string | undefined {
  return new RegExp(`^\\s*- "?--${name}=([^"\\n]*)"?$`, "m").exec(manifest)?.[1];
}
