import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { parseAllDocuments } from "yaml";
import { ADDONS_DIR } from "../assets.ts";
import type { StepOf } from "../plan/step.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { CommandError } from "../terminal.ts";
import { type Context, untilAborted } from "./context.ts";
import { APPLY_MANAGER, type Manifest, withLastApplied } from "./last-applied.ts";

/** Applies the manifests that every cluster gets, which do not depend on each other. */
export function applyAddOns({ cluster }: StepOf<"add-ons">, context: Context): Promise<void> {
  return context.step("add-ons", () =>
    untilAborted(context.signal, async () => {
      const client = await context.client();
      const paths = await manifestsIn(ADDONS_DIR);
      await Promise.all(paths.map((path) => applyFile(client, path, cluster)));
    }),
  );
}

/** Applies every manifest of a folder, in the order of its file names. */
export async function applyFolder(
  client: KubeClient,
  folder: string,
  config: object,
): Promise<void> {
  for (const path of await manifestsIn(folder)) await applyFile(client, path, config);
}

async function manifestsIn(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".yaml")).sort();
  return names.map((name) => join(folder, name));
}

/**
 * Creates the missing objects of a file, as `kubectl apply` would, and does not change existing
 * ones. Resolves with the number of created objects.
 */
export async function createMissing(
  client: KubeClient,
  path: string,
  config: ClusterConfig,
): Promise<number> {
  const manifests = readManifests(await readFile(path, "utf8"), path, config);
  const created = await Promise.all(manifests.map((manifest) => createIfMissing(client, manifest)));
  return created.filter(Boolean).length;
}

/** Returns whether it created the object. */
async function createIfMissing(client: KubeClient, manifest: Manifest): Promise<boolean> {
  const collection = await collectionPath(client, manifest);
  if (await exists(client, `${collection}/${manifest.metadata.name}`)) return false;
  const namespace = /\/namespaces\/([^/]+)\//.exec(collection)?.[1];
  await client.request({
    method: "POST",
    path: `${collection}?fieldManager=${APPLY_MANAGER}`,
    body: withLastApplied(manifest, namespace),
  });
  return true;
}

async function exists(client: KubeClient, path: string): Promise<boolean> {
  try {
    await client.request({ method: "GET", path });
    return true;
  } catch (thrown) {
    if (isNotFound(thrown)) return false;
    throw thrown;
  }
}

/** Applies each document of a file. */
export async function applyFile(client: KubeClient, path: string, config: object): Promise<void> {
  for (const manifest of readManifests(await readFile(path, "utf8"), path, config)) {
    await applyManifest(client, manifest);
  }
}

/**
 * Parses the objects of a manifest; `${name}` is replaced by the cluster's value of that name.
 * Throws CommandError naming the file if it is not YAML or an object has no kind or name.
 */
export function readManifests(text: string, path: string, config: object): Manifest[] {
  const values = config as Readonly<Record<string, unknown>>;
  const filled = text.replace(/\$\{(\w+)\}/g, (whole, key: string) => {
    const value = values[key];
    return value === undefined ? whole : String(value);
  });
  return parseAllDocuments(filled).map((document) => {
    const problem = document.errors[0];
    if (problem) throw new CommandError("BAD_MANIFEST", `${path}: ${problem.message}`);
    const manifest = document.toJS() as Manifest;
    if (manifest?.kind && manifest.apiVersion && manifest.metadata?.name) return manifest;
    throw new CommandError("BAD_MANIFEST", `${path}: an object has no apiVersion, kind or name`);
  });
}

/**
 * Merges the manifest into the object; where there is none, creates it. In this order, since
 * creating a Service again fails for its address, not for its name.
 */
async function applyManifest(client: KubeClient, manifest: Manifest): Promise<void> {
  const collection = await collectionPath(client, manifest);
  try {
    await client.request({
      method: "PATCH",
      path: `${collection}/${manifest.metadata.name}`,
      body: manifest,
      contentType: "application/merge-patch+json",
    });
  } catch (thrown) {
    if (!isNotFound(thrown)) throw thrown;
    await client.request({ method: "POST", path: collection, body: manifest });
  }
}

interface ResourceList {
  readonly resources: readonly { name: string; kind: string; namespaced: boolean }[];
}

/** Returns the resource of a manifest's kind from the API's discovery. */
async function collectionPath(client: KubeClient, manifest: Manifest): Promise<string> {
  const { apiVersion, kind, metadata } = manifest;
  const prefix = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const list = (await client.request({ method: "GET", path: prefix })) as ResourceList;
  const resource = list.resources.find((item) => item.kind === kind && !item.name.includes("/"));
  if (!resource) {
    throw new CommandError("UNKNOWN_KIND", `the API has no kind ${kind} in ${apiVersion}`);
  }
  const namespace = resource.namespaced ? `/namespaces/${metadata.namespace ?? "default"}` : "";
  return `${prefix}${namespace}/${resource.name}`;
}
