import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type * as kubeadm from "@raft2kube/api/gen/kubeadm/v1beta4.ts";
import { given } from "@raft2kube/std/given.ts";
import { parse } from "yaml";
import { STATIC_PODS_DIR } from "../assets.ts";
import { FLAGS as APISERVER_FLAGS } from "../parts/apiserver.ts";
import { FLAGS as CONTROLLERS_FLAGS } from "../parts/controllers.ts";
import { FLAGS as SCHEDULER_FLAGS } from "../parts/scheduler.ts";
import { FLAGS as STORE_FLAGS } from "../store/flag-table.ts";
import { CommandError } from "../terminal.ts";
import type { ClusterSection } from "./config/kubeadm.ts";
import { imageOf } from "./release-images.ts";
import { filledText } from "./texts.ts";

export const CONTROL_PLANE = [
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
] as const;
export type Component = (typeof CONTROL_PLANE)[number] | "etcd";
/** The pod whose one process is all components. */
export const ONE_PROCESS = "control-plane";
export type StaticPod = Component | typeof ONE_PROCESS;
/** All that a machine may have, in the order in which they are upgraded. */
export const STATIC_PODS: readonly StaticPod[] = ["etcd", ...CONTROL_PLANE, ONE_PROCESS];

const componentsOf = ({ external }: ClusterSection["etcd"]): readonly Component[] =>
  external ? CONTROL_PLANE : ["etcd", ...CONTROL_PLANE];

/** The static pods of a control plane; a store that is not others' is in the first one. */
export const staticPods = ({ etcd, featureGates }: ClusterSection): readonly StaticPod[] =>
  featureGates?.["OneProcessControlPlane"] ? [ONE_PROCESS] : componentsOf(etcd);

/** The component whose image a pod has. */
export const imageFor = (pod: StaticPod) => (pod === ONE_PROCESS ? "kube-apiserver" : pod);

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

type Changes = Record<Component, readonly [kubeadm.ControlPlaneComponent, readonly string[]]>;
/** Each component's section of the configuration, and the flags that its program has. */
const changesOf = (cluster: ClusterSection): Changes => ({
  "kube-apiserver": [cluster.apiServer, names(APISERVER_FLAGS)],
  "kube-controller-manager": [cluster.controllerManager, names(CONTROLLERS_FLAGS)],
  "kube-scheduler": [cluster.scheduler, names(SCHEDULER_FLAGS)],
  etcd: [cluster.etcd.local, [...STORE_FLAGS.keys()]],
});

/** Throws CommandError `FLAG` naming every flag that a component does not have. */
export function checkExtraArgs(cluster: ClusterSection): void {
  const unknown = Object.entries(changesOf(cluster)).flatMap(([pod, [{ extraArgs }, flags]]) => {
    const args = (extraArgs ?? []).filter(({ name }) => !flags.includes(name));
    return args.map(({ name }) => `${pod} has no flag --${name}`);
  });
  if (unknown.length === 0) return;
  const remedy = "r2k apiserver --help, controllers, scheduler and store --help list the flags";
  throw new CommandError("FLAG", `extraArgs: ${unknown.join("; ")}`, { remedy });
}

/** A value that is one word of YAML wherever a template has it. */
function plain(name: string, value: unknown): string {
  const text = String(value);
  if (/^(?:[\p{L}\p{N}_./][\p{L}\p{N}_./@=+,:[\]-]*)?(?<!:)$/u.test(text)) return text;
  throw new CommandError("CONFIG", `${name}: not a word of a manifest: ${JSON.stringify(text)}`, {
    remedy: "letters, digits and _ . / : @ - make one",
  });
}

/** Flags that a manifest does not have without a value. */
const UNSET = /^--(?:etcd-\w+|initial-cluster-state)=$/;

type Named = Readonly<Record<string, unknown>>;
interface Manifest {
  spec: { containers: [{ command: string[]; volumeMounts: Named[] }]; volumes: Named[] };
}

