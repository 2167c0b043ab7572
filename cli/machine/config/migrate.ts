import { messageOf } from "@raft2kube/std/errors.ts";
import { parseAllDocuments, stringify } from "yaml";
import { API_LEVEL } from "../../version.ts";
import { at, type Fields, isObject, requireValid } from "./fields.ts";
import { KUBEADM_VERSION, parseKubeadmConfig } from "./kubeadm.ts";

const OLD = "kubeadm.k8s.io/";
/** Places of maps of flags, which are lists since v1beta4. */
const ARGS = [
  "apiServer.extraArgs",
  "controllerManager.extraArgs",
  "scheduler.extraArgs",
  "etcd.local.extraArgs",
  "nodeRegistration.kubeletExtraArgs",
];
/** Where the fields of v1alpha1 and v1alpha2's MasterConfiguration went, by their kind. */
const MOVED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ClusterConfiguration: {
    ...same("kubernetesVersion", "networking", "certificatesDir", "imageRepository", "clusterName"),
    "api.controlPlaneEndpoint": "controlPlaneEndpoint",
    apiServerExtraArgs: "apiServer.extraArgs",
    apiServerExtraVolumes: "apiServer.extraVolumes",
    apiServerCertSANs: "apiServer.certSANs",
    controllerManagerExtraArgs: "controllerManager.extraArgs",
    controllerManagerExtraVolumes: "controllerManager.extraVolumes",
    schedulerExtraArgs: "scheduler.extraArgs",
    schedulerExtraVolumes: "scheduler.extraVolumes",
    "etcd.local": "etcd.local",
    "etcd.external": "etcd.external",
    "etcd.dataDir": "etcd.local.dataDir",
    "etcd.extraArgs": "etcd.local.extraArgs",
    "etcd.image": "etcd.local.image",
  },
  InitConfiguration: {
    "api.advertiseAddress": "localAPIEndpoint.advertiseAddress",
    "api.bindPort": "localAPIEndpoint.bindPort",
    nodeName: "nodeRegistration.name",
    criSocket: "nodeRegistration.criSocket",
    ...same("nodeRegistration", "bootstrapTokens"),
  },
};
const TOKEN = ["token", "tokenTTL"];

function same(...names: string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, name]));
}

/**
 * Rewrites documents of v1beta3, and MasterConfiguration of v1alpha1 and v1alpha2, as v1beta4. The
 * version becomes this product's. Throws CommandError `CONFIG` naming what has no place there, or
 * is not supported.
 */
export function migrateConfig(text: string, path: string): string {
  const documents = parseAllDocuments(text).flatMap((document) => {
    const [fault] = document.errors;
    if (fault) requireValid(path, [messageOf(fault)]);
    const value = document.toJS() as Fields | null;
    return value === null ? [] : migrated(value, path);
  });
  const result = documents.map((document) => stringify(document)).join("---\n");
  parseKubeadmConfig(result, path);
  return result;
}

function migrated(value: Fields, path: string): Fields[] {
  const { apiVersion, kind } = value;
  if (!String(apiVersion).startsWith(OLD)) return [value];
  if (kind === "MasterConfiguration") return fromMaster(value, path);
  const result = structuredClone(value) as Record<string, unknown>;
  for (const place of ARGS) {
    const args = at(result, place);
    if (isObject(args)) set(result, place, listed(args));
  }
  result["apiVersion"] = KUBEADM_VERSION;
  if (kind === "ClusterConfiguration") result["kubernetesVersion"] = API_LEVEL;
  return [result];
}

function fromMaster(value: Fields, path: string): Fields[] {
  const rest = structuredClone(value) as Record<string, unknown>;
  for (const name of ["apiVersion", "kind"]) delete rest[name];
  const documents = Object.entries(MOVED).map(([kind, moves]) => {
    const document: Record<string, unknown> = { apiVersion: KUBEADM_VERSION, kind };
    for (const [from, to] of Object.entries(moves)) {
      const found = at(rest, from);
      if (found === undefined) continue;
      set(
        document,
        to,
        /ExtraArgs$|extraArgs$/.test(from) && isObject(found) ? listed(found) : found,
      );
      remove(rest, from);
    }
    return document;
  });
  const [token, ttl] = TOKEN.map((name) => rest[name]);
  if (token !== undefined) documents[1]!["bootstrapTokens"] = [{ token, ...(ttl ? { ttl } : {}) }];
  for (const name of TOKEN) delete rest[name];
  const left = Object.keys(rest).filter((name) => {
    return !isObject(rest[name]) || Object.keys(rest[name]).length > 0;
  });
  requireValid(
    `${path}: MasterConfiguration`,
    left.map((name) => `the field ${name} is unknown`),
  );
  return documents.flatMap((document) => migrated(document, path));
}

const listed = (args: Fields) =>
  Object.entries(args).map(([name, value]) => ({ name, value: String(value) }));

function parentOf(of: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  return names.reduce((inner, name) => {
    return (inner[name] ??= {}) as Record<string, unknown>;
  }, of);
}

function set(of: Record<string, unknown>, path: string, value: unknown): void {
  const names = path.split(".");
  parentOf(of, names.slice(0, -1))[names.at(-1)!] = value;
}

function remove(of: Record<string, unknown>, path: string): void {
  const names = path.split(".");
  delete parentOf(of, names.slice(0, -1))[names.at(-1)!];
}
