import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { type Json, mergePatch } from "@raft2kube/apimachinery/json/json.ts";
import { applyJsonPatch, readJsonPatch } from "@raft2kube/apimachinery/patch/json-patch.ts";
import { PATCH_TYPES, readPatch } from "@raft2kube/apimachinery/patch/read-patch.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { parseAllDocuments } from "yaml";
import { CommandError } from "../terminal.ts";
import type { Fields } from "./config/fields.ts";
import { checkKubeletConfig } from "./config/kubelet-config.ts";
import { STATIC_PODS, type StaticPod } from "./static-pods.ts";

const KUBELET = "kubeletconfiguration";
const TARGETS: readonly string[] = [...STATIC_PODS, KUBELET];
const POD = { group: "", version: "v1", kind: "Pod", schema: "core/v1.Pod" };
const ENDING = /\.(?:json|yaml)$/;
/** kubeadm's form of a file's name: `TARGET[SUFFIX][+TYPE].yaml`. */
const NAME = new RegExp(`^(${TARGETS.join("|")})([^.+]*)(?:\\+([^.]*))?\\.(?:json|yaml)$`);

function refused(path: string, text: string, cause?: unknown): CommandError {
  return new CommandError("PATCH", `${path}: ${text}`, {
    remedy:
      `name it TARGET[SUFFIX][+TYPE].yaml; TARGET is one of ${TARGETS.join(", ")}, TYPE ` +
      "one of strategic, merge, json",
    cause,
  });
}

type PatchType = "strategic" | "merge" | "json";

type PatchFile = { readonly path: string; readonly target: string; readonly type: PatchType };

/** The patches in a folder, in order of their names; other files than JSON and YAML are none. */
async function patchFiles(dir: string): Promise<PatchFile[]> {
  const names = await readdir(dir).catch((cause: unknown) => {
    throw refused(dir, `the folder of patches: ${messageOf(cause)}`, cause);
  });
  return names
    .filter((name) => ENDING.test(name))
    .sort()
    .map((name) => {
      const path = join(dir, name);
      const [, target, , type = "strategic"] = NAME.exec(name) ?? [];
      if (target === undefined) throw refused(path, "patches of this name are not supported");
      if (type in PATCH_TYPES && type !== "apply") return { path, target, type: type as PatchType };
      throw refused(path, `${type} is no type of a patch`);
    });
}

/** Throws CommandError `PATCH` for a file in the folder that is not supported, or of no pod here. */
export async function checkPatches(dir: string | undefined, pods = STATIC_PODS): Promise<void> {
  if (dir === undefined) return;
  for (const { path, target } of await patchFiles(dir)) {
    await readFile(path);
    if ([KUBELET, ...pods].includes(target)) continue;
    throw refused(path, `this control plane has the static pods ${pods.join(", ")}`);
  }
}

/** Returns a static pod as the folder's patches change it. Throws CommandError `PATCH`. */
export function patchPod(dir: string | undefined, pod: StaticPod, value: object): Promise<object> {
  return patched(dir, pod, value, (current, patch, type) => {
    const body = Buffer.from(JSON.stringify(patch));
    const read = { fieldValidation: "Strict" as const, warnings: [] };
    return readPatch(PATCH_TYPES[type], POD, body, read).apply(current as KubeObject);
  });
}

/** Returns a KubeletConfiguration as the folder's patches change it; its lists are replaced. */
export async function patchKubelet(dir: string | undefined, value: object): Promise<object> {
  const changed = await patched(dir, KUBELET, value, (current, patch, type) => {
    if (type !== "json") return mergePatch(current as Json, patch as Json) as object;
    return applyJsonPatch(current as Json, readJsonPatch(patch as Json)) as object;
  });
  checkKubeletConfig(`KubeletConfiguration with the patches in ${dir}`, changed as Fields);
  return changed;
}

async function patched(
  dir: string | undefined,
  target: string,
  value: object,
  change: (current: object, patch: unknown, type: PatchType) => object,
): Promise<object> {
  if (dir === undefined) return value;
  let current = value;
  for (const file of (await patchFiles(dir)).filter((each) => each.target === target)) {
    for (const document of parseAllDocuments(await readFile(file.path, "utf8"))) {
      try {
        if (document.errors[0]) throw document.errors[0];
        const patch = document.toJS() as unknown;
        if (patch !== null) current = change(current, patch, file.type);
      } catch (thrown) {
        throw refused(file.path, messageOf(thrown), thrown);
      }
    }
  }
  return current;
}