/** Throws CommandError `CONFIG` for values that do not fit into a manifest, or not together. */
export function staticPod(pod: StaticPod, values: ManifestValues): Manifest {
  const { cluster, signs, nodeName, address, initialCluster } = values;
  const pki = cluster.certificatesDir;
  const pair = `${pki}/apiserver-etcd-client`;
  const store = cluster.etcd.external ?? {
    endpoints: ["https://127.0.0.1:2379"],
    ...{ caFile: `${pki}/etcd/ca.crt`, certFile: `${pair}.crt`, keyFile: `${pair}.key` },
  };
  const filling: Record<string, unknown> = {
    ...values,
    ...cluster,
    ...cluster.networking,
    pki,
    image: imageOf(imageFor(pod), cluster.imageRepository, values.build),
    ...store,
    etcdDataDir: cluster.etcd.local.dataDir,
    initialCluster: initialCluster ?? `${nodeName}=https://${address}:2380`,
    initialClusterState: initialCluster === undefined ? "" : "existing",
    ...(signs && { signingCert: `${pki}/ca.crt`, signingKey: `${pki}/ca.key` }),
  };
  const path = join(STATIC_PODS_DIR, `${pod}.yaml`);
  const filled = filledText(path, (name) => plain(name, filling[name] ?? ""));
  const manifest = parse(filled) as Manifest;
  const [container] = manifest.spec.containers;
  container.command = container.command.filter((word) => !UNSET.test(word));
  const mounts: kubeadm.HostPathMount[] = [];
  for (const part of pod === ONE_PROCESS ? componentsOf(cluster.etcd) : [pod]) {
    const [{ extraArgs = [], extraVolumes = [] }] = changesOf(cluster)[part];
    if (part !== pod) container.command.push(...staticPod(part, values).spec.containers[0].command);
    else container.command = withArgs(container.command, extraArgs);
    if (part === "etcd") mounts.push(folder("etcd-data", cluster.etcd.local.dataDir));
    mounts.push(...(part === "kube-apiserver" ? foldersOf(store, pki) : []), ...extraVolumes);
  }
  for (const { name, hostPath: path, mountPath, readOnly, pathType: type } of mounts) {
    add(manifest.spec.volumes, "name", { name, hostPath: { path, ...given({ type }) } });
    add(container.volumeMounts, "mountPath", { name, mountPath, ...(readOnly && { readOnly }) });
  }
  return manifest;
}

/** Adds what is not there: components of one process may name the same. */
function add(all: Named[], key: string, one: Named): void {
  const found = all.find((each) => each[key] === one[key]);
  if (found === undefined) return void all.push(one);
  if (isDeepStrictEqual(found, one)) return;
  const remedy = "take other names and mount paths; components of one process share them";
  throw new CommandError("CONFIG", `extraVolumes: ${key} ${one[key]} is there twice`, { remedy });
}

const folder = (name: string, path: string): kubeadm.HostPathMount => {
  return { name, hostPath: path, mountPath: path, pathType: "DirectoryOrCreate" };
};

/** Volumes of the folders, beside that of the cluster, of files by which a store is reached. */
function foldersOf({ caFile, certFile, keyFile }: Partial<kubeadm.ExternalEtcd>, pki: string) {
  const folders = [caFile, certFile, keyFile].flatMap((file) => (file ? dirname(file) : []));
  const others = [...new Set(folders)].filter((dir) => !`${dir}/`.startsWith(`${pki}/`));
  return others.map((path, at) => ({ ...folder(`etcd-certs-${at}`, path), readOnly: true }));
}

/** A command with arguments that replace those of their name; the rest follow in order of name. */
export function withArgs(command: readonly string[], args: readonly kubeadm.Arg[]): string[] {
  const nameOf = (word: string) => word.replace(/^--/, "").split("=")[0]!;
  const [program = "", ...flags] = command;
  const replaced = new Set(args.map(({ name }) => name));
  const kept = flags.filter((flag) => !replaced.has(nameOf(flag)));
  const all = [...kept, ...args.map(({ name, value }) => `--${name}=${value}`)];
  return [program, ...all.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))];
}

export function flagOf(manifest: string, name: string): string | undefined {
  return new RegExp(`^\\s*- "?--${name}=([^"\\n]*)"?$`, "m").exec(manifest)?.[1];
}
